#include "engine/layers/norm.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/kernels/requantize.h"
#include "engine/threads.h"

namespace vitq {

void Norm::run(const Tensor& src, const Tensor& dst, std::span<const std::int32_t> from) const {
  check(folded == (dst.encoding.dtype == DType::kU8), name, folded ? " emits codes" : " emits floats", ", found ",
        dst.encoding, " asked for; are its layer's weights from another file?");
  if (folded) {
    layer_norm_codes(src, gamma, beta, kind, dst, from);
  } else {
    layer_norm(src, gamma, beta, kind, dst, from);
  }
}

void Norm::add(const Tensor& src, const Tensor& dst) const {
  check(!folded, name, " emits codes, expected one whose floats are added");
  add_layer_norm(src, gamma, beta, kind, dst);
}

Tensor normalised(Workspace& workspace, const Norm& norm, const Tensor& src, const Linear& next, Slot slot,
                  std::span<const std::int32_t> from) {
  const bool by_rows = next.source().row_scales;
  const Tensor result = workspace.tensor(slot, {src.rows(), src.columns()}, by_rows ? kFloat : next.source());
  norm.run(src, result, from);
  return by_rows ? encoded(workspace, result, next) : result;
}

Tensor encoded(Workspace& workspace, const Tensor& src, const Linear& next) {
  if (src.encoding == next.source()) return src;
  const Tensor codes = workspace.codes(Slot::kEncoded, src.rows(), src.columns(), next.source());
  quantize(src, codes);
  return codes;
}

Tensor gathered(Workspace& workspace, const Tensor& src, std::span<const std::int32_t> from, const Linear& next) {
  if (from.empty()) return encoded(workspace, src, next);
  constexpr std::int64_t kGrain = 64;  // rows that are worth a thread
  const Tensor rows = workspace.tensor(Slot::kNormed, {std::ssize(from), src.columns()});
  parallel_for(rows.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) std::copy_n(src.row(from[i]), src.columns(), rows.row(i));
  });
  return encoded(workspace, rows, next);
}

}  // namespace vitq
