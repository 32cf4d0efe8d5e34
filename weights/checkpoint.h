#pragma once
// What models read their weights through: named tensors under canonical names, whether they come from a file of any
// published naming and float type, from memory, or from a seed. The model asks for a name; where it lies is settled
// here.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/shape.h"
#include "weights/assembly.h"
#include "weights/safetensors.h"

namespace vitq {

/// A tensor that a model needs.
struct TensorSpec {
  std::string name;
  Shape shape;
};

/// A tensor that lies in memory and that several owners share. Neither copied nor moved: `tensor` points into it.
class MemoryTensor {
 public:
  /// Throws unless `bytes` is what the type and shape take.
  MemoryTensor(std::string name, FileDType dtype, Shape shape, std::vector<std::uint8_t> bytes);
  MemoryTensor(const MemoryTensor&) = delete;
  MemoryTensor& operator=(const MemoryTensor&) = delete;

  const FileTensor& tensor() const { return tensor_; }

 private:
  std::vector<std::uint8_t> bytes_;
  FileTensor tensor_;
};

/// Move-only; spans handed out stay valid until it is destroyed. One thread at a time: f32() converts and generates on
/// first use.
class Checkpoint {
 public:
  /// The tensors of a safetensors file, or of the files that an index names (open_shards), by canonical name
  /// (sort_names), put together of what is stored (Assembly). Throws as these do.
  static Checkpoint open(const std::filesystem::path& path, const std::optional<std::string>& wrapper = std::nullopt);
  /// The same of a file's bytes in memory, which must outlive it; `name` stands for them in messages.
  static Checkpoint from_bytes(std::span<const std::byte> bytes, const std::string& name);
  /// Seeded weights of these names and shapes (fill_seeded), made on first use.
  static Checkpoint seeded(const std::vector<TensorSpec>& specs, std::uint64_t seed);
  /// Tensors in memory, names canonical. `source` is what error messages begin with. Throws where a name comes twice.
  static Checkpoint in_memory(std::vector<std::shared_ptr<const MemoryTensor>> tensors,
                              std::map<std::string, std::string> metadata, std::string source);
  /// Tensors in memory under published names, which `names` has sorted out; those of buffers need not be there:
  /// `buffers` has their shapes.
  static Checkpoint of_published(std::vector<std::shared_ptr<const MemoryTensor>> tensors, const SortedNames& names,
                                 std::map<std::string, Shape> buffers, std::string source);

  bool contains(const std::string& name) const { return entries_.contains(name); }
  /// Throws where there is no such tensor, as every function here that takes a name.
  const Shape& shape(const std::string& name) const { return entry(name).shape; }
  /// Sorted.
  std::vector<std::string> names() const;
  /// Whose names the file has, for people: "timm's" (Naming::who); empty: nobody's that vitq knows, or no file.
  const std::string& naming() const { return naming_; }
  /// The published names of what stands in the file and is no part of the model.
  const std::vector<std::string>& left_behind() const { return left_behind_; }
  /// The shape of a buffer (SortedNames); null where there is none of this name.
  const Shape* buffer(const std::string& name) const;
  /// The file's `__metadata__`, not safe to print; of seeded weights, `seed`.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// The file's path, or "seeded weights": what error messages begin with.
  const std::string& source() const { return source_; }

  /// The values, row-major; of a layer that LayerScale follows, multiplied by it. F32 comes straight from the mapped
  /// file; F16, BF16, F64 and F32 that the file has put off alignment are converted once, into memory of the
  /// Checkpoint. On first use the values are checked: NaN and infinity are refused, so that a damaged file fails here,
  /// by name, and not as a strange answer.
  std::span<const float> f32(const std::string& name) const;

  /// f32(), or nothing where there is no such tensor: a layer's bias.
  std::span<const float> f32_if_there(const std::string& name) const {
    return contains(name) ? f32(name) : std::span<const float>();
  }

  /// The tensor as it is stored, of any type, unchecked; null where there is none of this name, or it is seeded or put
  /// together.
  const FileTensor* raw(const std::string& name) const;

  /// Throws unless the names and shapes are exactly `expected`: one error with the first misshapen, missing and surplus
  /// tensor and how many more there are, ending with `hint` ("is this deit_b?"; may be empty).
  void require(const std::vector<TensorSpec>& expected, const std::string& hint) const;

  /// Gives the mapped memory of the file back to the system (SafetensorsFile::drop_pages); what was converted or
  /// generated stays. To be called where weights have been packed.
  void release_pages() const;

 private:
  struct Entry {
    Shape shape;
    Assembly stored = {};                    ///< nothing: seeded
    std::string scale = {};                  ///< the tensor that multiplies its rows; empty: none
    mutable std::unique_ptr<float[]> owned;  ///< converted or generated on first use
    mutable bool is_checked = false;         ///< known to be finite; seeded values always are
  };

  Checkpoint() = default;
  static Checkpoint of_files(std::vector<SafetensorsFile> files, std::string source,
                             const std::optional<std::string>& wrapper);
  void put_together(const SortedNames& names, const std::map<std::string_view, const FileTensor*>& stored);
  const Entry& entry(const std::string& name) const;
  void materialize(const std::string& name, const Entry& entry) const;
  void fold_layer_scales();

  std::string source_;
  std::vector<SafetensorsFile> files_;  ///< none, one, or the shards of one checkpoint
  std::vector<std::shared_ptr<const MemoryTensor>> memory_;
  std::uint64_t seed_ = 0;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, Entry> scales_;  ///< of LayerScale, which f32() multiplies into the layer before it
  std::map<std::string, Shape> buffers_;
  std::vector<std::string> left_behind_;
  std::string naming_;
};

/// Writes all tensors of `checkpoint`, as F32 under their canonical names, whole or not at all (write_safetensors).
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint,
                     const std::map<std::string, std::string>& metadata);

}  // namespace vitq
