#include "quant/site_inputs.h"

#include <numeric>

#include "quant/softmax_fit.h"

namespace vitq {

bool SiteSample::input(const std::string& layer, const Tensor& src) {
  if (is_done_(layer)) return true;
  if (site_.empty()) begin(layer, src);
  take(src);
  return false;
}

bool SiteSample::attention(const std::string& name, const Tensor& qkv, std::int64_t heads,
                           const AttentionShape& shape) {
  if (is_done_(name)) return true;
  if (site_.empty()) {
    begin(name, qkv);
    heads_ = heads;
    shape_ = shape;
    shape_.groups = shape.groups / chunk_ * pictures_;
    numbers_ = groups_to_fit(shape_);
    groups_.reserve(numbers_.size() * shape.tokens * columns_);
  }
  take(qkv);
  take_groups(qkv, shape);
  return false;
}

Tensor SiteSample::rows() { return {values_.data(), {std::ssize(values_) / columns_, columns_}}; }

AttentionInputs SiteSample::attention_inputs() {
  return {.sample = rows(),
          .groups = {groups_.data(), {std::ssize(groups_) / columns_, columns_}},
          .numbers = numbers_,
          .heads = heads_,
          .shape = shape_};
}

void SiteSample::begin(const std::string& name, const Tensor& src) {
  site_ = name;
  columns_ = src.columns();
  rows_per_picture_ = src.rows() / chunk_;
  const std::int64_t rows = rows_per_picture_ * pictures_;
  const std::int64_t most_rows = std::max<std::int64_t>(most_values_ / columns_, 1);
  stride_ = (rows + most_rows - 1) / most_rows;
  while (std::gcd(stride_, rows_per_picture_) != 1) ++stride_;
  values_.reserve((rows + stride_ - 1) / stride_ * columns_);
}

void SiteSample::take(const Tensor& src) {
  const std::int64_t behind = rows_seen_ % stride_;
  for (std::int64_t r = behind == 0 ? 0 : stride_ - behind; r < src.rows(); r += stride_) {
    values_.insert(values_.end(), src.row(r), src.row(r) + columns_);
  }
  rows_seen_ += src.rows();
}

void SiteSample::take_groups(const Tensor& qkv, const AttentionShape& shape) {
  for (const std::int64_t number : numbers_) {
    const std::int64_t group = number - groups_seen_;
    if (group < 0 || group >= shape.groups) continue;
    const float* first = qkv.row(group * shape.tokens);
    groups_.insert(groups_.end(), first, first + shape.tokens * columns_);
  }
  groups_seen_ += shape.groups;
}

bool SiteReplay::input(const std::string& layer, const Tensor& src) {
  if (layer != site_) return true;
  use_(src);
  return false;
}

}  // namespace vitq
