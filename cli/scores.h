#pragma once
// What an evaluation counts: right answers, and how near the logits are to somebody else's.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "weights/safetensors.h"

namespace vitq {

/// The most probable class; of equal ones the first, as Model::top ranks.
int argmax(std::span<const float> logits);

/// Counts how often the label is the best, or among the five best.
class Accuracy {
 public:
  void add(int label, std::span<const float> logits);

  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] double top1() const { return share(top1_); }
  [[nodiscard]] double top5() const { return share(top5_); }

 private:
  [[nodiscard]] double share(std::int64_t hits) const;

  std::int64_t count_ = 0;
  std::int64_t top1_ = 0;
  std::int64_t top5_ = 0;
};

/// How near the logits of a model are to a reference's, on the same pictures.
class Comparison {
 public:
  void add(int label, std::span<const float> logits, std::span<const float> reference);

  /// Fraction of pictures with the same best class.
  [[nodiscard]] double agreement() const;
  /// 10 log10(sum reference^2 / sum (reference - logits)^2) over all logits; infinite where they are the same.
  [[nodiscard]] double sqnr_db() const;
  /// Mean over the pictures of KL(softmax(reference) || softmax(logits)), in nats.
  [[nodiscard]] double kl() const;
  /// Largest absolute difference of two logits.
  [[nodiscard]] double max_difference() const { return max_difference_; }
  /// Pictures that the reference alone gets right, and those that the model alone does (top-1).
  [[nodiscard]] std::int64_t only_reference() const { return only_reference_; }
  [[nodiscard]] std::int64_t only_this() const { return only_this_; }
  /// The reference's own accuracy.
  [[nodiscard]] const Accuracy& accuracy() const { return accuracy_; }

 private:
  /// `sum` over the number of pictures.
  [[nodiscard]] double mean(double sum) const;

  Accuracy accuracy_;
  std::int64_t agreeing_ = 0;
  std::int64_t only_reference_ = 0;
  std::int64_t only_this_ = 0;
  double max_difference_ = 0;
  double signal_ = 0;
  double noise_ = 0;
  double kl_ = 0;
};

/// Logits of the same pictures from elsewhere: a safetensors file with `logits`, F32 [pictures, classes].
class Reference {
 public:
  /// Throws Error where the file is not that.
  Reference(const std::filesystem::path& path, std::int64_t classes);

  [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(logits_.size()) / classes_; }
  /// Row `index`, which must be there. Throws Error where that is not finite.
  [[nodiscard]] std::span<const float> row(std::size_t index) const;

 private:
  std::string source_;
  std::int64_t classes_;
  std::vector<float> logits_;
};

/// Collects the logits of all pictures and writes them as such a file.
class LogitsWriter {
 public:
  LogitsWriter(std::size_t pictures, std::int64_t classes);
  void add(std::size_t index, std::span<const float> logits);
  /// Whole or not at all. Throws as write_safetensors.
  void write(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) const;

 private:
  std::int64_t classes_;
  std::vector<float> logits_;
};

}  // namespace vitq
