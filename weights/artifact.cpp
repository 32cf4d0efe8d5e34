#include "weights/artifact.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <set>
#include <sstream>
#include <string_view>

#include "engine/error.h"
#include "weights/packing.h"
#include "weights/printable.h"

namespace vitq {
namespace {

constexpr float kMaxScale = 1e30F;               // leaves room for a scale times a sum of codes
constexpr std::int32_t kMaxZeroPoint = 1 << 22;  // constant inputs have up to 255e4; a float holds 2^24 exactly
constexpr std::int64_t kMaxInputs = 1 << 16;     // 255 * 128 * inputs must fit an s32 sum
constexpr std::int64_t kTableEntries = 4096;     // entry i is the level of e = i / 4095
constexpr int kMethods = 4;

/// A tensor is missing, surplus or misshapen: this may be another model.
class Misfit : public Error {
 public:
  using Error::Error;
};

template <class... Parts>
void check_fit(bool ok, const Parts&... parts) {
  if (!ok) throw Misfit(ErrorCode::kFormat, text_of(parts...));
}

/// "FILE: tensor NAME": what errors about a value begin with.
std::string place(const Checkpoint& checkpoint, const std::string& name) {
  return checkpoint.source() + ": tensor " + name;
}

/// The tensor `name`, which must be there with this type and shape.
const FileTensor& tensor(const Checkpoint& checkpoint, const std::string& name, FileDType dtype, const Shape& shape) {
  const FileTensor* found = checkpoint.raw(name);
  const std::string wanted = name + " " + std::string(dtype_name(dtype)) + " " + to_string(shape);
  check_fit(found != nullptr, checkpoint.source(), ": missing ", wanted);
  check_fit(found->dtype == dtype && found->shape == shape, checkpoint.source(), ": expected ", wanted, ", found ",
            dtype_name(found->dtype), " ", to_string(found->shape));
  return *found;
}

/// The same for F32, as finite values.
std::span<const float> floats(const Checkpoint& checkpoint, const std::string& name, const Shape& shape) {
  tensor(checkpoint, name, FileDType::kF32, shape);
  return checkpoint.f32(name);
}

std::int64_t integer(const std::string& where, std::string_view what, float value, std::int64_t least,
                     std::int64_t most) {
  const bool ok =
      value == std::nearbyint(value) && value >= static_cast<float>(least) && value <= static_cast<float>(most);
  check(ok, ErrorCode::kFormat, where, ": the ", what, " is ", value, ", expected an integer from ", least, " to ",
        most);
  return static_cast<std::int64_t>(value);
}

void check_scales(const std::string& where, std::span<const float> scales) {
  const auto bad = std::ranges::find_if_not(scales, [](float scale) { return scale > 0 && scale < kMaxScale; });
  check(bad == scales.end(), ErrorCode::kFormat, where, ": element ", bad - scales.begin(), " is ",
        bad == scales.end() ? 0 : *bad, ", expected a scale greater than 0 and less than ", kMaxScale);
}

/// All of a layer but its codes, which stay packed. Spans are the checkpoint's.
struct PackedLinear {
  std::int64_t outputs = 0;
  std::int64_t inputs = 0;
  int weight_bits = 8;
  int input_bits = 8;
  float input_scale = 1;
  bool row_scales = false;
  std::int32_t input_zero_point = 0;
  std::span<const std::uint8_t> weight;
  std::span<const std::uint8_t> zero_point;
  std::span<const float> scale;
  std::span<const float> bias;
  std::vector<std::uint8_t> input_levels;
  std::vector<std::int8_t> weight_levels;

  std::span<const std::uint8_t> row(std::int64_t output) const {
    const std::int64_t bytes = packed_bytes(inputs, weight_bits);
    return weight.subspan(output * bytes, bytes);
  }
};

/// What P.quantization and the extents of P.weight say. Reads no other tensor.
PackedLinear linear_form(const Checkpoint& checkpoint, const std::string& layer) {
  const std::string name = layer + ".quantization";
  const std::span<const float> form = floats(checkpoint, name, {5});
  const std::string where = place(checkpoint, name);
  PackedLinear linear;
  linear.row_scales = form[0] == 0;
  if (!linear.row_scales) {
    check_scales(where, form.first(1));
    linear.input_scale = form[0];
  }
  linear.input_zero_point =
      static_cast<std::int32_t>(integer(where, "input zero point", form[1], -kMaxZeroPoint, kMaxZeroPoint));
  linear.input_bits = static_cast<int>(integer(where, "number of input bits", form[2], 3, 8));
  linear.weight_bits = static_cast<int>(integer(where, "number of weight bits", form[3], 3, 8));
  linear.inputs = integer(where, "number of inputs", form[4], 1, kMaxInputs);
  const int most = (1 << linear.input_bits) - 1;
  check(!linear.row_scales || (linear.input_zero_point >= 0 && linear.input_zero_point < most), ErrorCode::kFormat,
        where, ": the input zero point is ", linear.input_zero_point, ", expected 0 to ", most - 1,
        " where each row has a scale");
  const FileTensor* weight = checkpoint.raw(layer + ".weight");
  check_fit(weight != nullptr, checkpoint.source(), ": missing ", layer, ".weight");
  check_fit(weight->shape.size() == 2 && weight->shape[0] > 0, checkpoint.source(), ": expected ", layer,
            ".weight [outputs, bytes], found ", to_string(weight->shape));
  linear.outputs = weight->shape[0];
  return linear;
}

/// The levels of a code book; none where there is no such tensor.
template <class Code>
std::vector<Code> read_levels(const Checkpoint& checkpoint, const std::string& name, FileDType dtype, int bits) {
  const FileTensor* found = checkpoint.raw(name);
  if (found == nullptr) return {};
  const std::int64_t most = std::int64_t{1} << bits;
  const bool fits =
      found->dtype == dtype && found->shape.size() == 1 && found->shape[0] >= 2 && found->shape[0] <= most;
  check_fit(fits, checkpoint.source(), ": expected ", name, " ", dtype_name(dtype), " [2 to ", most, "], found ",
            dtype_name(found->dtype), " ", to_string(found->shape));
  std::vector<Code> levels(found->bytes.size());
  std::memcpy(levels.data(), found->bytes.data(), levels.size());
  for (std::size_t i = 1; i < levels.size(); ++i) {
    check(levels[i] > levels[i - 1], ErrorCode::kFormat, place(checkpoint, name), ": element ", i, " is ",
          int{levels[i]}, ", expected more than the ", int{levels[i - 1]}, " before it");
  }
  return levels;
}

std::span<const std::uint8_t> weight_zero_points(const Checkpoint& checkpoint, const std::string& layer,
                                                 const PackedLinear& linear) {
  const std::string name = layer + ".weight_zero_point";
  const std::span<const std::uint8_t> zero_points = tensor(checkpoint, name, FileDType::kU8, {linear.outputs}).bytes;
  const int codes = 1 << linear.weight_bits;
  for (std::int64_t o = 0; o < linear.outputs; ++o) {
    check(zero_points[o] < codes, ErrorCode::kFormat, place(checkpoint, name), ": element ", o, " is ",
          int{zero_points[o]}, ", expected less than ", codes, " at ", linear.weight_bits, " bits");
  }
  return zero_points;
}

/// Every packed code must be the number of a level; where all numbers are, there is nothing to look at.
void check_level_codes(const Checkpoint& checkpoint, const std::string& layer, const PackedLinear& linear) {
  const std::int64_t levels = std::ssize(linear.weight_levels);
  if (levels == 1 << linear.weight_bits) return;
  for (std::int64_t o = 0; o < linear.outputs; ++o) {
    const int most = std::ranges::max(unpack_bits(linear.row(o), linear.inputs, linear.weight_bits));
    check(most < levels, ErrorCode::kFormat, place(checkpoint, layer + ".weight"), ": row ", o, " has the code ", most,
          ", expected less than ", levels, ", the number of weight levels");
  }
}

/// linear_form and all tensors of the layer, with types, shapes and values checked.
PackedLinear packed_linear(const Checkpoint& checkpoint, const std::string& layer) {
  PackedLinear linear = linear_form(checkpoint, layer);
  const Shape rows = {linear.outputs};
  const bool is_packed = linear.weight_bits < 8;
  linear.weight = tensor(checkpoint, layer + ".weight", is_packed ? FileDType::kU8 : FileDType::kI8,
                         {linear.outputs, packed_bytes(linear.inputs, linear.weight_bits)})
                      .bytes;
  linear.scale = floats(checkpoint, layer + ".weight_scale", rows);
  check_scales(place(checkpoint, layer + ".weight_scale"), linear.scale);
  linear.bias = floats(checkpoint, layer + ".bias", rows);
  linear.input_levels =
      read_levels<std::uint8_t>(checkpoint, layer + ".input_levels", FileDType::kU8, linear.input_bits);
  check(!linear.row_scales || linear.input_levels.empty(), ErrorCode::kFormat, place(checkpoint, layer),
        ": has input levels and a scale for each row, expected one of them");
  if (!is_packed) return linear;

  for (std::int64_t o = 0; o < linear.outputs; ++o) {
    check(has_clean_tail(linear.row(o), linear.inputs, linear.weight_bits), ErrorCode::kFormat,
          place(checkpoint, layer + ".weight"), ": row ", o, " has bits behind its last code; the file is damaged");
  }
  linear.weight_levels =
      read_levels<std::int8_t>(checkpoint, layer + ".weight_levels", FileDType::kI8, linear.weight_bits);
  if (linear.weight_levels.empty()) {
    linear.zero_point = weight_zero_points(checkpoint, layer, linear);
  } else {
    check_level_codes(checkpoint, layer, linear);
  }
  return linear;
}

/// Checks one artifact, and remembers which of its tensors have a meaning.
class ArtifactCheck {
 public:
  ArtifactCheck(const Checkpoint& checkpoint, const std::vector<TensorSpec>& expected) : checkpoint_(checkpoint) {
    for (const TensorSpec& spec : expected) expected_[spec.name] = spec.shape;
  }

  /// Types, shapes and values of all that is expected, and that nothing else is there.
  void run() {
    constexpr std::string_view kWeight = ".weight";
    for (const auto& [name, shape] : expected_) {
      if (!name.ends_with(kWeight)) continue;
      const std::string owner = name.substr(0, name.size() - kWeight.size());
      if (shape.size() > 1 && checkpoint_.contains(owner + ".quantization")) check_linear(owner, shape);
      if (shape.size() == 1 && has_folded_norm(checkpoint_, owner)) check_norm(owner, shape);
      constexpr std::string_view kQkv = ".qkv";
      if (owner.ends_with(kQkv)) check_attention(owner.substr(0, owner.size() - kQkv.size()));
    }
    for (const auto& [name, shape] : expected_) {
      if (replaced_.contains(name)) continue;
      floats(checkpoint_, name, shape);
      known_.insert(name);
    }
    for (const std::string& name : checkpoint_.names()) {
      check_fit(known_.contains(name), checkpoint_.source(), ": unexpected ", printable(name), " ",
                to_string(checkpoint_.shape(name)));
    }
  }

 private:
  void check_linear(const std::string& layer, const Shape& shape) {
    const PackedLinear linear = packed_linear(checkpoint_, layer);
    const Shape expected = {shape[0], element_count(shape) / std::max<std::int64_t>(shape[0], 1)};
    const Shape found = {linear.outputs, linear.inputs};
    check_fit(found == expected, checkpoint_.source(), ": expected ", layer, " of [outputs, inputs] ",
              to_string(expected), ", found ", to_string(found));
    replace(layer, {".weight", ".bias"}, {".weight", ".bias", ".weight_scale", ".quantization"});
    if (linear.weight_bits < 8) {
      known_.insert(layer + (linear.weight_levels.empty() ? ".weight_zero_point" : ".weight_levels"));
    }
    if (!linear.input_levels.empty()) known_.insert(layer + ".input_levels");
    const std::string pixels = layer + ".pixels";
    if (layer != "patch_embed.proj" || !checkpoint_.contains(pixels)) return;
    const auto scale = floats(checkpoint_, pixels, {2, 3});
    check_scales(place(checkpoint_, pixels), scale.first(3));
    known_.insert(pixels);
  }

  void check_norm(const std::string& norm, const Shape& shape) {
    floats(checkpoint_, norm + ".gain", shape);
    floats(checkpoint_, norm + ".shift", shape);
    replace(norm, {".weight", ".bias"}, {".gain", ".shift"});
  }

  void check_attention(const std::string& attention) {
    const auto found = read_quantized_attention(checkpoint_, attention);
    if (!found) return;
    replace(attention, {}, {".scales", ".softmax"});
    if (!found->table.empty()) known_.insert(attention + ".softmax_table");
  }

  /// The float tensors `before` of `owner` are not asked for any more, `after` are known.
  void replace(const std::string& owner, std::initializer_list<const char*> before,
               std::initializer_list<const char*> after) {
    for (const char* suffix : before) replaced_.insert(owner + suffix);
    for (const char* suffix : after) known_.insert(owner + suffix);
  }

  const Checkpoint& checkpoint_;
  std::map<std::string, Shape> expected_;
  std::set<std::string> replaced_;
  std::set<std::string> known_;
};

/// The schema number; nothing where the text is none.
std::optional<int> parse_schema(const std::string& text) {
  int schema = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), schema);
  if (error != std::errc() || end != text.data() + text.size() || schema < 1) return std::nullopt;
  return schema;
}

}  // namespace

bool is_of_vitq(const Checkpoint& checkpoint) {
  const auto format = checkpoint.metadata().find("format");
  return format != checkpoint.metadata().end() && format->second == "vitq";
}

bool is_artifact(const Checkpoint& checkpoint) {
  return is_of_vitq(checkpoint) && checkpoint.metadata().contains("schema");
}

void check_artifact_schema(const Checkpoint& checkpoint) {
  const auto text = [&checkpoint](const char* key) {
    const auto found = checkpoint.metadata().find(key);
    return found == checkpoint.metadata().end() ? std::string() : found->second;
  };
  const std::optional<int> schema = parse_schema(text("schema"));
  check(schema.has_value(), ErrorCode::kFormat, checkpoint.source(), ": metadata schema is ", printable(text("schema")),
        ", expected a number from 1 to ", kArtifactSchema, "; the file is damaged");
  const std::string version = text("vitq_version");
  check(schema <= kArtifactSchema, ErrorCode::kUnsupported, checkpoint.source(), ": artifact schema ",
        schema.value_or(0), ", this vitq reads up to ", kArtifactSchema, "; made by vitq ",
        version.empty() ? "?" : printable(version), ": update vitq");
}

std::string precision_of(const Checkpoint& checkpoint) {
  if (!is_artifact(checkpoint)) return "fp32";
  const auto stated = checkpoint.metadata().find("precision");
  std::string precision = stated == checkpoint.metadata().end() ? "" : stated->second;
  const auto is_bits = [](char c) { return '3' <= c && c <= '8'; };
  check(precision.size() == 4 && precision[0] == 'w' && (is_bits(precision[1]) || precision[1] == 'x') &&
            precision[2] == 'a' && is_bits(precision[3]),
        ErrorCode::kFormat, checkpoint.source(), ": metadata 'precision' is ", printable(precision),
        ", expected one like w8a8 or, with mixed weights, wxa8");
  return precision;
}

std::optional<Shape> quantized_shape(const Checkpoint& checkpoint, const std::string& layer) {
  if (!checkpoint.contains(layer + ".quantization")) return std::nullopt;
  const PackedLinear linear = linear_form(checkpoint, layer);
  return Shape{linear.outputs, linear.inputs};
}

std::optional<QuantizedLinear> read_quantized_linear(const Checkpoint& checkpoint, const std::string& layer) {
  if (!checkpoint.contains(layer + ".quantization")) return std::nullopt;
  const PackedLinear packed = packed_linear(checkpoint, layer);
  QuantizedLinear linear{.outputs = packed.outputs,
                         .inputs = packed.inputs,
                         .weight_bits = packed.weight_bits,
                         .input_bits = packed.input_bits,
                         .input_scale = packed.input_scale,
                         .row_scales = packed.row_scales,
                         .input_zero_point = packed.input_zero_point,
                         .codes = std::vector<std::int8_t>(packed.outputs * packed.inputs),
                         .zero_point = {packed.zero_point.begin(), packed.zero_point.end()},
                         .scale = {packed.scale.begin(), packed.scale.end()},
                         .bias = {packed.bias.begin(), packed.bias.end()},
                         .input_levels = packed.input_levels,
                         .weight_levels = packed.weight_levels};
  if (packed.weight_bits == 8) {
    std::memcpy(linear.codes.data(), packed.weight.data(), packed.weight.size());
    return linear;
  }
  for (std::int64_t o = 0; o < packed.outputs; ++o) {
    const std::vector<std::uint8_t> row = unpack_bits(packed.row(o), packed.inputs, packed.weight_bits);
    const auto codes = linear.codes.begin() + o * packed.inputs;
    if (packed.weight_levels.empty()) {
      const int zero_point = packed.zero_point[o];
      std::ranges::transform(row, codes,
                             [zero_point](std::uint8_t code) { return static_cast<std::int8_t>(code - zero_point); });
    } else {
      std::ranges::transform(row, codes, [&](std::uint8_t code) { return packed.weight_levels[code]; });
    }
  }
  return linear;
}

std::optional<QuantizedAttention> read_quantized_attention(const Checkpoint& checkpoint, const std::string& attention) {
  if (!checkpoint.contains(attention + ".scales")) return std::nullopt;
  QuantizedAttention result;
  const std::span<const float> scales = floats(checkpoint, attention + ".scales", {3});
  check_scales(place(checkpoint, attention + ".scales"), scales);
  std::ranges::copy(scales, result.scales.begin());

  const std::span<const float> softmax = floats(checkpoint, attention + ".softmax", {4});
  const std::string where = place(checkpoint, attention + ".softmax");
  result.method = static_cast<int>(integer(where, "method", softmax[0], 0, kMethods - 1));
  result.bits = static_cast<int>(integer(where, "number of bits", softmax[1], 3, 8));
  result.a = softmax[2];
  result.c = softmax[3];
  if (result.method == 0 && result.bits == 8) return result;  // needs no table

  const std::string table_name = attention + ".softmax_table";
  const auto table = tensor(checkpoint, table_name, FileDType::kU8, {kTableEntries}).bytes;
  check(table.back() != 0, ErrorCode::kFormat, place(checkpoint, table_name),
        ": the last element, the level of a row's largest value, is ",
        "0, expected 1 to 255: a row would be divided by 0");
  result.table.assign(table.begin(), table.end());
  return result;
}

bool has_folded_norm(const Checkpoint& checkpoint, const std::string& norm) {
  return checkpoint.contains(norm + ".gain");
}

void require_artifact(const Checkpoint& checkpoint, const std::vector<TensorSpec>& expected, const std::string& hint) {
  check_artifact_schema(checkpoint);
  try {
    ArtifactCheck(checkpoint, expected).run();
  } catch (const Misfit& misfit) {
    fail(ErrorCode::kFormat, misfit.what(), hint.empty() ? "" : "; ", hint);
  }
}

}  // namespace vitq
