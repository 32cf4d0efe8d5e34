#pragma once
// Matrix products, the only work of a transformer that takes time. They run as oneDNN primitives, created once per
// shape and kept; weights are repacked once into the layout oneDNN asks for. matmul.cpp alone knows oneDNN (2.6+
// or 3.x).

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/tensor.h"

namespace vitq {

/// "2.6.3": the oneDNN library at run time.
std::string onednn_version();

/// The widest instruction set oneDNN will use here, as it names it: "AVX512_CORE_VNNI". It follows the CPU and the
/// environment variable ONEDNN_MAX_CPU_ISA.
std::string effective_isa();

/// What a Linear does to its result before it is stored.
enum class Epilogue : std::uint8_t {
  kNone,        ///< dst = x
  kGelu,        ///< dst = x / 2 (1 + erf(x / sqrt 2)), the exact GELU
  kAccumulate,  ///< dst += x, the residual connection
};

/// oneDNN's engine and stream, one scratch area, and every primitive made so far. One per model instance; not for use
/// from two threads at once.
class MatmulContext {
 public:
  MatmulContext();
  ~MatmulContext();
  MatmulContext(MatmulContext&&) noexcept;
  MatmulContext& operator=(MatmulContext&&) noexcept;

  /// dst = a b for each pair of outer indices: a [n0, n1, rows, inner], b [n0, n1, inner, columns], dst [n0, n1, rows,
  /// columns], f32, any strides (a transposed b is a matter of its strides). The three must not overlap.
  void multiply(const Tensor& a, const Tensor& b, const Tensor& dst);

  struct Impl;
  [[nodiscard]] Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// A fully connected layer, dst = epilogue(src W^T + bias), with its own packed copy of the weights.
class Linear {
 public:
  /// weight: [outputs, inputs] as checkpoints store it; bias: [outputs] or empty. Both are copied. `context` must
  /// outlive the layer.
  Linear(MatmulContext& context, std::span<const float> weight, std::span<const float> bias, std::int64_t outputs,
         std::int64_t inputs);
  ~Linear();
  Linear(Linear&&) noexcept;
  Linear& operator=(Linear&&) noexcept;

  /// src: f32 [rows, inputs], dst: f32 [rows, outputs]; rows may be strided; no overlap.
  void run(const Tensor& src, const Tensor& dst, Epilogue epilogue = Epilogue::kNone) const;

  [[nodiscard]] std::int64_t inputs() const { return inputs_; }
  [[nodiscard]] std::int64_t outputs() const { return outputs_; }

 private:
  struct Packed;
  MatmulContext* context_;
  std::unique_ptr<Packed> packed_;
  std::int64_t outputs_ = 0;
  std::int64_t inputs_ = 0;
};

}  // namespace vitq
