#include "models/attention.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/kernels/heads.h"
#include "engine/kernels/requantize.h"
#include "engine/kernels/softmax.h"

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

// q, k or v of all heads: [groups, heads, rows, head_dim].
Tensor operand_in(Buffer& buffer, const std::array<std::int64_t, 4>& dims, const Encoding& means) {
  const std::int64_t elements = dims[0] * dims[1] * dims[2] * dims[3];
  reserve(buffer, elements * static_cast<std::int64_t>(size_of(means.dtype)));
  return {buffer.data(), {dims[0], dims[1], dims[2], dims[3]}, means};
}

// Some of the rows of scores, counted over [groups, heads, tokens]: all of several heads, or some of one. A head here
// is that of one group.
struct Piece {
  std::int64_t first_row, heads, rows;

  [[nodiscard]] std::int64_t all_rows() const { return heads * rows; }
};

// Rows [begin, end) in pieces whose scores stay in a core's L2 cache until softmax, and the product with v, come for
// them.
template <class Use>
void for_each_piece(std::int64_t begin, std::int64_t end, std::int64_t tokens, Use&& use) {
  constexpr std::int64_t kScores = std::int64_t{32} << 10;  // 128 KiB of them: one head of ViT, ten of Swin
  const std::int64_t most = std::max<std::int64_t>(1, kScores / (tokens * padded_columns(tokens)));
  while (begin < end) {
    const std::int64_t heads = begin % tokens == 0 ? (end - begin) / tokens : 0;
    const std::int64_t pieces = (heads + most - 1) / most;
    const Piece piece = heads == 0 ? Piece{begin, 1, std::min(tokens - begin % tokens, end - begin)}
                                   : Piece{begin, (heads + pieces - 1) / pieces, tokens};
    use(piece);
    begin += piece.all_rows();
  }
}

// q of a piece: [1, heads, rows, head_dim].
Tensor rows_of(const Tensor& q, const Piece& piece) {
  std::byte* data = static_cast<std::byte*>(q.data) + piece.first_row * q.dims[3] * size_of(q.encoding.dtype);
  return {data, {1, piece.heads, piece.rows, q.dims[3]}, q.encoding};
}

// k or v of a piece: [1, heads, padded tokens, head_dim].
Tensor heads_of(const Tensor& all, const Piece& piece, std::int64_t tokens) {
  const std::int64_t head = piece.first_row / tokens;
  std::byte* data = static_cast<std::byte*>(all.data) + head * all.strides[1] * size_of(all.encoding.dtype);
  return {data, {1, piece.heads, all.dims[2], all.dims[3]}, all.encoding};
}

Tensor transposed(const Tensor& matrices) {
  Tensor result = matrices;
  std::swap(result.dims[2], result.dims[3]);
  std::swap(result.strides[2], result.strides[3]);
  return result;
}

// A piece's [1, heads, rows, columns] in a lane's buffer.
Tensor piece_in(Buffer& buffer, const Piece& piece, std::int64_t columns, const Encoding& means) {
  reserve(buffer, piece.all_rows() * columns * static_cast<std::int64_t>(size_of(means.dtype)));
  return {buffer.data(), {1, piece.heads, piece.rows, columns}, means};
}

// The same as a matrix, of the first `columns` columns.
Tensor as_matrix(const Tensor& piece, std::int64_t columns) {
  return {piece.data, {piece.dims[1] * piece.dims[2], columns}, {piece.dims[3], 1}, piece.encoding};
}

ScoreTerms terms_of(const AttentionShape& shape, std::int64_t heads, const Piece& piece) {
  return {.bias = shape.bias, .mask = shape.mask, .heads = heads, .tokens = shape.tokens, .first_row = piece.first_row};
}

constexpr std::int64_t kGrain = 16;  // rows of scores that are worth a thread: a row of AMX's tiles

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

// use(lane, piece, the lane's buffers) for all rows of scores, by all threads.
template <class Use>
void Attention::in_lanes(const AttentionShape& shape, AttentionBuffers& buffers, Use&& use) const {
  if (std::ssize(buffers.lanes) < current_threads()) buffers.lanes.resize(current_threads());
  context_->parallel(shape.groups * heads_ * shape.tokens, kGrain, [&](int lane, std::int64_t begin, std::int64_t end) {
    for_each_piece(begin, end, shape.tokens, [&](const Piece& piece) { use(lane, piece, buffers.lanes[lane]); });
  });
}

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
  Encoding written = kFloat;
  if (codes_.integer && calibrator == nullptr) written = proj_.linear.source();  // a calibrator sees f32
  if (!codes_.integer && qkv_.linear.source() == kBfloat16) written = kBfloat16;
  const Tensor mixed(buffers.mixed.data(), {src.rows(), dim}, written);
  if (codes_.integer) {
    mix_codes(src, mixed, shape, buffers);
  } else {
    mix_floats(src, mixed, shape, buffers);
  }
  const Tensor src_of_proj = encoded(mixed, proj_, buffers.encoded, calibrator);
  proj_.linear.run(src_of_proj, dst, epilogue);
  context_->clock().lap(Step::kProj, Step::kRequantize);
}

// In bf16 where the weights are, else in f32. Operands are dense, and products run over their padding
// (engine/gemm/matmul.h says why).
void Attention::mix_floats(const Tensor& src, const Tensor& dst, const AttentionShape& shape,
                           AttentionBuffers& buffers) const {
  const std::int64_t tokens = shape.tokens;
  const Encoding& means = dst.encoding;
  const bool rounds = means == kBfloat16;
  const std::int64_t score_columns = padded_columns(tokens);
  const std::int64_t columns = rounds ? padded_probabilities(tokens) : score_columns;
  const Tensor q = operand_in(buffers.q, {shape.groups, heads_, tokens, head_dim_}, means);
  const Tensor k = operand_in(buffers.k, {shape.groups, heads_, score_columns, head_dim_}, means);
  const Tensor v = operand_in(buffers.v, {shape.groups, heads_, columns, head_dim_}, means);
  StepClock& clock = context_->clock();
  if (qkv_.linear.source().dtype != DType::kU8) {
    qkv_.linear.run_split(src, q, k, v);
  } else {
    reserve(buffers.qkv, src.rows() * qkv_.linear.outputs() * kBytes);
    const Tensor qkv(buffers.qkv.data(), {src.rows(), qkv_.linear.outputs()});
    qkv_.linear.run(src, qkv);
    split_heads(qkv, 0, q, k, v);
  }
  clock.lap(Step::kQkv, Step::kRequantize);

  in_lanes(shape, buffers, [&](int lane, const Piece& piece, LaneBuffers& own) {
    const Tensor scores = piece_in(own.scores, piece, score_columns, kFloat);
    context_->multiply(rows_of(q, piece), transposed(heads_of(k, piece, tokens)), scores, lane);
    if (lane == 0) clock.lap(Step::kScores);
    const ScoreTerms terms = terms_of(shape, heads_, piece);
    const Tensor probabilities = rounds ? piece_in(own.levels, piece, columns, kBfloat16) : scores;
    if (rounds) {
      softmax_bf16(as_matrix(scores, tokens), score_scale(), as_matrix(probabilities, tokens), terms);
    } else {
      softmax(as_matrix(scores, tokens), score_scale(), terms);
    }
    if (lane == 0) clock.lap(Step::kSoftmax);
    const Tensor mixed = piece_in(own.mixed, piece, head_dim_, means);
    context_->multiply(probabilities, heads_of(v, piece, tokens), mixed, lane);
    if (lane == 0) clock.lap(Step::kMix);
    merge_heads(as_matrix(mixed, head_dim_), piece.first_row, tokens, dst, shape.to);
    if (lane == 0) clock.lap(Step::kRequantize);
  });
}

void Attention::mix_codes(const Tensor& src, const Tensor& dst, const AttentionShape& shape,
                          AttentionBuffers& buffers) const {
  const std::int64_t tokens = shape.tokens;
  const std::int64_t score_columns = padded_columns(tokens);
  const std::int64_t level_columns = padded_levels(tokens);
  const Tensor q = operand_in(buffers.q, {shape.groups, heads_, tokens, head_dim_}, codes_.q);
  const Tensor k = operand_in(buffers.k, {shape.groups, heads_, score_columns, head_dim_}, codes_.k);
  const Tensor v = operand_in(buffers.v, {shape.groups, heads_, level_columns, head_dim_}, codes_.v);
  StepClock& clock = context_->clock();
  split(src, q, k, v);
  clock.lap(Step::kQkv, Step::kRequantize);

  constexpr Encoding kSums{.dtype = DType::kS32};
  constexpr Encoding kLevels{.dtype = DType::kU8};
  const float scale = codes_.q.scale * codes_.k.scale * score_scale();
  in_lanes(shape, buffers, [&](int lane, const Piece& piece, LaneBuffers& own) {
    // The products run over the padding too (engine/gemm/matmul.h says why); softmax reads and writes only the tokens.
    const Tensor scores = piece_in(own.scores, piece, score_columns, kSums);
    context_->multiply(rows_of(q, piece), transposed(heads_of(k, piece, tokens)), scores, lane);
    if (lane == 0) clock.lap(Step::kScores);
    const Tensor levels = piece_in(own.levels, piece, level_columns, kLevels);
    const std::span row_sums(piece_in(own.row_sums, piece, 1, kSums).s32(), piece.all_rows());
    softmax_codes(as_matrix(scores, tokens), scale, as_matrix(levels, tokens), row_sums, terms_of(shape, heads_, piece),
                  codes_.levels);
    if (lane == 0) clock.lap(Step::kSoftmax);
    const Tensor sums = piece_in(own.mixed, piece, head_dim_, kSums);
    context_->multiply(levels, heads_of(v, piece, tokens), sums, lane);
    if (lane == 0) clock.lap(Step::kMix);
    merge_heads(as_matrix(sums, head_dim_), row_sums, piece.first_row, tokens, codes_.v.scale, dst, shape.to);
    if (lane == 0) clock.lap(Step::kRequantize);
  });
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
