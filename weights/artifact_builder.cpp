#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/error.h"
#include "weights/artifact.h"
#include "weights/packing.h"
#include "weights/printable.h"

namespace vitq {
namespace {

constexpr const char* kSource = "quantized weights";

template <class T>
std::shared_ptr<const MemoryTensor> memory_tensor(const std::string& name, FileDType dtype, const Shape& shape,
                                                  std::span<const T> values) {
  std::vector<std::uint8_t> bytes(values.size_bytes());
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return std::make_shared<const MemoryTensor>(name, dtype, shape, std::move(bytes));
}

std::shared_ptr<const MemoryTensor> float_tensor(const std::string& name, const Shape& shape,
                                                 std::span<const float> values) {
  return memory_tensor(name, FileDType::kF32, shape, values);
}

/// What the file holds of a code: code + zero point of its row, or the number of its level.
std::uint8_t stored_code(const std::string& name, const QuantizedLinear& linear, std::int64_t output,
                         std::int64_t input) {
  const std::int8_t code = linear.codes[output * linear.inputs + input];
  if (!linear.weight_levels.empty()) {
    const auto level = std::ranges::lower_bound(linear.weight_levels, code);
    check(level != linear.weight_levels.end() && *level == code, name, ": code ", int{code}, " of row ", output,
          " is none of the weight levels");
    return static_cast<std::uint8_t>(level - linear.weight_levels.begin());
  }
  const int most = (1 << linear.weight_bits) - 1;
  const int stored = code + linear.zero_point[output];
  check(stored >= 0 && stored <= most, name, ": code ", int{code}, " of row ", output, " with zero point ",
        int{linear.zero_point[output]}, ", expected a sum from 0 to ", most);
  return static_cast<std::uint8_t>(stored);
}

std::vector<std::uint8_t> packed_rows(const std::string& name, const QuantizedLinear& linear) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(linear.outputs * packed_bytes(linear.inputs, linear.weight_bits));
  std::vector<std::uint8_t> row(linear.inputs);
  for (std::int64_t o = 0; o < linear.outputs; ++o) {
    for (std::int64_t i = 0; i < linear.inputs; ++i) row[i] = stored_code(name, linear, o, i);
    const std::vector<std::uint8_t> packed = pack_bits(row, linear.weight_bits);
    bytes.insert(bytes.end(), packed.begin(), packed.end());
  }
  return bytes;
}

/// The extents agree with the vectors, so that the rows can be walked.
void check_sizes(const std::string& name, const QuantizedLinear& linear) {
  const bool has_zero_points = linear.weight_bits < 8 && linear.weight_levels.empty();
  check(linear.outputs > 0 && linear.inputs > 0, name, ": [", linear.outputs, ", ", linear.inputs,
        "], expected at least one output and input");
  check(std::ssize(linear.codes) == element_count({linear.outputs, linear.inputs}), name, ": ", linear.codes.size(),
        " codes for [", linear.outputs, ", ", linear.inputs, "]");
  check(std::ssize(linear.zero_point) == (has_zero_points ? linear.outputs : 0), name, ": ", linear.zero_point.size(),
        " zero points for ", linear.outputs, " outputs at ", linear.weight_bits, " bits and ",
        linear.weight_levels.size(), " weight levels");
  check(linear.weight_levels.empty() || linear.weight_bits < 8, name, ": weight levels at 8 bits");
}

}  // namespace

ArtifactBuilder::ArtifactBuilder() : metadata_{{"format", "vitq"}, {"schema", "1"}} {}

void ArtifactBuilder::add_linear(const std::string& name, const QuantizedLinear& linear) {
  check_sizes(name, linear);
  const Shape rows = {linear.outputs};
  const std::array<float, 5> form = {linear.row_scales ? 0.0F : linear.input_scale,
                                     static_cast<float>(linear.input_zero_point), static_cast<float>(linear.input_bits),
                                     static_cast<float>(linear.weight_bits), static_cast<float>(linear.inputs)};
  Tensors tensors = {float_tensor(name + ".weight_scale", rows, linear.scale),
                     float_tensor(name + ".bias", rows, linear.bias),
                     float_tensor(name + ".quantization", {std::ssize(form)}, form)};
  if (linear.weight_bits == 8) {
    tensors.push_back(
        memory_tensor<std::int8_t>(name + ".weight", FileDType::kI8, {linear.outputs, linear.inputs}, linear.codes));
  } else {
    const Shape packed = {linear.outputs, packed_bytes(linear.inputs, linear.weight_bits)};
    tensors.push_back(
        std::make_shared<const MemoryTensor>(name + ".weight", FileDType::kU8, packed, packed_rows(name, linear)));
    tensors.push_back(
        linear.weight_levels.empty()
            ? memory_tensor<std::uint8_t>(name + ".weight_zero_point", FileDType::kU8, rows, linear.zero_point)
            : memory_tensor<std::int8_t>(name + ".weight_levels", FileDType::kI8, {std::ssize(linear.weight_levels)},
                                         linear.weight_levels));
  }
  if (!linear.input_levels.empty()) {
    tensors.push_back(memory_tensor<std::uint8_t>(name + ".input_levels", FileDType::kU8,
                                                  {std::ssize(linear.input_levels)}, linear.input_levels));
  }
  read_quantized_linear(Checkpoint::in_memory(tensors, {}, kSource), name);  // throws what a reader would
  add(tensors);
  if (linear.row_scales) metadata_["schema"] = "2";
}

void ArtifactBuilder::add_norm(const std::string& name, std::span<const float> gain, std::span<const float> shift) {
  check(gain.size() == shift.size(), name, ": ", gain.size(), " gains and ", shift.size(), " shifts");
  const Shape shape = {std::ssize(gain)};
  add_floats({float_tensor(name + ".gain", shape, gain), float_tensor(name + ".shift", shape, shift)});
}

void ArtifactBuilder::add_pixels(std::span<const float> gain_and_shift) {
  add_floats({float_tensor("patch_embed.proj.pixels", {2, 3}, gain_and_shift)});
  metadata_["schema"] = "2";
}

void ArtifactBuilder::add_attention(const std::string& name, const QuantizedAttention& attention) {
  const std::array<float, 4> softmax = {static_cast<float>(attention.method), static_cast<float>(attention.bits),
                                        attention.a, attention.c};
  Tensors tensors = {float_tensor(name + ".scales", {3}, attention.scales),
                     float_tensor(name + ".softmax", {4}, softmax)};
  if (!attention.table.empty()) {
    tensors.push_back(memory_tensor<std::uint8_t>(name + ".softmax_table", FileDType::kU8,
                                                  {std::ssize(attention.table)}, attention.table));
  }
  const auto read = read_quantized_attention(Checkpoint::in_memory(tensors, {}, kSource), name);
  check(read->table.size() == attention.table.size(), name, ": a table for uniform 8-bit softmax, which has none");
  add(tensors);
}

void ArtifactBuilder::add_float(const std::string& name, const Shape& shape, std::span<const float> values) {
  add_floats({float_tensor(name, shape, values)});
}

void ArtifactBuilder::add_floats(const Tensors& tensors) {
  const Checkpoint checkpoint = Checkpoint::in_memory(tensors, {}, kSource);
  for (const std::string& name : checkpoint.names()) checkpoint.f32(name);  // throws on NaN and infinity
  add(tensors);
}

void ArtifactBuilder::add(const Tensors& tensors) {
  for (const auto& added : tensors) {
    check(!tensors_.contains(added->tensor().name), kSource, ": tensor ", added->tensor().name, " comes twice");
  }
  for (const auto& added : tensors) tensors_[added->tensor().name] = added;
}

void ArtifactBuilder::set_metadata(const std::string& key, const std::string& value) {
  if (key == "format" || key == "schema") {
    const std::string& own = metadata_.at(key);
    check(own == value, kSource, ": metadata ", key, " is ", own, " and cannot be set to ", printable(value));
  }
  metadata_[key] = value;
}

std::int64_t ArtifactBuilder::size() const {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors_) bytes += std::ssize(tensor->tensor().bytes);
  return bytes;
}

void ArtifactBuilder::write(const std::filesystem::path& path) const {
  std::vector<FileTensor> tensors;
  for (const auto& [name, tensor] : tensors_) tensors.push_back(tensor->tensor());
  write_safetensors(path, tensors, metadata_);
}

Checkpoint ArtifactBuilder::checkpoint() const {
  Tensors tensors;
  for (const auto& [name, tensor] : tensors_) tensors.push_back(tensor);
  return Checkpoint::in_memory(std::move(tensors), metadata_, kSource);
}

}  // namespace vitq
