#pragma once
// A fully connected layer: the product, and what becomes of its sums. Here floats and integers part ways.

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "engine/gemm/gemm.h"
#include "engine/kernels/requantize.h"
#include "engine/layers/description.h"
#include "engine/tensor.h"

namespace vitq {

/// How layers of floats are packed: f32, or bf16 (where has_bf16()).
struct PackOptions {
  DType floats = DType::kF32;
};

/// dst = epilogue(src W^T + bias). Immutable; copies share the packed weights.
class Linear {
 public:
  /// Float weights are packed as options.floats. Integer weights are packed as they are; zero point, scales and bias
  /// are folded into one multiplier and one offset per output, in double. Where int8_saturates(), a row with a code
  /// outside [-64, 64] is halved (half to even, its scale doubled): seven bits, but the right sums. Throws Error where
  /// sizes do not fit or bf16 is asked for and not to be had.
  explicit Linear(const LinearDescription& description, const PackOptions& options = {});

  /// src: [rows, inputs] in the encoding source(), dst: [rows, outputs]; rows may be strided (f32 sources are then a
  /// thousand times slower, oneDNN 2.6.3); no overlap. f32 weights write f32; bf16 weights write f32 or, but for
  /// kAccumulate, bf16, with bias and activation in f32; an activation wants dense rows of both; integer weights write
  /// f32 or, but for kAccumulate, u8 codes by dst.encoding; where rows have scales, f32 alone.
  void run(Gemm& gemm, const Tensor& src, const Tensor& dst, Epilogue epilogue = Epilogue::kNone) const;

  /// The result as f32 rows, some at a time, each time on one thread: use(first row, rows) may change them and makes of
  /// them what they become. Nothing is allocated.
  template <class Use>
  void run_blocks(Gemm& gemm, const Tensor& src, Use&& use) const {
    run_blocks(
        gemm, src,
        [](void* context, std::int64_t first, const Tensor& rows) {
          (*static_cast<std::remove_reference_t<Use>*>(context))(first, rows);
        },
        &use);
  }

  /// A qkv layer: src -> q, k, v, as split_heads. src: [groups tokens, inputs].
  void run_split(Gemm& gemm, const Tensor& src, const Tensor& q, const Tensor& k, const Tensor& v) const;

  /// The encoding that run() expects: kFloat, kBfloat16 or that of the integer weights.
  [[nodiscard]] const Encoding& source() const;
  [[nodiscard]] bool is_integer() const { return source().dtype == DType::kU8; }
  [[nodiscard]] std::int64_t inputs() const;
  [[nodiscard]] std::int64_t outputs() const;

 private:
  struct Packed;
  [[nodiscard]] RowScales scales_of(const Tensor& src, std::int64_t first) const;
  using BlockFunction = void (*)(void* context, std::int64_t first, const Tensor& rows);
  void run_blocks(Gemm& gemm, const Tensor& src, BlockFunction use, void* context) const;
  static std::shared_ptr<const Packed> pack(const LinearDescription& description, const PackOptions& options);
  void run_integers(Gemm& gemm, const Tensor& src, const Tensor& dst, Epilogue epilogue) const;
  void run_floats(Gemm& gemm, const Tensor& src, const Tensor& dst, Epilogue epilogue) const;
  // The product of a block of rows of src, as `means`, in memory of the Gemm, one block after the other: use(first row,
  // block).
  template <class Use>
  void for_each_block(Gemm& gemm, const Tensor& src, const Encoding& means, Use&& use) const;

  std::shared_ptr<const Packed> packed_;
};

/// A layer and its name in checkpoints, by which observers know it.
struct Layer {
  std::string name;
  Linear linear;
};

}  // namespace vitq
