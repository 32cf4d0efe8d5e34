#pragma once
// The safetensors format (huggingface.co/docs/safetensors): 8 bytes of little-endian header length, a JSON header that
// names dtype, shape and byte range of every tensor, then the data without a hole. Reading maps the file and copies
// nothing; every rule of the format is checked before the first tensor is handed out.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/shape.h"
#include "weights/mapped_file.h"

namespace vitq {

/// All element types of the format's own library (0.6), in its order: rising alignment.
enum class FileDType {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

/// The name in the file: "F32".
std::string_view dtype_name(FileDType dtype);
/// Bits of one element: 4, 6, 8, 16, 32 or 64.
std::int64_t dtype_bits(FileDType dtype);
/// The inverse of dtype_name(); nothing where the format has no such type.
std::optional<FileDType> dtype_of_name(std::string_view name);
/// Bytes of a whole tensor. Throws where they do not fit in 64 bits or (F4, F6) do not fill the last byte.
std::int64_t byte_count(FileDType dtype, const Shape& shape);

/// A tensor of a file or for one: its name, type and shape, and its bytes, which belong to somebody else.
struct FileTensor {
  std::string name;
  FileDType dtype = {};
  Shape shape;
  std::span<const std::uint8_t> bytes;
};

/// An open file, checked. Move-only; the tensors' bytes live as long as it does and do not move with it. See
/// MappedFile for the promise that the file is left alone meanwhile. Reading from several threads is safe.
class SafetensorsFile {
 public:
  /// Throws, naming `path`, where the file cannot be opened or breaks any rule of the format: header length (at most
  /// 100 MB, inside the file), JSON, types, duplicate names, shapes of at most 64 dimensions, byte ranges inside the
  /// data, without overlap or hole, matching dtype and shape, and covering all of the data.
  explicit SafetensorsFile(const std::filesystem::path& path);
  /// The same of a file's bytes in memory, which must outlive it; `name` stands for them in messages.
  SafetensorsFile(std::span<const std::uint8_t> bytes, const std::string& name);

  const std::filesystem::path& path() const { return path_; }
  /// Bytes of the whole file.
  std::size_t file_size() const { return bytes_.size(); }
  /// `__metadata__`, as it stands in the file: not safe to print.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// Sorted by name.
  const std::vector<FileTensor>& tensors() const { return tensors_; }
  /// Null where there is none of this name.
  const FileTensor* find(std::string_view name) const;
  /// Gives the memory of what was read back to the system, where it is a mapped file's; spans stay valid.
  void drop_pages() const {
    if (file_) file_->drop_pages();
  }

 private:
  void read();

  std::filesystem::path path_;
  std::optional<MappedFile> file_;  ///< none for bytes in memory
  std::span<const std::uint8_t> bytes_;
  std::map<std::string, std::string> metadata_;
  std::vector<FileTensor> tensors_;
};

/// Writes a file that the format's own library reads, whole or not at all (AtomicFile). The data starts on a multiple
/// of 64 and goes by falling element size, then name, so that every tensor is aligned to its elements. Throws, before
/// anything is written, on duplicate or reserved names, text that is not UTF-8, and bytes that do not match the shape.
void write_safetensors(const std::filesystem::path& path, const std::vector<FileTensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace vitq
