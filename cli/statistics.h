#pragma once
// What is reported of repeated measurements.

#include <vector>

namespace vitq {

struct Summary {
  double min = 0;
  double median = 0;
  double mean = 0;
  double stddev = 0;  ///< of the sample (n - 1); 0 for a single one
  double p90 = 0;
  double p95 = 0;
  double p99 = 0;
};

/// Percentiles are interpolated linearly between the two nearest samples (numpy's default). All 0 without samples.
Summary summarize(std::vector<double> samples);

}  // namespace vitq
