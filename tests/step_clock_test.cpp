#include "engine/step_clock.h"

#include <doctest/doctest.h>

#include <chrono>
#include <set>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/layers/linear.h"

using namespace vitq;

namespace {

void wait() { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }

double seconds(const StepClock::Totals& totals, Step step) { return totals[static_cast<std::size_t>(step)].seconds; }
double macs(const StepClock::Totals& totals, Step step) { return totals[static_cast<std::size_t>(step)].macs; }

}  // namespace

TEST_CASE("step clock: products and what comes after them go to the steps that are named, all else to the rest") {
  constexpr double kLeast = 0.004;
  StepClock clock;
  clock.product(5);  // not running: forgotten
  clock.lap(Step::kFc2);
  clock.start();
  wait();
  clock.product(100);
  wait();
  clock.other();
  clock.product(20);
  clock.lap(Step::kFc1, Step::kGelu);
  wait();
  clock.lap(Step::kNorm);
  wait();
  const auto totals = clock.stop();
  for (const Step step : {Step::kFc1, Step::kGelu, Step::kNorm, Step::kRest}) {
    CAPTURE(name_of(step));
    CHECK(seconds(totals, step) >= kLeast);
  }
  CHECK(macs(totals, Step::kFc1) == 120);
  CHECK(macs(totals, Step::kGelu) == 0);
  CHECK(seconds(totals, Step::kFc2) == 0);
  clock.lap(Step::kFc2);  // stopped
  clock.start();
  CHECK(seconds(clock.stop(), Step::kFc1) == 0);
}

TEST_CASE("step clock: matrix products report themselves, and every step has a name") {
  Gemm gemm;
  std::vector<float> x(2 * 3 * 4 * 5, 1.0F);
  std::vector<float> y(2 * 3 * 5 * 6, 1.0F);
  std::vector<float> z(2 * 3 * 4 * 6);
  const Linear layer(FloatLinear{std::vector<float>(7 * 5, 1.0F), {}, 7, 5});
  std::vector<float> out(4 * 7);
  gemm.clock().start();
  gemm.multiply(Tensor(x.data(), {2, 3, 4, 5}), Tensor(y.data(), {2, 3, 5, 6}), Tensor(z.data(), {2, 3, 4, 6}));
  gemm.clock().lap(Step::kScores);
  layer.run(gemm, Tensor(x.data(), {4, 5}), Tensor(out.data(), {4, 7}));
  gemm.clock().lap(Step::kQkv);
  const auto totals = gemm.clock().stop();
  CHECK(macs(totals, Step::kScores) == 2 * 3 * 4 * 5 * 6);
  CHECK(macs(totals, Step::kQkv) == 4 * 5 * 7);
  CHECK(seconds(totals, Step::kQkv) > 0);
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kStepCount; ++i) names.insert(name_of(static_cast<Step>(i)));
  CHECK(names.size() == kStepCount);
  CHECK(names.count("") == 0);
}
