#include "engine/step_clock.h"

namespace vitq {

std::string_view name_of(Step step) {
  constexpr std::array<std::string_view, kStepCount> kNames = {"patch",      "LN",        "qkv",  "QK^T", "softmax",
                                                               "AV",         "proj",      "fc1",  "GELU", "fc2",
                                                               "requantize", "reduction", "head", "rest"};
  return kNames[static_cast<std::size_t>(step)];
}

void StepClock::start() {
  totals_ = {};
  products_ = {};
  other_seconds_ = 0;
  running_ = true;
  mark_ = Clock::now();
}

StepClock::Totals StepClock::stop() {
  lap(Step::kRest);
  running_ = false;
  return totals_;
}

double StepClock::since_mark() {
  const Clock::time_point now = Clock::now();
  const std::chrono::duration<double> passed = now - mark_;
  mark_ = now;
  return passed.count();
}

void StepClock::add_product(double macs) {
  products_.seconds += since_mark();
  products_.macs += macs * shares_;
}

void StepClock::add_lap(Step product, Step rest) {
  of(product).seconds += products_.seconds;
  of(product).macs += products_.macs;
  of(rest).seconds += other_seconds_ + since_mark();
  products_ = {};
  other_seconds_ = 0;
}

}  // namespace vitq
