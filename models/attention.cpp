#include "models/attention.h"

#include <cmath>

#include "engine/layer_norm.h"
#include "engine/softmax.h"

namespace vitq {

Linear read_linear(MatmulContext& context, const Checkpoint& checkpoint, const std::string& name, std::int64_t outputs,
                   std::int64_t inputs) {
  const std::string bias = name + ".bias";
  return {context, checkpoint.f32(name + ".weight"),
          checkpoint.contains(bias) ? checkpoint.f32(bias) : std::span<const float>(), outputs, inputs};
}

NormParameters::NormParameters(const Checkpoint& checkpoint, const std::string& name, float epsilon) : eps(epsilon) {
  const auto scale = checkpoint.f32(name + ".weight");
  const auto shift = checkpoint.f32(name + ".bias");
  gamma.assign(scale.begin(), scale.end());
  beta.assign(shift.begin(), shift.end());
}

void NormParameters::run(const Tensor& src, const Tensor& dst, std::span<const std::int32_t> from) const {
  layer_norm(src, gamma, beta, eps, dst, from);
}

void reserve(Buffer& buffer, std::int64_t size) {
  if (static_cast<std::int64_t>(buffer.size()) < size) {
    buffer = Buffer();  // give the old memory back first
    buffer = Buffer(static_cast<std::size_t>(size));
  }
}

void AttentionBuffers::reserve(const Stage& stage, std::int64_t groups, std::int64_t per_call, std::int64_t tokens) {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(float));
  vitq::reserve(qkv, groups * tokens * 3 * stage.dim * kBytes);
  vitq::reserve(scores, per_call * stage.heads * tokens * padded_columns(tokens) * kBytes);
  vitq::reserve(context, groups * tokens * stage.dim * kBytes);
}

Attention::Attention(MatmulContext& context, const Checkpoint& checkpoint, const std::string& name, const Stage& stage)
    : context_(&context),
      heads_(stage.heads),
      head_dim_(stage.head_dim()),
      qkv_(read_linear(context, checkpoint, name + ".qkv", 3 * stage.dim, stage.dim)),
      proj_(read_linear(context, checkpoint, name + ".proj", stage.dim, stage.dim)) {}

void Attention::run(const Tensor& src, const Tensor& dst, Epilogue epilogue, const AttentionShape& shape,
                    AttentionBuffers& buffers) const {
  const std::int64_t dim = heads_ * head_dim_;
  const std::int64_t tokens = shape.tokens;
  const std::int64_t stride = padded_columns(tokens);
  const Tensor qkv(buffers.qkv.data(), {src.rows(), 3 * dim});
  const Tensor merged(buffers.context.data(), {src.rows(), dim});
  qkv_.run(src, qkv);

  // A row of qkv is [q | k | v], each [heads, head_dim]: all three are strided views of it.
  const Tensor scores(buffers.scores.data(), {shape.per_call, heads_, tokens, tokens},
                      {heads_ * tokens * stride, tokens * stride, stride, 1});
  const float scale = 1.0F / std::sqrt(static_cast<float>(head_dim_));
  for (std::int64_t group = 0; group < shape.groups; group += shape.per_call) {
    float* row = qkv.row(group * tokens);
    const auto part = [&](std::int64_t which) {
      return Tensor(row + which * dim, {shape.per_call, heads_, tokens, head_dim_},
                    {tokens * 3 * dim, head_dim_, 3 * dim, 1});
    };
    const Tensor k_transposed(row + dim, {shape.per_call, heads_, head_dim_, tokens},
                              {tokens * 3 * dim, head_dim_, 1, 3 * dim});
    const Tensor mixed(merged.row(group * tokens), {shape.per_call, heads_, tokens, head_dim_},
                       {tokens * dim, head_dim_, dim, 1});
    context_->multiply(part(0), k_transposed, scores);
    softmax(scores, scale, shape.bias, shape.mask);
    context_->multiply(scores, part(2), mixed);
  }
  proj_.run(merged, dst, epilogue);
}

Mlp::Mlp(MatmulContext& context, const Checkpoint& checkpoint, const std::string& name, const Stage& stage)
    : fc1_(read_linear(context, checkpoint, name + ".fc1", stage.hidden, stage.dim)),
      fc2_(read_linear(context, checkpoint, name + ".fc2", stage.dim, stage.hidden)) {}

void Mlp::run(const Tensor& src, const Buffer& hidden, const Tensor& residual) const {
  const Tensor activated(hidden.data(), {src.rows(), fc1_.outputs()});
  fc1_.run(src, activated, Epilogue::kGelu);
  fc2_.run(activated, residual, Epilogue::kAccumulate);
}

}  // namespace vitq
