#include "engine/kernels/l2_norm.h"

#include "engine/error.h"
#include "engine/kernels/dispatch.h"
#include "engine/threads.h"

namespace vitq {

void l2_norm(const Tensor& rows, std::int64_t head_dim, std::span<const float> lengths) {
  check(rows.encoding == kFloat && rows.rank == 2 && rows.strides[1] == 1 && head_dim > 0 &&
            rows.columns() == std::ssize(lengths) * head_dim,
        "l2_norm: expected f32 [rows, ", lengths.size(), " heads of ", head_dim, "], found [", rows.rows(), ", ",
        rows.columns(), "]");
  const rows::L2Norm all{.x = rows.f32(),
                         .lengths = lengths.data(),
                         .stride = rows.strides[0],
                         .heads = std::ssize(lengths),
                         .head_dim = head_dim};
  constexpr std::int64_t kGrain = 16;  // rows that are worth a thread
  const auto kernel = kernels().l2_norm;
  parallel_for(rows.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

}  // namespace vitq
