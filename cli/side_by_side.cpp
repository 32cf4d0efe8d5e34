#include "cli/side_by_side.h"

#include <utility>

namespace vitq {

SideBySide::SideBySide(int count, std::function<void(int)> step)
    : step_(std::move(step)), failures_(count), gate_(count + 1) {
  for (int i = 0; i < count; ++i) {
    threads_.emplace_back([this, i] {
      for (gate_.arrive_and_wait(); !is_over_; gate_.arrive_and_wait()) {
        try {
          step_(i);
        } catch (...) {
          failures_[i] = std::current_exception();
        }
        gate_.arrive_and_wait();
      }
    });
  }
}

SideBySide::~SideBySide() {
  is_over_ = true;
  gate_.arrive_and_wait();
}

void SideBySide::run() {
  gate_.arrive_and_wait();
  gate_.arrive_and_wait();
  std::exception_ptr first;
  for (std::exception_ptr& failure : failures_) {
    if (!first) first = failure;
    failure = nullptr;
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace vitq
