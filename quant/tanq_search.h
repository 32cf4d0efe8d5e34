#pragma once
// Which code book spoils attention least? The error of A V, the output of attention, with the softmax values replaced
// by the levels of a table and divided by their row sums, exactly as the integer kernels run it.

#include <cstdint>
#include <span>
#include <vector>

#include "quant/tanq.h"

namespace vitq {

/// Attention of a few pictures: `heads` is heads times pictures (and windows).
struct AttentionSample {
  std::span<const float> scores;  // [heads, tokens, score_stride], scaled, with bias and mask added; -inf is allowed
  std::span<const float> v;       // [heads, tokens, head_dim], dense: the values that run (decoded, where quantized)
  std::int64_t heads = 0;
  std::int64_t tokens = 0;
  std::int64_t head_dim = 0;
  std::int64_t score_stride = 0;  // at least tokens
};

/// The sample made ready once, to be asked about many tables.
class AttentionProbe {
 public:
  /// Takes rows of the score matrices evenly spread over all heads: as many as make `budget` multiplications of a score
  /// with a value, at most all of them. The default takes 1330 rows of 197 tokens x 64.
  /// Throws Error for shapes that do not fit, NaN, or a row of nothing but -inf.
  explicit AttentionProbe(const AttentionSample& sample, std::int64_t budget = std::int64_t{1} << 24);

  /// ||O' - O||^2 / ||O||^2 over the rows taken: O with softmax in float, O' with table[round(4095 e)] and row sums.
  double error(const SoftmaxTable& table) const;

  std::int64_t rows() const { return std::ssize(head_of_row_); }

 private:
  std::int64_t tokens_, padded_dim_;
  std::vector<std::int64_t> head_of_row_;
  std::vector<std::uint16_t> indices_;  // [rows, tokens]: round(4095 e)
  std::vector<float> v_;                // [heads, tokens, padded_dim], zeros behind head_dim
  std::vector<float> outputs_;          // [rows, padded_dim]: O
  double power_ = 0;                    // ||O||^2
};

struct TanqFit {
  TanqShape shape;
  SoftmaxTable table{};
  double error = 0;  // as AttentionProbe::error
};

/// The shape of tanq_grid() with the least error; of equals the first. Threads share the shapes: the result does not
/// depend on their number.
TanqFit search_tanq(const AttentionProbe& probe, int bits);

}  // namespace vitq
