#include "engine/layers/attention.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "engine/kernels/heads.h"
#include "engine/kernels/l2_norm.h"
#include "engine/kernels/softmax.h"
#include "engine/layers/tiles.h"

namespace vitq {

namespace {

constexpr Encoding kSums{.dtype = DType::kS32};

// Symmetric codes of `bits` bits, or of the `most_bits` that can be multiplied here, over the same range.
Encoding operand(float scale, int bits, int most_bits) {
  const Encoding stored{.dtype = DType::kS8, .scale = scale, .zero_point = 0, .bits = bits};
  if (bits <= most_bits) return stored;
  Encoding reduced = stored;
  reduced.bits = most_bits;
  reduced.scale = scale * static_cast<float>(stored.most_code()) / static_cast<float>(reduced.most_code());
  return reduced;
}

// q of a tile: [1, heads, rows, head_dim].
Tensor rows_of(const Tensor& q, const Tile& tile) {
  std::byte* data = static_cast<std::byte*>(q.data) + tile.first_row * q.dims[3] * size_of(q.encoding.dtype);
  return {data, {1, tile.heads, tile.rows, q.dims[3]}, q.encoding};
}

// k or v of a tile: [1, heads, padded tokens, head_dim].
Tensor heads_of(const Tensor& all, const Tile& tile, std::int64_t tokens) {
  const std::int64_t head = tile.first_row / tokens;
  std::byte* data = static_cast<std::byte*>(all.data) + head * all.strides[1] * size_of(all.encoding.dtype);
  return {data, {1, tile.heads, all.dims[2], all.dims[3]}, all.encoding};
}

// The first `count` of one dimension.
Tensor first_of(const Tensor& all, int dimension, std::int64_t count) {
  Tensor result = all;
  result.dims[dimension] = count;
  return result;
}

Tensor transposed(const Tensor& matrices) {
  Tensor result = matrices;
  std::swap(result.dims[2], result.dims[3]);
  std::swap(result.strides[2], result.strides[3]);
  return result;
}

// A tile's [1, heads, rows, columns] as a matrix, of the first `columns` columns.
Tensor as_matrix(const Tensor& tile, std::int64_t columns) {
  return {tile.data, {tile.dims[1] * tile.dims[2], columns}, {tile.dims[3], 1}, tile.encoding};
}

// Floats of all heads -> operands of each.
void split_floats(const Tensor& qkv, std::int64_t first_row, const Tensor& q, const Tensor& k, const Tensor& v) {
  if (q.encoding == qkv.encoding) {
    split_heads(qkv, first_row, q, k, v);
  } else {
    encode_heads(qkv, first_row, q, k, v);
  }
}

}  // namespace

AttentionCodes::AttentionCodes(const QuantizedAttention& stored)
    : q(operand(stored.scales[0], stored.bits, 8)),
      k(operand(stored.scales[1], stored.bits, second_operand_bits())),
      v(operand(stored.scales[2], stored.bits, second_operand_bits())),
      levels(stored.table.empty() ? SoftmaxLevels() : SoftmaxLevels(stored.table)) {}

// What flows through one attention. Operands are dense, and products run over their padding (engine/gemm/gemm.h says
// why).
struct Attention::Form {
  Encoding q, k, v;
  Encoding scores;             // f32 or s32
  Encoding levels;             // what softmax makes of them: f32 (in place), bf16, or u8 levels
  Encoding mixed;              // the product with v: f32, bf16 or s32
  std::int64_t score_columns;  // tokens, padded
  std::int64_t level_columns;
  std::int64_t mixed_columns;  // of the levels, and rows of v, that are multiplied
  std::int64_t most_rows;      // of a tile
};

Attention::Form Attention::form_of(const Gemm& gemm, std::int64_t tokens) const {
  const bool rounds = !codes_ && qkv_.linear.source() == kBfloat16;
  const Encoding floats = rounds ? kBfloat16 : kFloat;
  Form form{.q = floats,
            .k = floats,
            .v = floats,
            .scores = kFloat,
            .levels = floats,
            .mixed = floats,
            .score_columns = padded_columns(tokens),
            .level_columns = padded_columns(tokens),
            .mixed_columns = 0,
            .most_rows = 0};
  if (rounds) form.level_columns = padded_probabilities(tokens);
  if (codes_) {
    constexpr std::int64_t kMostTokens = 65536;  // 255 * 127 * 65536 < 2^31
    check(tokens <= kMostTokens, ErrorCode::kUnsupported, name_, ": ", tokens, " tokens, expected at most ",
          kMostTokens, " on integers");
    form.q = codes_->q;
    form.k = codes_->k;
    form.v = codes_->v;
    form.scores = form.mixed = kSums;
    form.levels = {.dtype = DType::kU8};
    form.level_columns = padded_levels(tokens);
  }
  form.mixed_columns = gemm.wants_padding(form.levels.dtype) ? form.level_columns : tokens;
  const bool in_place = form.levels == form.scores;
  const auto bytes = static_cast<std::int64_t>(sizeof(float)) * (form.score_columns + head_dim_ + 1) +
                     (in_place ? 0 : form.level_columns * static_cast<std::int64_t>(size_of(form.levels.dtype)));
  constexpr std::int64_t kLines = 4 * 64;  // the pieces of a tile begin on cache lines
  constexpr std::int64_t kRow = 16;        // rows that fill an AMX tile
  form.most_rows = (Workspace::kTileBytes - kLines) / bytes;
  check(form.most_rows > 0, ErrorCode::kUnsupported, name_, ": ", tokens,
        " tokens are too many for one thread's memory");
  if (form.most_rows > kRow) form.most_rows -= form.most_rows % kRow;
  return form;
}

Attention::Attention(std::string name, std::int64_t heads, Layer qkv, Layer proj,
                     const std::optional<QuantizedAttention>& codes, AttentionNorms norms)
    : name_(std::move(name)),
      heads_(heads),
      head_dim_(proj.linear.inputs() / heads),
      qkv_(std::move(qkv)),
      proj_(std::move(proj)),
      norms_(std::move(norms)) {
  check(heads > 0 && proj_.linear.inputs() % heads == 0 && qkv_.linear.outputs() == 3 * proj_.linear.inputs(), name_,
        ": ", heads, " heads and qkv of ", qkv_.linear.outputs(), " for a width of ", proj_.linear.inputs());
  check(norms_.lengths.empty() || std::ssize(norms_.lengths) == heads, name_, ": ", norms_.lengths.size(),
        " lengths, expected one of each of ", heads, " heads");
  if (codes) codes_.emplace(*codes);
}

void Attention::plan(const AttentionShape& shape, bool observed, BufferPlan& plan) const {
  const std::int64_t dim = heads_ * head_dim_;
  const std::int64_t rows = shape.groups * shape.tokens;
  // The widest padding of any form: what is observed may change into another.
  const std::int64_t padded = shape.groups * dim * padded_levels(shape.tokens);
  plan.need(Slot::kQ, rows * dim);
  plan.need(Slot::kK, padded);
  plan.need(Slot::kV, padded);
  plan.need(Slot::kMixed, rows * dim);
  if (observed) plan.need(Slot::kQkv, rows * 3 * dim);
  plan.need(Slot::kEncoded, rows * dim);
  plan.need(Slot::kRowScales, rows);
}

bool Attention::run(Workspace& workspace, const Tensor& src, const Tensor& dst, Epilogue epilogue,
                    const AttentionShape& shape, Observer* observer) const {
  if (observer != nullptr && !observer->input(qkv_.name, src)) return false;
  const Form form = form_of(workspace.gemm(), shape.tokens);
  const Tensor q = workspace.tensor(Slot::kQ, {shape.groups, heads_, shape.tokens, head_dim_}, form.q);
  const Tensor k = workspace.tensor(Slot::kK, {shape.groups, heads_, form.score_columns, head_dim_}, form.k);
  const Tensor v = workspace.tensor(Slot::kV, {shape.groups, heads_, form.level_columns, head_dim_}, form.v);
  if (!split(workspace, src, shape, q, k, v, observer)) return false;
  workspace.clock().lap(Step::kQkv, Step::kRequantize);
  // What is normed is written as floats, and so is what codes become where proj takes bf16 or scales of rows.
  const Encoding& wanted = proj_.linear.source();
  const Encoding of_codes = norms_.joined || wanted == kBfloat16 || wanted.row_scales ? kFloat : wanted;
  const Tensor mixed = workspace.tensor(Slot::kMixed, {src.rows(), heads_ * head_dim_}, codes_ ? of_codes : form.mixed);
  mix(workspace, form, q, k, v, mixed, shape);
  const Tensor src_of_proj = norms_.joined ? normalised(workspace, *norms_.joined, mixed, proj_.linear, Slot::kEncoded)
                                           : encoded(workspace, mixed, proj_.linear);
  if (observer != nullptr && !observer->input(proj_.name, src_of_proj)) return false;
  proj_.linear.run(workspace.gemm(), src_of_proj, dst, epilogue);
  workspace.clock().lap(Step::kProj, Step::kRequantize);
  return true;
}

bool Attention::changes(const AttentionShape& shape) const {
  return norms_.q || norms_.k || !norms_.lengths.empty() || !shape.rotation.cosine.empty();
}

// Gives q and k their lengths, norms and rotates them, in place. qkv: f32 [rows, 3 dim], rows `first_row` and on of
// all.
void Attention::change(const Tensor& qkv, std::int64_t first_row, const AttentionShape& shape) const {
  const std::int64_t dim = heads_ * head_dim_;
  const auto norm_heads = [&](const std::optional<Norm>& norm, std::int64_t column) {
    if (!norm) return;
    for (std::int64_t i = 0; i < qkv.rows(); ++i) {
      const Tensor heads(qkv.row(i) + column, {heads_, head_dim_});
      norm->run(heads, heads);
    }
  };
  for (const std::int64_t column : {std::int64_t{0}, dim}) {
    if (norms_.lengths.empty()) break;
    l2_norm(Tensor(qkv.f32() + column, {qkv.rows(), dim}, {qkv.strides[0], 1}), head_dim_, norms_.lengths);
  }
  norm_heads(norms_.q, 0);
  norm_heads(norms_.k, dim);
  if (shape.rotation.cosine.empty()) return;
  const Tensor both(qkv.data, {qkv.rows(), 2 * dim}, {qkv.strides[0], 1});
  rotate(both, first_row, shape.tokens, head_dim_, shape.rotation);
}

// src through qkv to dense operands per head; by way of floats where qkv and the products differ in kind, where q and k
// are changed, or somebody wants to see them.
bool Attention::split(Workspace& workspace, const Tensor& src, const AttentionShape& shape, const Tensor& q,
                      const Tensor& k, const Tensor& v, Observer* observer) const {
  if (observer == nullptr) {
    if (codes_.has_value() == qkv_.linear.is_integer() && !changes(shape) && !qkv_.linear.source().row_scales) {
      qkv_.linear.run_split(workspace.gemm(), src, q, k, v);
      return true;
    }
    qkv_.linear.run_blocks(workspace.gemm(), src, [&](std::int64_t first, const Tensor& qkv) {
      change(qkv, first, shape);
      split_floats(qkv, first, q, k, v);
    });
    return true;
  }
  const Tensor qkv = workspace.tensor(Slot::kQkv, {src.rows(), qkv_.linear.outputs()});
  qkv_.linear.run(workspace.gemm(), src, qkv);
  change(qkv, 0, shape);
  if (!observer->attention(name_, qkv, heads_, shape)) return false;
  split_floats(qkv, 0, q, k, v);
  return true;
}

void Attention::mix(Workspace& workspace, const Form& form, const Tensor& q, const Tensor& k, const Tensor& v,
                    const Tensor& dst, const AttentionShape& shape) const {
  constexpr std::int64_t kGrain = 16;  // rows of scores that are worth a thread: a row of AMX's tiles
  const std::int64_t tokens = shape.tokens;
  const float root = 1.0F / std::sqrt(static_cast<float>(head_dim_));
  const float scale = codes_ ? form.q.scale * form.k.scale * root : root;
  Gemm& gemm = workspace.gemm();
  StepClock& clock = workspace.clock();

  const auto attend = [&](int lane, const Tile& tile) {
    TileMemory memory(workspace.tile(lane));
    const Tensor scores = memory.take(tile, form.score_columns, form.scores);
    gemm.multiply(rows_of(q, tile), transposed(heads_of(k, tile, tokens)), scores, lane);
    if (lane == 0) clock.lap(Step::kScores);

    const ScoreTerms terms{
        .bias = shape.bias, .mask = shape.mask, .heads = heads_, .tokens = tokens, .first_row = tile.first_row};
    const Tensor levels = form.levels == form.scores ? scores : memory.take(tile, form.level_columns, form.levels);
    const Tensor sums = memory.take(tile, 1, kSums);
    const std::span row_sums(sums.s32(), static_cast<std::size_t>(tile.all_rows()));
    const Tensor from = as_matrix(scores, tokens);
    if (codes_) {
      softmax_codes(from, scale, as_matrix(levels, tokens), row_sums, terms, codes_->levels);
    } else if (form.levels == kBfloat16) {
      softmax_bf16(from, scale, as_matrix(levels, tokens), terms);
    } else {
      softmax(from, scale, terms);
    }
    if (lane == 0) clock.lap(Step::kSoftmax);

    const Tensor mixed = memory.take(tile, head_dim_, form.mixed);
    gemm.multiply(first_of(levels, 3, form.mixed_columns), first_of(heads_of(v, tile, tokens), 2, form.mixed_columns),
                  mixed, lane);
    if (lane == 0) clock.lap(Step::kMix);
    if (codes_) {
      merge_heads(as_matrix(mixed, head_dim_), row_sums, tile.first_row, tokens, form.v.scale, dst, shape.order);
    } else {
      merge_heads(as_matrix(mixed, head_dim_), tile.first_row, tokens, dst, shape.order);
    }
    if (lane == 0) clock.lap(Step::kRequantize);
  };
  gemm.parallel(shape.groups * heads_ * tokens, kGrain, [&](int lane, std::int64_t begin, std::int64_t end) {
    for_each_tile(begin, end, tokens, form.most_rows, [&](const Tile& tile) { attend(lane, tile); });
  });
}

}  // namespace vitq
