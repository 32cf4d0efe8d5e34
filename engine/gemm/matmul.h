#pragma once
// Matrix products, the only work of a transformer that takes time. They run as oneDNN primitives, created once per
// shape and kept; weights are repacked once into the layout oneDNN asks for. matmul.cpp alone knows oneDNN (2.6+
// or 3.x).

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/kernels/requantize.h"
#include "engine/step_clock.h"
#include "engine/tensor.h"
#include "engine/threads.h"

namespace vitq {

/// "2.6.3": the oneDNN library at run time.
std::string onednn_version();

/// The widest instruction set oneDNN will use here, as it names it: "AVX512_CORE_VNNI". It follows the CPU and the
/// environment variable ONEDNN_MAX_CPU_ISA.
std::string effective_isa();

/// True where a row of an f32 product has the same bits whatever rows stand beside it and however many threads work:
/// from AVX512_CORE on, oneDNN's kernels sum over the inputs in one fixed order. Below, its gemm cuts that sum by the
/// number of rows, and results differ by rounding (relative 1e-5 at most, tests/small_models.h). bf16 products
/// have it wherever there are any; integer products are exact everywhere.
bool f32_rows_are_independent();

/// True where oneDNN multiplies bytes without VNNI or AMX: it then adds pairs of products in 16 bits, which saturate,
/// silently, unless every element of the second operand (weights, k, v) lies in [-64, 64]. The first may be anything.
bool int8_saturates();

/// Bits of the s8 codes of k and v that are sure to be multiplied exactly: 8, or 7 where int8_saturates(). q may always
/// have 8.
int second_operand_bits();

/// True where oneDNN multiplies bf16 in hardware (AVX512_CORE_BF16, AMX). Without, 2.6.3 emulates it from AVX512_CORE
/// on, four to six times slower than f32, and cannot below.
bool has_bf16();

/// oneDNN's engine and stream, one scratch area, and every primitive made so far. One per model instance; not for use
/// from two threads at once.
class MatmulContext {
 public:
  /// Layers with float weights multiply them as `floats`, f32 or bf16. Throws Error, naming the instruction set, for
  /// bf16 where not has_bf16().
  explicit MatmulContext(DType floats = DType::kF32);
  ~MatmulContext();
  MatmulContext(MatmulContext&&) noexcept;
  MatmulContext& operator=(MatmulContext&&) noexcept;

  /// dst = a b for each pair of outer indices: a [n0, n1, rows, inner], b [n0, n1, inner, columns], dst [n0, n1, rows,
  /// columns], any strides (a transposed b is a matter of its strides). The three must not overlap. By their encodings:
  /// f32 x f32 -> f32, bf16 x bf16 -> f32 or bf16 (sums in f32, denormals may count as 0), u8 x s8 -> s32 or s8 x s8 ->
  /// s32, the plain sums of products of codes.
  ///
  /// Products are fast only if each operand is dense (b or its transpose), so a row's padding is best part of the
  /// matrix: scores as [tokens, padded_columns] = q x (k padded with zeros, transposed by its strides), and the output
  /// as levels [tokens, padded_levels] x (v padded with zeros). oneDNN 2.6.3 on AMX, DeiT-S: 46 and 23 us, against 330
  /// and 182 us with [tokens, tokens] inside padded rows; bf16 98 and 74 us, against 170 and 128 us; f32, on a slower
  /// machine and per head, 57 and 56 us, against 70 and 72 us.
  ///
  /// In a lane of parallel(): by the thread of that lane alone; else by all threads together.
  void multiply(const Tensor& a, const Tensor& b, const Tensor& dst, int lane = kAllThreads);
  static constexpr int kAllThreads = -1;

  /// parallel_lanes (engine/threads.h), whose lanes may multiply here, each by itself. Lane 0 may take time.
  template <class Work>
  void parallel(std::int64_t count, std::int64_t grain, Work&& work) {
    need_lanes();
    parallel_lanes(count, grain, [&](int lane, std::int64_t begin, std::int64_t end) {
      // The clock is that of the first lane, which takes its share for all.
      if (lane == 0) clock_->stand_for(static_cast<double>(count) / static_cast<double>(end - begin));
      work(lane, begin, end);
    });
    clock_->stand_for(1);
  }

  /// Takes the time of what runs in this context. Products report themselves; whoever runs them says whose they were.
  [[nodiscard]] StepClock& clock() const { return *clock_; }

  struct Impl;
  [[nodiscard]] Impl& impl() const { return *impl_; }

 private:
  void need_lanes();

  std::unique_ptr<StepClock> clock_;
  std::unique_ptr<Impl> impl_;
};

/// The weights of a layer as s8 codes, scaled row by row: weight[o, i] = codes[o, i] * scale[o].
struct IntegerWeights {
  std::span<const std::int8_t> codes;  ///< [outputs, inputs]
  std::span<const float> scale;        ///< [outputs]
  std::span<const float> bias;         ///< [outputs] or empty
  std::int64_t outputs = 0;
  std::int64_t inputs = 0;
  Encoding source;  ///< what the layer will be given, u8; its zero point may lie outside [0, 255]; no code book
  std::span<const std::uint8_t> levels = {};  ///< of the source's code book (nearest_levels); empty: none
};

/// A fully connected layer, dst = epilogue(src W^T + bias), with its own packed copy of the weights.
class Linear {
 public:
  /// weight: [outputs, inputs] as checkpoints store it; bias: [outputs] or empty. Both are copied, the weights rounded
  /// to bf16 (half to even) where the context's floats are that. `context` must outlive the layer.
  Linear(MatmulContext& context, std::span<const float> weight, std::span<const float> bias, std::int64_t outputs,
         std::int64_t inputs);
  /// With integer weights, repacked as they are; zero point, scales and bias are folded into one multiplier and one
  /// offset per output, in double. Where int8_saturates(), a row with a code outside [-64, 64] is halved (half to even,
  /// its scale doubled): seven bits, but the right sums. With levels the source must have 8 bits; the layer owns the
  /// code book, to which source() then points, wherever the layer is moved.
  Linear(MatmulContext& context, const IntegerWeights& weights);
  ~Linear();
  Linear(Linear&&) noexcept;
  Linear& operator=(Linear&&) noexcept;

  /// src: [rows, inputs] in the encoding source(), dst: [rows, outputs]; rows may be strided (f32 sources are then a
  /// thousand times slower, oneDNN 2.6.3); no overlap. f32 weights write f32; bf16 weights write f32 or, but for
  /// kAccumulate, bf16, with bias and GELU in f32; GELU wants dense rows of both; integer weights write f32 or, but for
  /// kAccumulate, u8 codes by dst.encoding.
  void run(const Tensor& src, const Tensor& dst, Epilogue epilogue = Epilogue::kNone) const;

  /// A qkv layer: src -> q, k, v, as split_heads. src: [groups tokens, inputs].
  void run_split(const Tensor& src, const Tensor& q, const Tensor& k, const Tensor& v) const;

  /// The encoding that run() expects: kFloat, kBfloat16 or that of the integer weights.
  [[nodiscard]] const Encoding& source() const { return source_; }
  [[nodiscard]] std::int64_t inputs() const { return inputs_; }
  [[nodiscard]] std::int64_t outputs() const { return outputs_; }

 private:
  struct Packed;
  // dst = src W in the dtype of dst: f32 or bf16 (with bias), or s32 sums.
  // In the lane of one thread, or with all of them.
  void product(const Tensor& src, const Tensor& dst, Epilogue epilogue, int lane) const;
  void run_integers(const Tensor& src, const Tensor& dst, Epilogue epilogue) const;
  void run_floats(const Tensor& src, const Tensor& dst, Epilogue epilogue) const;
  // The product of a block of rows of src, as `means`, in memory of the context, one block after the other: use(first
  // row, block).
  template <class Use>
  void for_each_block(const Tensor& src, const Encoding& means, Use&& use) const;

  MatmulContext* context_;
  std::unique_ptr<Packed> packed_;
  Encoding source_ = kFloat;
  std::int64_t outputs_ = 0;
  std::int64_t inputs_ = 0;
};

}  // namespace vitq
