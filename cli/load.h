#pragma once
// Whether the machine is ours: how much CPU time others take while we measure.

#include <optional>

namespace vitq {

/// CPU time since its making, from /proc/stat and the process's own.
class LoadWatch {
 public:
  LoadWatch();

  /// How many CPUs, on average, were busy with other processes, or taken away by the machine's host (steal); e.g. 0.9.
  /// Nothing where the system does not tell, or less than a tenth of a second has passed (it counts in hundredths).
  [[nodiscard]] std::optional<double> others() const;

 private:
  struct Seconds {
    double wall = 0;
    double own = 0;
    std::optional<double> all;  ///< of all CPUs together
  };
  static Seconds now();

  Seconds start_;
};

}  // namespace vitq
