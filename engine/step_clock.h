#pragma once
// Where the time of a forward pass goes, step by step: a stopwatch with laps. It runs only where somebody asks
// (`vitq bench --profile`); else each call costs one comparison.

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace vitq {

/// What transformers do. A product's step is the bare matrix product; what is made of its sums is another.
enum class Step : std::uint8_t {
  kPatch,    ///< cutting, embedding
  kNorm,     ///< every LayerNorm, gathering by windows included
  kQkv,      ///< a layer's product, as are proj, fc1, fc2, reduction, head
  kScores,   ///< Q K^T
  kSoftmax,  ///< with scale, bias and mask
  kMix,      ///< A V
  kProj,
  kFc1,
  kGelu,  ///< on integers: sums to float, GELU, codes
  kFc2,
  kRequantize,  ///< sums to codes or to the residual stream, but for GELU
  kReduction,   ///< Swin's patch merging, gathering included
  kHead,
  kRest,
};
inline constexpr std::size_t kStepCount = 14;

/// "qkv", "QK^T", ...
std::string_view name_of(Step step);

class StepClock {
 public:
  struct Total {
    double seconds = 0;
    double macs = 0;  ///< multiply-accumulates of the products in it
  };
  using Totals = std::array<Total, kStepCount>;

  /// From here on time is taken; all totals become 0.
  void start();
  /// What has passed since the last lap is kRest. Returns the totals since start().
  Totals stop();

  /// A product of so many multiply-accumulates has ended: it took all the time since the last call of anything here.
  void product(double macs) {
    if (running_) add_product(macs);
  }
  /// From here on the products of this thread stand for those of all: `shares` times as many.
  void stand_for(double shares) { shares_ = shares; }
  /// While it lives stand_for() may be called; afterwards products stand for themselves again, whatever was thrown.
  class Shares {
   public:
    explicit Shares(StepClock& clock) : clock_(clock) {}
    ~Shares() { clock_.stand_for(1); }
    Shares(const Shares&) = delete;
    Shares& operator=(const Shares&) = delete;

   private:
    StepClock& clock_;
  };
  /// What has passed since the last call was no product's; another may follow before the lap.
  void other() {
    if (running_) other_seconds_ += since_mark();
  }
  /// Products since the last lap were `product`'s, and the time that they did not take was `rest`'s.
  void lap(Step product, Step rest) {
    if (running_) add_lap(product, rest);
  }
  void lap(Step step) { lap(step, step); }

 private:
  using Clock = std::chrono::steady_clock;
  double since_mark();
  void add_product(double macs);
  void add_lap(Step product, Step rest);
  Total& of(Step step) { return totals_[static_cast<std::size_t>(step)]; }

  bool running_ = false;
  Clock::time_point mark_;
  Total products_;  // since the last lap
  double other_seconds_ = 0;
  double shares_ = 1;
  Totals totals_;
};

}  // namespace vitq
