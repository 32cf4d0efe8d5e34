#pragma once
// What the loops over rows (rows/) are told, once the functions that call them have checked it: addresses, extents,
// numbers. Plain data only: units compiled for wider instruction sets include this file (simd.h says why).

#include <cstdint>

namespace vitq {

/// Elements of a vector. Sums have as many lanes on every instruction set.
inline constexpr std::int64_t kVectorLanes = 16;

/// The nonlinearity of an MLP.
enum class Activation : std::uint8_t {
  kGelu,       ///< x Phi(x) = x / 2 (1 + erf(x / sqrt 2)), the exact GELU (arXiv 1606.08415)
  kQuickGelu,  ///< x sigmoid(1.702 x), that paper's other approximation: OpenAI's CLIP
  kTanhGelu,   ///< x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), its better one: SigLIP
  kSilu,       ///< x sigmoid(x): gated MLPs
};

/// What a layer does to its result before it is stored.
enum class Epilogue : std::uint8_t {
  kNone,        ///< dst = x
  kGelu,        ///< dst = the activation of that name; to u8 codes of what is 1.9e-4 off at most
  kQuickGelu,   ///< so here
  kTanhGelu,    ///< and here, as with kGelu
  kSilu,        ///< and here
  kAccumulate,  ///< dst += x, the residual connection; f32 only
};

namespace rows {

/// How values become codes: round(clamp(value * inverse + zero_point, least, most)).
struct Codes {
  float inverse, zero_point, least, most;
  float gelu_end;  ///< kRoughGeluEnd
};

/// Beyond it the GELU of codes is 0 or x.
inline constexpr float kRoughGeluEnd = 3.9F;

/// codes[i] = code_book[codes[i]] for i < count.
using LookUp = void (*)(const std::uint8_t* code_book, std::uint8_t* codes, std::int64_t count);

struct LayerNorm {
  const float* src;
  void* dst;  // f32, bf16 or u8
  const float* gamma;
  const float* beta;
  const std::int32_t* from;  // null: row i is row i
  std::int64_t dim, src_stride, dst_stride;
  float eps;
  bool is_centred;    // else the mean is not taken off
  float least, most;  // the codes, where they are written
};

/// Elements of a dense matrix.
struct Activate {
  float* src;
  std::uint16_t* bf16;  // null: in place
  Activation f;
};

/// Rows of a gate and of what it gates, side by side.
struct Gate {
  const float* src;
  void* dst;  // f32, bf16 or u8
  std::int64_t columns, src_stride, dst_stride;
  Activation f;
  Codes codes;  // where they are written
};

/// What is added to scaled scores, and how the rows are counted.
struct ScoreTerms {
  const float* bias;                                     // null or [heads, tokens, stride]
  const float* mask;                                     // null or [masks, tokens, stride]
  std::int64_t heads, tokens, stride, masks, first_row;  // masks: 1 where there is none
};

struct Softmax {
  float* scores;
  ScoreTerms terms;
  std::int64_t columns, stride;
  float scale;
  std::uint16_t* bf16;  // null: in place
  std::int64_t bf16_stride;
};

/// One step of a staircase: from x >= `from` on, the level is `rise` higher.
struct Step {
  float from;
  std::int32_t rise;
};

/// Steps of a staircase.
inline constexpr std::int64_t kSteps = 15;

/// Entries of a table of levels.
inline constexpr std::int64_t kLevelTable = 4096;

/// Where 255 2^x rounds to 0.
inline constexpr float kLeastPower = -12.0F;

struct SoftmaxCodes {
  const std::int32_t* scores;
  std::uint8_t* codes;
  std::int32_t* row_sums;
  ScoreTerms terms;
  const std::uint8_t* table;  // null: evenly spaced
  const Step* steps;          // null: the table has more
  std::int64_t columns, stride, codes_stride;
  float scale;
  float least_power;  // kLeastPower
};

struct Requantize {
  const std::int32_t* sums;
  const float* multiplier;
  const float* offset;
  void* dst;  // f32 or u8
  std::int64_t columns, sums_stride, dst_stride;
  Epilogue epilogue;
  Codes codes;             // where they are written
  const float* row_scale;  // null: none; floats only
  const float* bias;       // then: of each column, behind the row's scale
};

/// Rows that find their own scales.
struct QuantizeRows {
  const float* src;
  std::uint8_t* dst;
  float* scales;
  std::int64_t columns, src_stride, dst_stride;
  float above, below;  // what the largest and the least value are multiplied with to be a scale
  float least_scale;
  Codes codes;  // but for the inverse
};

struct Quantize {
  const float* src;
  void* dst;  // u8, s8 or bf16
  std::int64_t columns, src_stride, dst_stride;
  Codes codes;  // where they are written
};

/// Sums of a qkv layer -> q, k and v.
struct SplitHeads {
  struct Part {
    std::uint8_t* codes;
    std::int64_t rows;  // per head, with the padding
    Codes how;
  };
  const std::int32_t* sums;
  const float* multiplier;
  const float* offset;
  std::int64_t sums_stride, first_row, heads, tokens, head_dim;
  Part parts[3];
};

/// Rows of heads, in place.
struct Rotate {
  float* x;
  const float* cosine;
  const float* sine;  // of each patch of a group
  std::int64_t stride, heads, head_dim, first_row, tokens, prefix;
  bool pairs_neighbours;
};

/// Rows of heads, in place.
struct L2Norm {
  float* x;
  const float* lengths;  // of each head of a row
  std::int64_t stride, heads, head_dim;
};

/// How rows, counted over [groups, heads, tokens], lie in [groups tokens, heads head_dim], whose rows may be permuted.
struct Heads {
  std::int64_t first_row, groups, heads, tokens, head_dim, stride;
  const std::int32_t* to;  // null: as they are
};

struct MergeHeads {
  const std::int32_t* sums;
  const std::int32_t* row_sums;
  void* dst;  // f32 or u8
  Heads heads;
  float v_scale;
  bool to_float;
  Codes codes;
  const std::uint8_t* code_book;  // null: none
  LookUp look_up;
};

/// A uniform grid: code = round(clamp(x * inverse, least, most)), value = code * scale. least and most are whole
/// numbers within +-2^22.
struct Grid {
  float inverse, scale, least, most;
};

/// One row of attention: the weights of its tokens, as indices into a table, and what comes out of it.
struct AttentionRow {
  const float* table;  // of weights, whole numbers up to 255
  const std::uint16_t* indices;
  const float* v;               // [tokens, stride]
  const float* expected;        // [stride]
  std::int64_t tokens, stride;  // stride: a multiple of kVectorLanes
};

/// So many roundings go on side by side: four sums, as many as the registers of AVX2 hold.
inline constexpr std::int64_t kPlanes = 4 * kVectorLanes;

/// Rounding by nearest planes (quant/gptq.h), kPlanes vectors of `size` elements at once.
struct NearestPlanes {
  std::int64_t size;
  const float* below;    // [size (size - 1) / 2]: C[j, i] / C[i, i] for j > i, column after column
  const float* weight;   // [size]: C[i, i]^2
  const float* levels;   // null: any whole number is a code
  const float* borders;  // [levels - 1]: above borders[k], level k + 1 is nearer than level k
  std::int64_t level_count;
  const float *scale, *inverse, *lowest, *highest;  // [kPlanes]: the grid of each
  float* values;                                    // [size, kPlanes], replaced by value - code * scale
  float* error;                                     // [kPlanes], written
  std::int8_t* codes;                               // [size, kPlanes], written, or null
};

}  // namespace rows
}  // namespace vitq
