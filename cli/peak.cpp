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

Linear make_layer(DType operands) {
  if (operands != DType::kU8) {
    const std::vector<float> weight(kOutputs * kInputs, 0.5F);
    return Linear(FloatLinear{.weight = weight, .bias = {}, .outputs = kOutputs, .inputs = kInputs},
                  {.floats = operands});
  }
  QuantizedLinear layer{.outputs = kOutputs, .inputs = kInputs};
  constexpr std::int8_t kEightBits = 127;  // weights of few bits go faster where there is no VNNI
  layer.codes.assign(kOutputs * kInputs, kEightBits);
  layer.scale.assign(kOutputs, 1.0F);
  return Linear(layer);
}

}  // namespace

PeakProbe::PeakProbe(DType operands, int threads)
    : threads_(threads),
      layer_(make_layer(operands)),
      src_(kRows * kInputs, 1.0F),  // as bytes, any codes will do
      dst_(kRows * kOutputs) {}

double PeakProbe::measure() {
  const ThreadScope scope(threads_);
  const Tensor from(src_.data(), {kRows, kInputs}, layer_.source());
  const Tensor to(dst_.data(), {kRows, kOutputs});
  StepClock& clock = gemm_.clock();
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    clock.start();
    layer_.run(gemm_, from, to);
    clock.lap(Step::kFc1, Step::kRequantize);
    const StepClock::Totals totals = clock.stop();
    const StepClock::Total& product = totals[static_cast<std::size_t>(Step::kFc1)];
    best = std::max(best, product.macs / product.seconds);
  }
  return best;
}

}  // namespace vitq
