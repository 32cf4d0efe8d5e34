#include "cli/scores.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/error.h"

namespace vitq {
namespace {

double log_sum_exp(std::span<const float> logits) {
  const double most = *std::ranges::max_element(logits);
  double total = 0;
  for (const float logit : logits) total += std::exp(logit - most);
  return most + std::log(total);
}

}  // namespace

int argmax(std::span<const float> logits) {
  return static_cast<int>(std::ranges::max_element(logits) - logits.begin());
}

void Accuracy::add(int label, std::span<const float> logits) {
  constexpr int kTop = 5;
  const float own = logits[label];
  int better = 0;
  for (int i = 0; i < std::ssize(logits); ++i) {
    if (logits[i] > own || (logits[i] == own && i < label)) ++better;
  }
  ++count_;
  if (better == 0) ++top1_;
  if (better < kTop) ++top5_;
}

double Accuracy::share(std::int64_t hits) const {
  return count_ == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(count_);
}

void Comparison::add(int label, std::span<const float> logits, std::span<const float> reference) {
  accuracy_.add(label, reference);
  const int best = argmax(logits);
  const int best_of_reference = argmax(reference);
  if (best_of_reference == best) ++agreeing_;
  if (best_of_reference == label && best != label) ++only_reference_;
  if (best == label && best_of_reference != label) ++only_this_;
  const double log_total = log_sum_exp(logits);
  const double reference_log_total = log_sum_exp(reference);
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double difference = double{reference[i]} - logits[i];
    max_difference_ = std::max(max_difference_, std::abs(difference));
    signal_ += double{reference[i]} * reference[i];
    noise_ += difference * difference;
    const double log_probability = reference[i] - reference_log_total;
    kl_ += std::exp(log_probability) * (log_probability - (logits[i] - log_total));
  }
}

double Comparison::agreement() const { return mean(static_cast<double>(agreeing_)); }

double Comparison::sqnr_db() const { return 10 * std::log10(signal_ / noise_); }

double Comparison::kl() const { return std::max(mean(kl_), 0.0); }  // rounding may leave -1e-17

double Comparison::mean(double sum) const {
  return accuracy_.count() == 0 ? 0 : sum / static_cast<double>(accuracy_.count());
}

Reference::Reference(const std::filesystem::path& path, std::int64_t classes)
    : source_(path.string()), classes_(classes) {
  std::error_code ignored;
  check(std::filesystem::exists(path, ignored), ErrorCode::kFile, source_,
        ": there is no such file; expected the answers of another program (--reference)");
  const SafetensorsFile file(path);
  const FileTensor* tensor = file.find("logits");
  check(tensor != nullptr, ErrorCode::kFormat, source_,
        ": has no tensor named logits; expected the answers of another program (--reference)");
  check(tensor->dtype == FileDType::kF32 && tensor->shape.size() == 2 && tensor->shape[1] == classes,
        ErrorCode::kFormat, source_, ": logits are ", dtype_name(tensor->dtype), ' ', to_string(tensor->shape),
        ", expected F32 [pictures, ", classes, "]");
  logits_.resize(tensor->bytes.size() / sizeof(float));
  if (!logits_.empty()) std::memcpy(logits_.data(), tensor->bytes.data(), tensor->bytes.size());
}

std::span<const float> Reference::row(std::size_t index) const {
  const std::span<const float> row = std::span(logits_).subspan(index * classes_, classes_);
  check(std::ranges::all_of(row, [](float value) { return std::isfinite(value); }), ErrorCode::kFormat, source_,
        ": row ", index, " of logits is not finite");
  return row;
}

LogitsWriter::LogitsWriter(std::size_t pictures, std::int64_t classes)
    : classes_(classes), logits_(pictures * static_cast<std::size_t>(classes)) {}

void LogitsWriter::add(std::size_t index, std::span<const float> logits) {
  std::ranges::copy(logits, logits_.begin() + static_cast<std::ptrdiff_t>(index) * classes_);
}

void LogitsWriter::write(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) const {
  const Shape shape{static_cast<std::int64_t>(logits_.size()) / classes_, classes_};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(logits_.data());
  write_safetensors(path, {{"logits", FileDType::kF32, shape, {bytes, logits_.size() * sizeof(float)}}}, metadata);
}

}  // namespace vitq
