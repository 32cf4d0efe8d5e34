#pragma once
// What one site takes on the calibration pictures: some of it at hand, to search ranges on, and all of it, some
// pictures at a time, for what can be summed. So memory is bounded, however many pictures there are.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/layers/attention.h"
#include "engine/layers/observer.h"
#include "engine/tensor.h"

namespace vitq {

/// The rows of all pictures, in their order: calls use(rows) for some pictures at a time.
using EachRows = std::function<void(const std::function<void(const Tensor& rows)>& use)>;

/// What a linear layer takes: f32 rows.
struct LinearInputs {
  Tensor sample;  ///< [rows, inputs]: all, or evenly spread ones
  EachRows each;  ///< all, whole pictures at a time
  std::int64_t rows_per_picture = 0;
};

/// What an attention takes: q, k and v side by side, f32 rows.
struct AttentionInputs {
  Tensor sample;                      ///< [rows, 3 heads head_dim], as above
  Tensor groups;                      ///< [numbers tokens, 3 heads head_dim]: whole groups
  std::vector<std::int64_t> numbers;  ///< of those groups among all
  std::int64_t heads = 0;
  AttentionShape shape;  ///< of all pictures
};

/// Collects the sample of one site in a pass over chunks of `pictures` pictures, the first site that `is_done` does not
/// know, and ends each pass there. Every n-th row is taken, n the least number that keeps the sample at `most_values`
/// and has no factor in common with the rows of a picture, so that each place of a picture is met.
class SiteSample final : public Observer {
 public:
  /// pictures: of the first chunk; of: of all. What is_done sees must outlive it.
  SiteSample(std::function<bool(const std::string&)> is_done, std::int64_t pictures, std::int64_t of,
             std::int64_t most_values)
      : is_done_(std::move(is_done)), chunk_(pictures), pictures_(of), most_values_(most_values) {}

  bool input(const std::string& layer, const Tensor& src) override;
  bool attention(const std::string& name, const Tensor& qkv, std::int64_t heads, const AttentionShape& shape) override;

  [[nodiscard]] const std::string& site() const { return site_; }
  [[nodiscard]] bool is_everything() const { return stride_ == 1; }
  [[nodiscard]] std::int64_t rows_per_picture() const { return rows_per_picture_; }
  /// Valid while this is.
  [[nodiscard]] Tensor rows();
  [[nodiscard]] AttentionInputs attention_inputs();

 private:
  void begin(const std::string& name, const Tensor& src);
  void take(const Tensor& src);
  void take_groups(const Tensor& qkv, const AttentionShape& shape);

  std::function<bool(const std::string&)> is_done_;
  std::int64_t chunk_, pictures_, most_values_;
  std::string site_;
  std::int64_t columns_ = 0;
  std::int64_t rows_per_picture_ = 0;
  std::int64_t stride_ = 1;
  std::int64_t rows_seen_ = 0;
  std::vector<float> values_;
  std::int64_t heads_ = 0;
  AttentionShape shape_;
  std::int64_t groups_seen_ = 0;
  std::vector<std::int64_t> numbers_;
  std::vector<float> groups_;
};

/// Shows `use` what the layer `site` takes, and ends the pass there.
class SiteReplay final : public Observer {
 public:
  SiteReplay(const std::string& site, const std::function<void(const Tensor& rows)>& use) : site_(site), use_(use) {}

  bool input(const std::string& layer, const Tensor& src) override;

 private:
  const std::string& site_;
  const std::function<void(const Tensor& rows)>& use_;
};

}  // namespace vitq
