#include "cli/peak.h"

#include <algorithm>
#include <cstdint>
#include <vector>

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

PeakProbe::PeakProbe(DType operands, int threads)
    : threads_(threads),
      context_(std::make_unique<MatmulContext>(operands == DType::kBF16 ? DType::kBF16 : DType::kF32)),
      layer_(make_layer(*context_, operands)),
      src_(kRows * kInputs, 1.0F),  // as bytes, any codes will do
      dst_(kRows * kOutputs) {}

double PeakProbe::measure() {
  const ThreadScope scope(threads_);
  const Tensor from(src_.data(), {kRows, kInputs}, layer_.source());
  const Tensor to(dst_.data(), {kRows, kOutputs});
  StepClock& clock = context_->clock();
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    clock.start();
    layer_.run(from, to);
    clock.lap(Step::kFc1, Step::kRequantize);
    const StepClock::Totals totals = clock.stop();
    const StepClock::Total& product = totals[static_cast<std::size_t>(Step::kFc1)];
    best = std::max(best, product.macs / product.seconds);
  }
  return best;
}

}  // namespace vitq
