#include "engine/layers/norm.h"

#include "engine/error.h"
#include "engine/kernels/layer_norm.h"
#include "engine/kernels/requantize.h"

namespace vitq {

void Norm::run(const Tensor& src, const Tensor& dst, std::span<const std::int32_t> from) const {
  check(folded == (dst.encoding.dtype == DType::kU8), name, folded ? " emits codes" : " emits floats", ", found ",
        dst.encoding, " asked for; are its layer's weights from another file?");
  if (folded) {
    layer_norm_codes(src, gamma, beta, eps, dst, from);
  } else {
    layer_norm(src, gamma, beta, eps, dst, from);
  }
}

Tensor normalised(Workspace& workspace, const Norm& norm, const Tensor& src, const Linear& next,
                  std::span<const std::int32_t> from) {
  const Tensor result = workspace.tensor(Slot::kNormed, {src.rows(), src.columns()}, next.source());
  norm.run(src, result, from);
  return result;
}

Tensor encoded(Workspace& workspace, const Tensor& src, const Linear& next) {
  if (src.encoding == next.source()) return src;
  const Tensor codes = workspace.tensor(Slot::kEncoded, {src.rows(), src.columns()}, next.source());
  quantize(src, codes);
  return codes;
}

}  // namespace vitq
