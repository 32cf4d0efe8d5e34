#include "cli/peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "engine/matmul.h"
#include "engine/threads.h"

namespace vitq {
namespace {

constexpr std::int64_t kRows = 512;
constexpr std::int64_t kInputs = 1024;
constexpr std::int64_t kOutputs = 1024;

Linear make_layer(MatmulContext& context, DType operands) {
  if (operands != DType::kU8) {
    return {context, std::vector<float>(kOutputs * kInputs, 0.5F), {}, kOutputs, kInputs};
  }
  const std::vector<std::int8_t> codes(kOutputs * kInputs, 3);
  const std::vector<float> scales(kOutputs, 1.0F);
  return {context, IntegerWeights{.codes = codes,
                                  .scale = scales,
                                  .bias = {},
                                  .outputs = kOutputs,
                                  .inputs = kInputs,
                                  .source = {.dtype = DType::kU8, .scale = 1, .zero_point = 0, .bits = 8}}};
}

}  // namespace

double measured_peak(DType operands, int threads) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kLong(100);
  const ThreadScope scope(threads);
  MatmulContext context(operands == DType::kBF16 ? DType::kBF16 : DType::kF32);
  const Linear layer = make_layer(context, operands);
  std::vector<float> src(kRows * kInputs, 1.0F);  // as bytes, any codes will do
  std::vector<float> dst(kRows * kOutputs);
  const Tensor from(src.data(), {kRows, kInputs}, layer.source());
  const Tensor to(dst.data(), {kRows, kOutputs});
  layer.run(from, to);
  double best = 0;
  const Clock::time_point end = Clock::now() + kLong;
  do {
    context.clock().start();
    layer.run(from, to);
    context.clock().lap(Step::kFc1, Step::kRequantize);
    const StepClock::Totals totals = context.clock().stop();
    const StepClock::Total& product = totals[static_cast<std::size_t>(Step::kFc1)];
    best = std::max(best, product.macs / product.seconds);
  } while (Clock::now() < end);
  return best;
}

}  // namespace vitq
