#pragma once
// What is reported of repeated measurements, and whether a difference is more than chance.

#include <cstdint>
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

/// Below which a `fraction` (0 to 1) of the samples lies: interpolated linearly between the two nearest (numpy's
/// default). 0 without samples.
double percentile(std::vector<double> samples, double fraction);

/// Percentiles as above. All 0 without samples.
Summary summarize(std::vector<double> samples);

/// McNemar's exact two-sided test of two models on the same pictures: of those that one model alone gets right, `first`
/// are the first model's and `second` the other's. The probability of counts at least as uneven where each such picture
/// falls to either model with probability 1/2; 1 where there are none. Any counts from 0 on: nothing overflows.
double mcnemar_p(std::int64_t first, std::int64_t second);

}  // namespace vitq
