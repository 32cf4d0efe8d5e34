#include "models/attention.h"

#include <algorithm>
#include <cmath>

#include "engine/requantize.h"
#include "engine/softmax.h"

namespace vitq {

namespace {

constexpr auto kBytes = static_cast<std::int64_t>(sizeof(float));

Encoding operand(float scale, int bits, int most_bits) {
  const Encoding stored{.dtype = DType::kS8, .scale = scale, .zero_point = 0, .bits = bits};
  if (bits <= most_bits) return stored;
  Encoding reduced = stored;
  reduced.bits = most_bits;
  reduced.scale = scale * static_cast<float>(stored.most_code()) / static_cast<float>(reduced.most_code());
  return reduced;
}

AttentionCodes read_codes(const Checkpoint& checkpoint, const std::string& name) {
  const auto stored = read_quantized_attention(checkpoint, name);
  return stored ? attention_codes(*stored) : AttentionCodes();
}

// Group `first` and the `count` behind it.
Tensor groups_of(const Tensor& all, std::int64_t first, std::int64_t count) {
  Tensor part = all;
  part.data = static_cast<std::byte*>(all.data) + first * all.strides[0] * size_of(all.encoding.dtype);
  part.dims[0] = count;
  return part;
}

Tensor transposed(const Tensor& matrices) {
  Tensor result = matrices;
  std::swap(result.dims[2], result.dims[3]);
  std::swap(result.strides[2], result.strides[3]);
  return result;
}

}  // namespace

AttentionCodes attention_codes(const QuantizedAttention& stored) {
  constexpr int kFirstOperandBits = 8;
  return {.integer = true,
          .q = operand(stored.scales[0], stored.bits, kFirstOperandBits),
          .k = operand(stored.scales[1], stored.bits, second_operand_bits()),
          .v = operand(stored.scales[2], stored.bits, second_operand_bits()),
          .levels = stored.table.empty() ? SoftmaxLevels() : SoftmaxLevels(stored.table)};
}

Attention::Attention(MatmulContext& context, const Checkpoint& checkpoint, const std::string& name, const Stage& stage)
    : context_(&context),
      name_(name),
      heads_(stage.heads),
      head_dim_(stage.head_dim()),
      qkv_(context, checkpoint, name + ".qkv", 3 * stage.dim, stage.dim),
      proj_(context, checkpoint, name + ".proj", stage.dim, stage.dim),
      codes_(read_codes(checkpoint, name)) {}

float Attention::score_scale() const { return 1.0F / std::sqrt(static_cast<float>(head_dim_)); }

void Attention::run(const Tensor& src, const Tensor& dst, Epilogue epilogue, const AttentionShape& shape,
                    AttentionBuffers& buffers, Calibrator* calibrator) {
  const std::int64_t dim = heads_ * head_dim_;
  if (calibrator != nullptr) {
    reserve(buffers.qkv, src.rows() * 3 * dim * kBytes);
    const Tensor qkv(buffers.qkv.data(), {src.rows(), 3 * dim});
    qkv_.linear.run(src, qkv);
    calibrator->attention(name_, qkv, heads_, shape, codes_);
  }
  reserve(buffers.mixed, src.rows() * dim * kBytes);
  const bool halves = !codes_.integer && qkv_.linear.source() == kBfloat16;
  const bool direct = (codes_.integer || halves) && calibrator == nullptr;  // else f32, which a calibrator sees
  const Tensor mixed(buffers.mixed.data(), {src.rows(), dim}, direct ? proj_.linear.source() : kFloat);
  if (codes_.integer) {
    mix_codes(src, mixed, shape, buffers);
  } else if (halves) {
    mix_halves(src, mixed, shape, buffers);
  } else {
    mix_floats(src, mixed, shape, buffers);
  }
  const Tensor src_of_proj = encoded(mixed, proj_, buffers.encoded, calibrator);
  proj_.linear.run(src_of_proj, dst, epilogue);
  context_->clock().lap(Step::kProj, Step::kRequantize);
}

void Attention::mix_floats(const Tensor& src, const Tensor& dst, const AttentionShape& shape,
                           AttentionBuffers& buffers) const {
  const std::int64_t dim = heads_ * head_dim_;
  const std::int64_t tokens = shape.tokens;
  const std::int64_t stride = padded_columns(tokens);
  reserve(buffers.qkv, src.rows() * 3 * dim * kBytes);
  reserve(buffers.scores, shape.per_call * heads_ * tokens * stride * kBytes);
  const Tensor qkv(buffers.qkv.data(), {src.rows(), 3 * dim});
  StepClock& clock = context_->clock();
  qkv_.linear.run(src, qkv);
  clock.lap(Step::kQkv);

  // A row of qkv is [q | k | v], each [heads, head_dim]: all three are strided views of it.
  const auto part = [&](std::int64_t which) {
    return Tensor(qkv.f32() + which * dim, {shape.groups, heads_, tokens, head_dim_},
                  {tokens * 3 * dim, head_dim_, 3 * dim, 1});
  };
  const Tensor mixed(dst.data, {shape.groups, heads_, tokens, head_dim_}, {tokens * dim, head_dim_, dim, 1});
  const Tensor scores(buffers.scores.data(), {shape.per_call, heads_, tokens, tokens},
                      {heads_ * tokens * stride, tokens * stride, stride, 1});
  for (std::int64_t group = 0; group < shape.groups; group += shape.per_call) {
    const auto now = [&](const Tensor& all) { return groups_of(all, group, shape.per_call); };
    context_->multiply(now(part(0)), transposed(now(part(1))), scores);
    clock.lap(Step::kScores);
    softmax(scores, score_scale(), shape.bias, shape.mask);
    clock.lap(Step::kSoftmax);
    context_->multiply(scores, now(part(2)), now(mixed));
    clock.lap(Step::kMix);
  }
}

// As mix_codes: dense operands, and products that run over their padding.
void Attention::mix_halves(const Tensor& src, const Tensor& dst, const AttentionShape& shape,
                           AttentionBuffers& buffers) const {
  constexpr auto kHalf = static_cast<std::int64_t>(size_of(DType::kBF16));
  const std::int64_t dim = heads_ * head_dim_;
  const std::int64_t tokens = shape.tokens;
  const std::int64_t score_columns = padded_columns(tokens);
  const std::int64_t columns = padded_probabilities(tokens);
  const std::int64_t rows = shape.per_call * heads_ * tokens;
  reserve(buffers.qkv, shape.groups * heads_ * tokens * head_dim_ * kHalf);
  reserve(buffers.k, shape.groups * heads_ * score_columns * head_dim_ * kHalf);
  reserve(buffers.v, shape.groups * heads_ * columns * head_dim_ * kHalf);
  reserve(buffers.scores, rows * score_columns * kBytes);
  reserve(buffers.levels, rows * columns * kHalf);
  const Tensor q(buffers.qkv.data(), {shape.groups, heads_, tokens, head_dim_}, kBfloat16);
  const Tensor k(buffers.k.data(), {shape.groups, heads_, score_columns, head_dim_}, kBfloat16);
  const Tensor v(buffers.v.data(), {shape.groups, heads_, columns, head_dim_}, kBfloat16);
  StepClock& clock = context_->clock();
  qkv_.linear.run_split(src, q, k, v);
  clock.lap(Step::kQkv, Step::kRequantize);

  const Tensor scores(buffers.scores.data(), {shape.per_call, heads_, tokens, score_columns});
  const Tensor probabilities(buffers.levels.data(), {shape.per_call, heads_, tokens, columns}, kBfloat16);
  const Tensor mixed(dst.data, {shape.groups, heads_, tokens, head_dim_}, {tokens * dim, head_dim_, dim, 1},
                     dst.encoding);
  const auto only_tokens = [&](Tensor padded) {
    padded.dims[3] = tokens;
    return padded;
  };
  for (std::int64_t group = 0; group < shape.groups; group += shape.per_call) {
    const auto now = [&](const Tensor& all) { return groups_of(all, group, shape.per_call); };
    context_->multiply(now(q), transposed(now(k)), scores);
    clock.lap(Step::kScores);
    softmax_bf16(only_tokens(scores), score_scale(), only_tokens(probabilities), shape.bias, shape.mask);
    clock.lap(Step::kSoftmax);
    context_->multiply(probabilities, now(v), now(mixed));
    clock.lap(Step::kMix);
  }
}

void Attention::mix_codes(const Tensor& src, const Tensor& dst, const AttentionShape& shape,
                          AttentionBuffers& buffers) const {
  const std::int64_t tokens = shape.tokens;
  const std::int64_t score_columns = padded_columns(tokens);
  const std::int64_t level_columns = padded_levels(tokens);
  const std::int64_t matrices = shape.per_call * heads_;
  reserve(buffers.qkv, shape.groups * heads_ * tokens * head_dim_);
  reserve(buffers.k, shape.groups * heads_ * score_columns * head_dim_);
  reserve(buffers.v, shape.groups * heads_ * level_columns * head_dim_);
  reserve(buffers.scores, matrices * tokens * score_columns * kBytes);
  reserve(buffers.levels, matrices * tokens * level_columns);
  reserve(buffers.row_sums, matrices * tokens * kBytes);
  reserve(buffers.sums, matrices * tokens * head_dim_ * kBytes);
  const Tensor q(buffers.qkv.data(), {shape.groups, heads_, tokens, head_dim_}, codes_.q);
  const Tensor k(buffers.k.data(), {shape.groups, heads_, score_columns, head_dim_}, codes_.k);
  const Tensor v(buffers.v.data(), {shape.groups, heads_, level_columns, head_dim_}, codes_.v);
  StepClock& clock = context_->clock();
  split(src, q, k, v);
  clock.lap(Step::kQkv, Step::kRequantize);

  constexpr Encoding kSums{.dtype = DType::kS32};
  constexpr Encoding kLevels{.dtype = DType::kU8};
  // The products run over the padding too (engine/matmul.h says why); softmax reads and writes only the tokens.
  const Tensor products(buffers.scores.data(), {shape.per_call, heads_, tokens, score_columns}, kSums);
  const Tensor levels(buffers.levels.data(), {shape.per_call, heads_, tokens, level_columns}, kLevels);
  const auto only_tokens = [&](Tensor padded) {
    padded.dims[3] = tokens;
    return padded;
  };
  const Tensor row_sums(buffers.row_sums.data(), {shape.per_call, heads_, tokens}, kSums);
  const Tensor sums(buffers.sums.data(), {shape.per_call, heads_, tokens, head_dim_}, kSums);
  const float scale = codes_.q.scale * codes_.k.scale * score_scale();
  for (std::int64_t group = 0; group < shape.groups; group += shape.per_call) {
    const auto now = [&](const Tensor& all) { return groups_of(all, group, shape.per_call); };
    context_->multiply(now(q), transposed(now(k)), products);
    clock.lap(Step::kScores);
    softmax_codes(only_tokens(products), scale, only_tokens(levels), row_sums, shape.bias, shape.mask, codes_.levels);
    clock.lap(Step::kSoftmax);
    context_->multiply(levels, now(v), sums);
    clock.lap(Step::kMix);
    merge_heads(sums, row_sums, codes_.v.scale, rows_of(dst, group * tokens, shape.per_call * tokens));
    clock.lap(Step::kRequantize);
  }
}

// src through qkv to dense codes per head; through floats where qkv itself was left in float.
void Attention::split(const Tensor& src, const Tensor& q, const Tensor& k, const Tensor& v) const {
  if (qkv_.linear.source() != kFloat) {
    qkv_.linear.run_split(src, q, k, v);
    return;
  }
  const std::int64_t dim = heads_ * head_dim_;
  const std::int64_t tokens = q.dims[2];
  Buffer floats(src.rows() * 3 * dim * kBytes);  // an ablation's path: simple, not fast
  const Tensor qkv(floats.data(), {src.rows(), 3 * dim});
  qkv_.linear.run(src, qkv);
  std::int64_t column = 0;
  for (const Tensor& part : {q, k, v}) {
    std::fill_n(part.s8(), part.dims[0] * part.strides[0], std::int8_t{0});
    for (std::int64_t group = 0; group < part.dims[0]; ++group) {
      for (std::int64_t head = 0; head < heads_; ++head) {
        const Tensor from(qkv.row(group * tokens) + column + head * head_dim_, {tokens, head_dim_}, {3 * dim, 1});
        std::int8_t* to = part.s8() + group * part.strides[0] + head * part.strides[1];
        quantize(from, Tensor(to, {tokens, head_dim_}, part.encoding));
      }
    }
    column += dim;
  }
}

Mlp::Mlp(MatmulContext& context, const Checkpoint& checkpoint, const std::string& name, const Stage& stage)
    : context_(&context),
      fc1_(context, checkpoint, name + ".fc1", stage.hidden, stage.dim),
      fc2_(context, checkpoint, name + ".fc2", stage.dim, stage.hidden) {}

void Mlp::run(const Tensor& src, Buffer& hidden, const Tensor& residual, Calibrator* calibrator) {
  reserve(hidden, src.rows() * fc1_.linear.outputs() * kBytes);
  const bool direct = fc1_.linear.source() != kFloat && calibrator == nullptr;
  const Tensor activated(hidden.data(), {src.rows(), fc1_.linear.outputs()}, direct ? fc2_.linear.source() : kFloat);
  fc1_.linear.run(src, activated, Epilogue::kGelu);
  context_->clock().lap(Step::kFc1, Step::kGelu);
  fc2_.linear.run(encoded(activated, fc2_, codes_, calibrator), residual, Epilogue::kAccumulate);
  context_->clock().lap(Step::kFc2, Step::kRequantize);
}

}  // namespace vitq
