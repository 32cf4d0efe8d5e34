#include "engine/kernels/activation.h"

#include <utility>

#include "engine/error.h"
#include "engine/kernels/codes.h"
#include "engine/kernels/dispatch.h"
#include "engine/threads.h"

namespace vitq {

namespace {

constexpr std::pair<Activation, Epilogue> kPairs[] = {{Activation::kGelu, Epilogue::kGelu},
                                                      {Activation::kQuickGelu, Epilogue::kQuickGelu},
                                                      {Activation::kTanhGelu, Epilogue::kTanhGelu},
                                                      {Activation::kSilu, Epilogue::kSilu}};

constexpr std::int64_t kGrain = 4096;  // elements that are worth a thread

// Each element by itself: where the ranges are cut does not change any of them.
void run(RangeKernel<rows::Activate> kernel, const Tensor& x, const rows::Activate& all) {
  parallel_for(x.rows() * x.columns(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

void check_dense(const Tensor& x) {
  check(x.encoding == kFloat && x.rank == 2 && x.strides[0] == x.columns(), "activate: expected a dense f32 matrix");
}

}  // namespace

Epilogue epilogue_of(Activation f) {
  for (const auto& [activation, epilogue] : kPairs) {
    if (activation == f) return epilogue;
  }
  return Epilogue::kNone;
}

std::optional<Activation> activation_of(Epilogue epilogue) {
  for (const auto& [activation, of_activation] : kPairs) {
    if (of_activation == epilogue) return activation;
  }
  return std::nullopt;
}

void activate(const Tensor& x, Activation f) {
  check_dense(x);
  run(kernels().activate, x, {.src = x.f32(), .bf16 = nullptr, .f = f});
}

void activate(const Tensor& x, Activation f, const Tensor& dst) {
  check_dense(x);
  check(dst.encoding == kBfloat16 && dst.rank == 2 && dst.rows() == x.rows() && dst.columns() == x.columns() &&
            dst.strides[0] == dst.columns(),
        "activate: expected a dense bf16 matrix [", x.rows(), ", ", x.columns(), "] to write");
  run(kernels().activate_bf16, x, {.src = x.f32(), .bf16 = dst.bf16(), .f = f});
}

void gate(const Tensor& halves, Activation f, const Tensor& dst) {
  const DType to = dst.encoding.dtype;
  check(halves.encoding == kFloat && halves.rank == 2 && halves.strides[1] == 1 && dst.rank == 2 &&
            dst.rows() == halves.rows() && 2 * dst.columns() == halves.columns() && dst.strides[1] == 1,
        "gate: expected f32 [rows, 2 columns] -> [rows, columns], found [", halves.rows(), ", ", halves.columns(),
        "] -> [", dst.rows(), ", ", dst.columns(), "]");
  check(dst.encoding == kFloat || dst.encoding == kBfloat16 || to == DType::kU8,
        "gate: expected f32, bf16 or u8 to write, found ", name_of(to));
  const rows::Gate all{.src = halves.f32(),
                       .dst = dst.data,
                       .columns = dst.columns(),
                       .src_stride = halves.strides[0],
                       .dst_stride = dst.strides[0],
                       .f = f,
                       .codes = to == DType::kU8 ? codes_of(dst.encoding) : rows::Codes{}};
  const KernelTable& table = kernels();
  const auto kernel = to == DType::kU8 ? table.gate_codes : to == DType::kBF16 ? table.gate_bf16 : table.gate;
  const std::int64_t grain = kGrain / (dst.columns() + 1) + 1;
  parallel_for(halves.rows(), grain, [&](std::int64_t begin, std::int64_t end) {
    for_looked_up_rows(table, dst, begin, end,
                       [&](std::int64_t first, std::int64_t last) { kernel(all, first, last); });
  });
}

}  // namespace vitq
