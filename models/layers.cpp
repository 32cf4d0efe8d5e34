#include "models/layers.h"

#include "engine/error.h"
#include "engine/kernels/layer_norm.h"
#include "engine/kernels/requantize.h"
#include "weights/artifact.h"

namespace vitq {

namespace {

Linear read_linear(MatmulContext& context, const Checkpoint& checkpoint, const std::string& name, std::int64_t outputs,
                   std::int64_t inputs) {
  if (const auto stored = read_quantized_linear(checkpoint, name)) {
    // Levels lie on a grid of eight bits, however few bits their codes have.
    const int bits = stored->input_levels.empty() ? stored->input_bits : 8;
    return {context, IntegerWeights{.codes = stored->codes,
                                    .scale = stored->scale,
                                    .bias = stored->bias,
                                    .outputs = stored->outputs,
                                    .inputs = stored->inputs,
                                    .source = {.dtype = DType::kU8,
                                               .scale = stored->input_scale,
                                               .zero_point = stored->input_zero_point,
                                               .bits = bits},
                                    .levels = stored->input_levels}};
  }
  const std::string bias = name + ".bias";
  return {context, checkpoint.f32(name + ".weight"),
          checkpoint.contains(bias) ? checkpoint.f32(bias) : std::span<const float>(), outputs, inputs};
}

}  // namespace

Layer::Layer(MatmulContext& context, const Checkpoint& checkpoint, std::string scope, std::int64_t outputs,
             std::int64_t inputs)
    : name(std::move(scope)), linear(read_linear(context, checkpoint, name, outputs, inputs)) {}

Norm::Norm(const Checkpoint& checkpoint, std::string scope, float epsilon)
    : name(std::move(scope)), folded(has_folded_norm(checkpoint, name)), eps(epsilon) {
  const auto scale = checkpoint.f32(name + (folded ? ".gain" : ".weight"));
  const auto shift = checkpoint.f32(name + (folded ? ".shift" : ".bias"));
  gamma.assign(scale.begin(), scale.end());
  beta.assign(shift.begin(), shift.end());
}

void Norm::run(const Tensor& src, const Tensor& dst, std::span<const std::int32_t> from) const {
  check(folded == (dst.encoding.dtype == DType::kU8), name, folded ? " emits codes" : " emits floats", ", found ",
        dst.encoding, " asked for; are its layer's weights from another file?");
  if (folded) {
    layer_norm_codes(src, gamma, beta, eps, dst, from);
  } else {
    layer_norm(src, gamma, beta, eps, dst, from);
  }
}

void reserve(Buffer& buffer, std::int64_t size) {
  if (static_cast<std::int64_t>(buffer.size()) < size) {
    buffer = Buffer();  // give the old memory back first
    buffer = Buffer(static_cast<std::size_t>(size));
  }
}

Tensor normalised(Norm& norm, const Tensor& src, Layer& next, const Buffer& dst, Calibrator* calibrator,
                  std::span<const std::int32_t> from) {
  if (calibrator != nullptr) {
    const Tensor floats(dst.data(), {src.rows(), src.columns()});
    norm.run(src, floats, from);
    calibrator->norm(norm.name, next.name, floats, norm, next.linear);
  }
  const Tensor result(dst.data(), {src.rows(), src.columns()}, next.linear.source());
  norm.run(src, result, from);
  return result;
}

Tensor encoded(const Tensor& src, Layer& next, Buffer& dst, Calibrator* calibrator) {
  if (calibrator != nullptr) calibrator->linear(next.name, src, next.linear);
  if (src.encoding == next.linear.source()) return src;
  reserve(dst, src.rows() * src.columns() * static_cast<std::int64_t>(size_of(next.linear.source().dtype)));
  const Tensor codes(dst.data(), {src.rows(), src.columns()}, next.linear.source());
  quantize(src, codes);
  return codes;
}

}  // namespace vitq
