#include "engine/kernels/rotate.h"

#include "engine/error.h"
#include "engine/kernels/dispatch.h"
#include "engine/threads.h"

namespace vitq {

void rotate(const Tensor& rows, std::int64_t first_row, std::int64_t tokens, std::int64_t head_dim,
            const Rotation& rotation) {
  check(rows.encoding == kFloat && rows.rank == 2 && rows.strides[1] == 1 && head_dim > 0 && head_dim % 2 == 0 &&
            rows.columns() % head_dim == 0,
        "rotate: expected f32 rows of heads of an even width, found [", rows.rows(), ", ", rows.columns(),
        "] for heads of ", head_dim);
  const std::int64_t patches = tokens - rotation.prefix;
  check(patches >= 0 && std::ssize(rotation.cosine) == patches * head_dim &&
            rotation.sine.size() == rotation.cosine.size() && first_row >= 0,
        "rotate: tables of ", rotation.cosine.size(), " and ", rotation.sine.size(), ", expected [", patches, ", ",
        head_dim, "]");
  const rows::Rotate all{.x = rows.f32(),
                         .cosine = rotation.cosine.data(),
                         .sine = rotation.sine.data(),
                         .stride = rows.strides[0],
                         .heads = rows.columns() / head_dim,
                         .head_dim = head_dim,
                         .first_row = first_row,
                         .tokens = tokens,
                         .prefix = rotation.prefix,
                         .pairs_neighbours = rotation.pairs_neighbours};
  constexpr std::int64_t kGrain = 16;  // rows that are worth a thread
  const auto kernel = kernels().rotate;
  parallel_for(rows.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

}  // namespace vitq
