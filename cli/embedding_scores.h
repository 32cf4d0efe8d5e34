#pragma once
// What embeddings are worth, without any class being named: how near the pictures of a class lie together, and how near
// a model's embeddings lie to another's.

#include <cstddef>
#include <span>
#include <vector>

namespace vitq {

/// Embeddings of labelled pictures, each divided by its length (one of length 0 stays): 4 dim bytes a picture.
class Embeddings {
 public:
  explicit Embeddings(std::size_t dim) : dim_(dim) {}

  void add(int label, std::span<const float> embedding);

  struct Score {
    std::size_t n = 0;
    std::size_t with_sibling = 0;  ///< pictures of a class that another one has: the others cannot be right
    std::size_t correct = 0;       ///< of those

    /// 0 where no picture has a sibling.
    [[nodiscard]] double accuracy() const;
  };

  /// Each picture is classified by the `k` (or all, if fewer) nearest of the others, by the cosine, of equally near
  /// ones by the earlier: their most frequent class, of equally frequent ones that of the nearest. On `threads`
  /// threads; the same for any number of them.
  [[nodiscard]] Score leave_one_out(std::size_t k, int threads) const;

 private:
  [[nodiscard]] std::span<const float> row(std::size_t index) const {
    return std::span(units_).subspan(index * dim_, dim_);
  }
  [[nodiscard]] int vote(std::size_t index, std::span<const float> cosines, std::size_t k) const;

  std::size_t dim_;
  std::vector<int> labels_;
  std::vector<float> units_;
};

/// Cosines of the embeddings of the same pictures by two models.
class Cosines {
 public:
  /// picture: its place in the list. The cosine of two vectors of length 0 is 1, of one and another 0.
  void add(std::size_t picture, std::span<const float> embedding, std::span<const float> reference);

  // Of these there must be one at least.
  [[nodiscard]] double mean() const;
  [[nodiscard]] double least() const { return least_; }
  /// 1 in 100 lies below; interpolated as numpy does.
  [[nodiscard]] double first_percentile() const;
  /// The first of those with the least.
  [[nodiscard]] std::size_t least_picture() const { return least_picture_; }

 private:
  std::vector<double> cosines_;
  double least_ = 1;
  std::size_t least_picture_ = 0;
};

}  // namespace vitq
