#include "cli/text_features.h"

#include <cmath>
#include <optional>

#include "api/best_classes.h"
#include "engine/error.h"
#include "weights/flat_json.h"
#include "weights/safetensors.h"
#include "weights/widen.h"

namespace vitq {
namespace {

constexpr double kAssumedScale = 100;
/// The logarithm of 22,026. CLIP stops at ln 100 = 4.6052.
constexpr double kMostLogScale = 10;

double length(std::span<const float> values) {
  double squares = 0;
  for (const float value : values) squares += double{value} * value;
  return std::sqrt(squares);
}

std::vector<float> floats_of(const FileTensor& tensor, const std::string& source) {
  std::vector<float> values(static_cast<std::size_t>(element_count(tensor.shape)));
  widen(tensor, values, source);
  return values;
}

/// The one number of tensor `name`, or nothing where there is none.
std::optional<double> number_in(const SafetensorsFile& file, const std::string& name) {
  const FileTensor* tensor = file.find(name);
  if (tensor == nullptr) return std::nullopt;
  const std::string source = file.path().string();
  check(element_count(tensor->shape) == 1, ErrorCode::kFormat, source, ": ", name, " is ", to_string(tensor->shape),
        ", expected one number");
  const double value = floats_of(*tensor, source).front();
  check(std::isfinite(value), ErrorCode::kFormat, source, ": ", name, " is ", value, ", expected a finite number");
  return value;
}

std::vector<std::string> names_in(const SafetensorsFile& file, std::int64_t classes) {
  for (const char* key : {"class_names", "classes"}) {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end()) continue;
    auto names = json_texts(found->second);
    check(names.has_value(), ErrorCode::kFormat, file.path().string(), ": metadata ", key, " is no JSON list of names");
    check(std::ssize(*names) == classes, ErrorCode::kFormat, file.path().string(), ": metadata ", key, " has ",
          names->size(), " names, text_features has ", classes, " rows");
    return *std::move(names);
  }
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < classes; ++i) names.push_back("class " + std::to_string(i));
  return names;
}

}  // namespace

TextFeatures::TextFeatures(const std::filesystem::path& path, const Notices& notices) : file_(path) {
  const SafetensorsFile file(path);
  const std::string source = path.string();
  const FileTensor* features = file.find("text_features");
  check(features != nullptr, ErrorCode::kFormat, source,
        ": has no tensor text_features, expected one [classes, dim] (--zero-shot)");
  const Shape& shape = features->shape;
  check(shape.size() == 2 && shape[0] > 0 && shape[1] > 0, ErrorCode::kFormat, source, ": text_features is ",
        to_string(shape), ", expected [classes, dim]");
  dim_ = shape[1];
  names_ = names_in(file, shape[0]);
  directions_ = floats_of(*features, source);
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    const std::span<float> row = std::span(directions_).subspan(i * dim_, dim_);
    const double row_length = length(row);
    check(std::isfinite(row_length) && row_length > 0, ErrorCode::kFormat, source, ": row ", i,
          " of text_features has length ", row_length, ", expected a finite one above 0");
    for (float& value : row) value = static_cast<float>(value / row_length);
  }
  const std::optional<double> log_scale = number_in(file, "logit_scale");
  if (!log_scale) notices.say(source + ": has no logit_scale: a factor of 100, CLIP's, is assumed, which may be wrong");
  check(!log_scale || std::fabs(*log_scale) <= kMostLogScale, ErrorCode::kFormat, source, ": logit_scale is ",
        log_scale.value_or(0), ", expected the natural logarithm of the factor, as CLIP stores it (4.6052 for 100)");
  scale_ = log_scale ? std::exp(*log_scale) : kAssumedScale;
  const std::optional<double> bias = number_in(file, "logit_bias");
  is_sigmoid_ = bias.has_value();
  bias_ = bias.value_or(0);
}

void TextFeatures::classify(std::span<const float> embedding, std::span<float> logits) const {
  const double embedding_length = length(embedding);
  for (std::int64_t i = 0; i < classes(); ++i) {
    const std::span<const float> direction = std::span(directions_).subspan(i * dim_, dim_);
    double product = 0;
    for (std::int64_t d = 0; d < dim_; ++d) product += double{embedding[d]} * direction[d];
    const double cosine = embedding_length > 0 ? product / embedding_length : 0;
    logits[i] = static_cast<float>(scale_ * cosine + bias_);
  }
}

std::vector<Prediction> TextFeatures::top(std::span<const float> logits, int k) const {
  std::vector<Prediction> best = best_classes(logits, names_, k);
  if (is_sigmoid_) {
    for (Prediction& prediction : best) {
      prediction.probability = static_cast<float>(1 / (1 + std::exp(-double{logits[prediction.index]})));
    }
  }
  return best;
}

}  // namespace vitq
