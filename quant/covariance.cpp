#include "quant/covariance.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/threads.h"

namespace vitq {

namespace {

// Codes less the middle lie within +-128, so that a sum of 1024 products stays within the 2^24 that a float counts
// exactly: the f32 product of a block has no rounding, in whatever order it is summed.
constexpr int kMiddle = 128;
constexpr std::int64_t kBlock = 1024;

}  // namespace

Covariance::Covariance(std::int64_t inputs)
    : inputs_(inputs), sums_(inputs), products_(inputs * inputs), block_products_(inputs * inputs) {}

void Covariance::add(Gemm& gemm, std::span<const std::uint8_t> codes, std::int64_t times) {
  check(inputs_ > 0 && std::ssize(codes) % inputs_ == 0, "covariance: ", codes.size(),
        " codes cannot be divided into rows of ", inputs_);
  const std::int64_t rows = std::ssize(codes) / inputs_;
  for (std::int64_t first = 0; first < rows; first += kBlock) {
    add_block(gemm, codes.data() + first * inputs_, std::min(kBlock, rows - first), times);
  }
  rows_ += rows * times;
}

void Covariance::add_block(Gemm& gemm, const std::uint8_t* codes, std::int64_t rows, std::int64_t times) {
  block_.resize(rows * inputs_);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < inputs_; ++c) {
      const int value = codes[r * inputs_ + c] - kMiddle;
      sums_[c] += value * times;
      block_[r * inputs_ + c] = static_cast<float>(value);
    }
  }
  const Tensor x(block_.data(), {1, 1, rows, inputs_});
  // With outer strides as a dense tensor has them: for others oneDNN 2.6.3 takes its reference code, 1000 times slower.
  const Tensor x_transposed(block_.data(), {1, 1, inputs_, rows}, {rows * inputs_, rows * inputs_, 1, inputs_});
  gemm.multiply(x_transposed, x, Tensor(block_products_.data(), {1, 1, inputs_, inputs_}));
  const auto weight = static_cast<double>(times);
  parallel_for(inputs_ * inputs_, 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) products_[i] += weight * block_products_[i];
  });
}

std::vector<double> Covariance::about(std::int32_t zero_point) const {
  check(rows_ > 0, "covariance: no rows; give at least one picture");
  // mean (x - a)(y - b) = mean xy - a mean y - b mean x + ab, as (mean x - a)(mean y - b) + what xy has beyond the
  // means.
  const auto rows = static_cast<double>(rows_);
  const double centre = zero_point - kMiddle;
  std::vector<double> moments(inputs_ * inputs_);
  parallel_for(inputs_, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double mean_i = static_cast<double>(sums_[i]) / rows;
      for (std::int64_t j = 0; j < inputs_; ++j) {
        const double mean_j = static_cast<double>(sums_[j]) / rows;
        moments[i * inputs_ + j] =
            products_[i * inputs_ + j] / rows - mean_i * mean_j + (mean_i - centre) * (mean_j - centre);
      }
    }
  });
  return moments;
}

}  // namespace vitq
