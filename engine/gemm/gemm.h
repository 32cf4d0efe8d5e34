#pragma once
// Matrix products, the only work of a transformer that takes time. They run as oneDNN primitives, created once per
// shape and kept. This folder alone knows oneDNN (2.6+ or 3.x).

#include <cstdint>
#include <memory>

#include "engine/gemm/packed_weights.h"
#include "engine/step_clock.h"
#include "engine/tensor.h"
#include "engine/threads.h"

namespace vitq {

/// Streams, scratch, and the primitives made so far (a bounded number: the least recently used goes first). One per
/// session; not for use from two threads at once.
class Gemm {
 public:
  Gemm();
  ~Gemm();
  Gemm(Gemm&&) noexcept;
  Gemm& operator=(Gemm&&) noexcept;

  /// dst = a b for each pair of outer indices: a [n0, n1, rows, inner], b [n0, n1, inner, columns], dst [n0, n1, rows,
  /// columns], its columns side by side, other strides any (a transposed b is a matter of its strides). The three must
  /// not overlap. By their encodings: f32 x f32 -> f32, bf16 x bf16 -> f32 or bf16 (sums in f32, denormals may count as
  /// 0), u8 x s8 -> s32 or s8 x s8 -> s32, the plain sums of products of codes.
  ///
  /// By oneDNN products are fast only if each operand is dense (b or its transpose), so a row's padding is best part of
  /// the matrix: scores as [tokens, padded_columns] = q x (k padded with zeros, transposed by its strides), and the
  /// output as levels [tokens, padded_levels] x (v padded with zeros). oneDNN 2.6.3 on AMX, DeiT-S: 46 and 23 us,
  /// against 330 and 182 us with [tokens, tokens] inside padded rows; bf16 98 and 74 us, against 170 and 128 us; f32,
  /// on a slower machine and per head, 57 and 56 us, against 70 and 72 us.
  ///
  /// In a lane of parallel(): by the thread of that lane alone; else by all threads together.
  void multiply(const Tensor& a, const Tensor& b, const Tensor& dst, int lane = kAllThreads);
  /// Whether padding is so best multiplied too, for operands of this type; else it costs what it has.
  [[nodiscard]] bool wants_padding(DType a) const;
  static constexpr int kAllThreads = -1;

  /// dst = src W^T (+ bias), or dst += that. src: [rows, inputs], dst: [rows, outputs], rows may be strided (f32
  /// sources are then a thousand times slower, oneDNN 2.6.3). f32 weights: f32 -> f32; bf16: bf16 -> f32 or bf16; s8:
  /// u8 -> s32. Lanes as above. Shapes and encodings are the caller's to check (engine/layers/linear.h does).
  void product(const Tensor& src, const PackedWeights& weights, const Tensor& dst, bool accumulate = false,
               int lane = kAllThreads);

  /// parallel_lanes (engine/threads.h), whose lanes may multiply here, each by itself. Lane 0 may take time.
  template <class Work>
  void parallel(std::int64_t count, std::int64_t grain, Work&& work) {
    need_lanes();
    const StepClock::Shares shares(*clock_);
    parallel_lanes(count, grain, [&](int lane, std::int64_t begin, std::int64_t end) {
      // The clock is that of the first lane, which takes its share for all.
      if (lane == 0) clock_->stand_for(static_cast<double>(count) / static_cast<double>(end - begin));
      work(lane, begin, end);
    });
  }

  /// A dense matrix in memory of a lane, which the next call for that lane takes back.
  Tensor block(int lane, std::int64_t rows, std::int64_t columns, const Encoding& means);

  /// Takes the time of what runs here. Products report themselves; whoever runs them says whose they were.
  [[nodiscard]] StepClock& clock() const { return *clock_; }

  /// Primitives that a lane keeps at most.
  static constexpr std::size_t kMostPrimitives = 256;
  /// Primitives kept in all lanes together.
  [[nodiscard]] std::size_t primitives() const;
  /// Bytes of scratch in the lane that needs most of it: oneDNN's and, in that of a thread, of operands laid out for
  /// vitq's own loops.
  [[nodiscard]] std::size_t scratch_bytes() const;

 private:
  struct Impl;
  void need_lanes();

  std::unique_ptr<StepClock> clock_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitq
