#pragma once
// A quantized model in a file: an ordinary safetensors file that holds, beside the float tensors that stay, the codes,
// scales and tables of what runs on integers, and in `__metadata__` how it came about. Nothing of it is trusted.
//
// Layer P (blocks.0.attn.qkv, patch_embed.proj, head, ...), which runs on integers where P.quantization is:
//   P.weight             I8 [outputs, inputs]: the executed codes of 8-bit weights; below 8 bits
//                        U8 [outputs, packed_bytes(inputs, bits)]: code + zero point, each row packed
//                        (weights/packing.h)
//   P.weight_scale       F32 [outputs]
//   P.weight_zero_point  U8 [outputs], only below 8 bits, or in its place
//   P.weight_levels      I8 [n], 2 <= n <= 2^(weight bits), ascending: packed is then which of them each code is
//   P.bias               F32 [outputs], always
//   P.quantization       F32 [5]: input scale, input zero point, input bits, weight bits, inputs; the input scale is 0
//                        where each row of the input has a scale of its own, which it is given as it runs (schema 2)
//   P.input_levels       U8 [n], optional, 2 <= n <= 2^(input bits), ascending: the codes that the input may have, on
//                        the grid of 8 bits that input scale and zero point then describe
//   P.pixels             F32 [2, 3], optional, of the patch embedding: gain and shift of each channel, by which what it
//                        takes is made of normalised pixels (schema 2)
// LayerNorm N in front of such a layer, which emits codes: N.gain, N.shift F32 [dim] in place of N.weight, N.bias.
// Attention A (blocks.0.attn), where it runs on integers:
//   A.scales             F32 [3]: of q, k and v, symmetric s8
//   A.softmax            F32 [4]: method (0 uniform, 1 tanq, 2 log2, 3 logsqrt2), bits, a, c
//   A.softmax_table      U8 [4096]; absent for uniform 8 bits
// All else is F32 under its canonical name. Metadata: format "vitq", schema "1" or, with row scales, "2",
// and what the calibration adds.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/layers/description.h"
#include "engine/shape.h"
#include "weights/checkpoint.h"

namespace vitq {

/// The newest schema that this version reads; the one it writes is the oldest that says what has to be said.
inline constexpr int kArtifactSchema = 2;

/// Whether vitq wrote the file: only then do its keys mean what vitq means by them.
bool is_of_vitq(const Checkpoint& checkpoint);

/// Whether it did, and states a schema, as only quantized models do.
bool is_artifact(const Checkpoint& checkpoint);

/// Throws, with the reason and what to do, unless the schema is one that this version reads.
void check_artifact_schema(const Checkpoint& checkpoint);

/// "fp32", or of an artifact what its metadata says: "w8a8". Throws Error where that is missing or is no such word.
std::string precision_of(const Checkpoint& checkpoint);

/// [outputs, inputs] of a layer that runs on integers, without reading its codes; nothing where it is float.
std::optional<Shape> quantized_shape(const Checkpoint& checkpoint, const std::string& layer);

/// The layer with its codes unpacked; nothing where it is float (has no P.quantization). Throws where any of its
/// tensors is missing, of another type or shape, or holds a value that makes no sense; allocates no more than 3 x its
/// bytes.
std::optional<QuantizedLinear> read_quantized_linear(const Checkpoint& checkpoint, const std::string& layer);

/// The same for an attention; nothing where it has no A.scales.
std::optional<QuantizedAttention> read_quantized_attention(const Checkpoint& checkpoint, const std::string& attention);

/// Whether the LayerNorm emits codes: its N.gain and N.shift take the place of N.weight and N.bias.
bool has_folded_norm(const Checkpoint& checkpoint, const std::string& norm);

/// Checkpoint::require for a quantized model. `expected` are the tensors of the float model (expected_tensors): each
/// must be there, as F32 or in its quantized form, nothing else may be, and every value must make sense. A layer is
/// known by a P.weight of two dimensions or more, a LayerNorm by one of one dimension, an attention by its
/// A.qkv.weight. Calls check_artifact_schema. Throws one error with the first problem, which ends with `hint` where a
/// tensor is missing, surplus or misshapen. Which layers may be float side by side is for the model to say.
void require_artifact(const Checkpoint& checkpoint, const std::vector<TensorSpec>& expected, const std::string& hint);

/// A quantized model in the making, in memory. What is added is checked as reading would (throws; nothing is added
/// then), so that what it writes can be read. Movable.
class ArtifactBuilder {
 public:
  ArtifactBuilder();

  void add_linear(const std::string& name, const QuantizedLinear& linear);
  /// gain, shift: [dim].
  void add_norm(const std::string& name, std::span<const float> gain, std::span<const float> shift);
  /// Of the patch embedding: gain and shift of each channel.
  void add_pixels(std::span<const float> gain_and_shift);
  void add_attention(const std::string& name, const QuantizedAttention& attention);
  void add_float(const std::string& name, const Shape& shape, std::span<const float> values);

  /// Any key but format and schema, which are the builder's own: setting those to anything else throws.
  void set_metadata(const std::string& key, const std::string& value);

  /// Bytes of all tensors together.
  std::int64_t size() const;
  /// The artifact as a file, whole or not at all (write_safetensors).
  void write(const std::filesystem::path& path) const;
  /// The artifact as if written and opened. The tensors are shared, not copied: it outlives the builder at no cost.
  Checkpoint checkpoint() const;

 private:
  using Tensors = std::vector<std::shared_ptr<const MemoryTensor>>;

  /// Adds `tensors`, none of which may be there yet.
  void add(const Tensors& tensors);
  /// The same for float tensors, which must be finite.
  void add_floats(const Tensors& tensors);

  std::map<std::string, std::shared_ptr<const MemoryTensor>> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace vitq
