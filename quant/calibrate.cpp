#include "quant/calibrate.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>

#include "engine/error.h"
#include "engine/threads.h"
#include "models/attention.h"
#include "models/layers.h"
#include "models/model.h"
#include "quant/bias.h"
#include "quant/covariance.h"
#include "quant/gptq.h"
#include "quant/layer_input.h"
#include "quant/lloyd_max.h"
#include "quant/mixed_precision.h"
#include "quant/sites.h"
#include "quant/softmax_fit.h"
#include "quant/weights.h"

namespace vitq {

namespace {

constexpr int kAllBits = 8;
constexpr int kMostBookBits = 4;  // of weights: with more, evenly spaced codes lose little
double fold_strength_of(const QuantizeOptions& options, int weight_bits) {
  return options.fold_strength.value_or(default_fold_strength(weight_bits, options.activation_bits));
}

double decibels(double signal, double noise) { return 10.0 * std::log10(signal / std::max(noise, 1e-300)); }

// Signal-to-noise ratio of what `actual` makes of codes against what `reference` makes of floats, on a part of the
// rows.
double output_sqnr(const Linear& reference, const Tensor& floats, const Linear& actual, LayerInput& input) {
  constexpr std::int64_t kMostRows = 512;
  const std::int64_t rows = std::min(floats.rows(), kMostRows);
  std::vector<float> expected(rows * reference.outputs());
  std::vector<float> found(expected.size());
  reference.run(rows_of(floats, 0, rows), Tensor(expected.data(), {rows, reference.outputs()}));
  actual.run(Tensor(input.codes.data(), {rows, floats.columns()}, actual.source()),
             Tensor(found.data(), {rows, reference.outputs()}));
  double signal = 0;
  double noise = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    signal += double{expected[i]} * expected[i];
    noise += (double{found[i]} - expected[i]) * (double{found[i]} - expected[i]);
  }
  return decibels(signal, noise);
}

double spread(std::span<const float> scales) {
  const auto [least, most] = std::ranges::minmax(scales);
  return double{most} / least;
}

// Turns each site into integers as the pass reaches it, and writes down what it did.
class SiteQuantizer final : public Calibrator {
 public:
  SiteQuantizer(MatmulContext& context, const Checkpoint& checkpoint, const QuantizeOptions& options, BitsOf bits,
                const std::function<void(const std::string&)>& advance, std::int64_t pictures,
                std::int64_t class_tokens)
      : context_(context),
        checkpoint_(checkpoint),
        options_(options),
        bits_(std::move(bits)),
        advance_(advance),
        pictures_(pictures),
        class_tokens_(class_tokens) {}

  void norm(const std::string& norm_name, const std::string& layer_name, const Tensor& normed, Norm& norm,
            Linear& layer) override {
    if (keeps_float(layer_name)) return;
    const int bits = options_.activation_bits;
    const int weight_bits = weight_bits_of(layer_name);
    const ChannelScales channels =
        fold_scales(observe_channels(rows_in(normed), bits), fold_strength_of(options_, weight_bits));
    const LayerScale whole = layer_scale(channels, options_.scale_factor);
    const CodeNorm folded_norm = fold_layer_norm(norm.gamma, norm.beta, channels);
    const FoldedLinear folded = fold_linear(weight(layer_name), bias(layer_name), channels, whole);
    LayerInput input = folded_input(normed, channels, whole, bits);
    replace(layer_name, normed, input, weight_bits, folded.weight, folded.bias, layer);
    reports_.back().scale_spread = spread(channels.scale);
    norm.gamma = folded_norm.gain;
    norm.beta = folded_norm.shift;
    norm.folded = true;
    artifact_.add_norm(norm_name, norm.gamma, norm.beta);
    done_.insert({norm_name + ".weight", norm_name + ".bias"});
  }

  void linear(const std::string& layer_name, const Tensor& src, Linear& layer) override {
    if (keeps_float(layer_name)) return;
    const bool edge = is_edge(layer_name);
    const int bits = edge ? options_.edge_bits : options_.activation_bits;
    const bool has_book = bits < kAllBits && !edge && holds(options_.code_books, layer_name);
    LayerInput input = has_book ? code_book_input(src, bits) : uniform_input(src, bits);
    replace(layer_name, src, input, weight_bits_of(layer_name), weight(layer_name), bias(layer_name), layer);
  }

  void attention(const std::string& name, const Tensor& qkv, std::int64_t heads, const AttentionShape& shape,
                 AttentionCodes& codes) override {
    if (keeps_float(name)) return;
    const int bits = options_.activation_bits;
    const std::int64_t dim = qkv.columns() / 3;
    QuantizedAttention stored;
    for (std::int64_t part = 0; part < 3; ++part) {
      const FloatRows values(qkv.f32() + part * dim, qkv.rows(), dim, qkv.strides[0]);
      stored.scales[part] = observe_symmetric(values, bits).grid.scale;
    }
    const SoftmaxFit fit = fit_softmax(context_, qkv, heads, shape, stored.scales[2], bits, options_.softmax);
    // Without a table the code is the uniform one, which TanQ is at 8 bits.
    stored.method = static_cast<int>(fit.table.empty() ? SoftmaxMethod::kUniform : options_.softmax);
    stored.bits = bits;
    stored.a = static_cast<float>(fit.shape.steepness);
    stored.c = static_cast<float>(fit.shape.centre);
    stored.table = fit.table;
    codes = attention_codes(stored);
    artifact_.add_attention(name, stored);
    report({.name = name,
            .weight_bits = 0,
            .input_bits = bits,
            .sqnr_db = decibels(1.0, fit.error),
            .scale_spread = spread(stored.scales),
            .tanq_a = stored.a,
            .tanq_c = stored.c});
  }

  // All tensors of the float model that no site has taken.
  void keep_the_rest(const std::vector<TensorSpec>& expected) {
    for (const TensorSpec& tensor : expected) {
      if (!done_.contains(tensor.name)) artifact_.add_float(tensor.name, tensor.shape, checkpoint_.f32(tensor.name));
    }
  }

  ArtifactBuilder& artifact() { return artifact_; }
  std::vector<SiteReport>& reports() { return reports_; }

 private:
  bool keeps_float(const std::string& site) {
    const bool kept = holds(options_.keep_float, site);
    if (kept) report({.name = site});
    return kept;
  }

  void report(SiteReport site) {
    reports_.push_back(std::move(site));
    advance_(reports_.back().name);
  }

  [[nodiscard]] int weight_bits_of(const std::string& layer) const {
    if (is_edge(layer)) return options_.edge_bits;
    const auto own = bits_.find(layer);
    return own != bits_.end() ? own->second : options_.weight_bits;
  }

  [[nodiscard]] std::span<const float> weight(const std::string& layer) const {
    return checkpoint_.f32(layer + ".weight");
  }
  [[nodiscard]] std::span<const float> bias(const std::string& layer) const {
    return checkpoint_.contains(layer + ".bias") ? checkpoint_.f32(layer + ".bias") : std::span<const float>();
  }

  // Puts integer weights in the place of `layer`. src and input: the input as floats, and as it will be; weight, bias:
  // what is rounded, folded where a LayerNorm is.
  void replace(const std::string& name, const Tensor& src, LayerInput& input, int weight_bits,
               std::span<const float> folded_weight, std::span<const float> folded_bias, Linear& layer) {
    const RowCodes rows = round_weights(name, folded_weight, layer.outputs(), weight_bits, input);
    std::vector<float> shift(folded_bias.begin(), folded_bias.end());
    if (options_.bias_correction) {
      const UniformGrid grid{.scale = input.source.scale, .zero_point = input.source.zero_point, .highest = 255};
      shift = correct_bias(weight(name), bias(name), rows, column_means(rows_in(src)),
                           column_means(input.codes, src.columns(), grid));
    }
    if (shift.empty()) shift.assign(layer.outputs(), 0.0F);
    Linear integer(context_, IntegerWeights{.codes = rows.codes,
                                            .scale = rows.scales,
                                            .bias = shift,
                                            .outputs = layer.outputs(),
                                            .inputs = layer.inputs(),
                                            .source = input.source,
                                            .levels = input.levels});
    SiteReport entry{.name = name, .weight_bits = weight_bits, .input_bits = input.bits};
    entry.sqnr_db = output_sqnr(layer, src, integer, input);
    entry.scale_spread = spread(rows.scales);
    layer = std::move(integer);
    artifact_.add_linear(name, stored_layer(rows, shift, input));
    done_.insert({name + ".weight", name + ".bias"});
    report(std::move(entry));
  }

  RowCodes round_weights(const std::string& name, std::span<const float> weight, std::int64_t outputs, int bits,
                         const LayerInput& input) {
    // At 8 bits there is nothing left to gain, and the range search with a plain squared error does as well.
    if (options_.rounding == Rounding::kNearest || bits == kAllBits) return quantize_rows(weight, outputs, bits);
    const std::int64_t inputs = std::ssize(weight) / outputs;
    Covariance covariance(inputs);
    covariance.add(context_, input.codes);
    const std::int64_t tokens = std::ssize(input.codes) / inputs / pictures_;
    if (const std::int64_t times = is_edge(name) ? 0 : class_token_weight(tokens); times > 0) {
      covariance.add(context_, first_tokens(input.codes, pictures_, inputs, class_tokens_), times);
    }
    const auto levels = options_.weight_code_books && bits <= kMostBookBits ? fit_weight_levels(weight, outputs, bits)
                                                                            : std::vector<std::int8_t>();
    return gptq_rows(weight, outputs, bits, covariance.about(input.source.zero_point), levels);
  }

  // How many times more than once each class token counts in a layer's output error. All that a ViT says goes through
  // them, and they are one row in 197: made a sixth of the whole, DeiT-T's KL at W4A4 falls by 15 % (three seeds).
  [[nodiscard]] std::int64_t class_token_weight(std::int64_t tokens) const {
    return class_tokens_ == 0 ? 0 : tokens / (5 * class_tokens_);
  }

  static QuantizedLinear stored_layer(const RowCodes& rows, const std::vector<float>& shift, const LayerInput& input) {
    QuantizedLinear stored;
    stored.outputs = rows.rows;
    stored.inputs = rows.columns;
    stored.weight_bits = rows.bits;
    stored.input_bits = input.bits;
    stored.input_scale = input.source.scale;
    stored.input_zero_point = input.source.zero_point;
    stored.input_levels = input.levels;
    stored.codes = rows.codes;
    stored.weight_levels = rows.levels;
    if (rows.bits < kAllBits && rows.levels.empty())
      stored.zero_point.assign(rows.zero_points.begin(), rows.zero_points.end());
    stored.scale = rows.scales;
    stored.bias = shift;
    return stored;
  }

  MatmulContext& context_;
  const Checkpoint& checkpoint_;
  const QuantizeOptions& options_;
  BitsOf bits_;
  const std::function<void(const std::string&)>& advance_;
  std::int64_t pictures_;
  std::int64_t class_tokens_;  // of each picture, its first rows; none in a Swin
  ArtifactBuilder artifact_;
  std::vector<SiteReport> reports_;
  std::set<std::string> done_;  // float tensors that the artifact holds in another form
};

void check_options(const QuantizeOptions& options, const std::vector<std::string>& sites) {
  for (const int bits : {options.weight_bits, options.activation_bits, options.edge_bits}) {
    check(bits >= 3 && bits <= 8, "bits are ", bits, ", expected 3 to 8");
  }
  check_entries("keep-float", options.keep_float, sites);
  check_entries("code-books", options.code_books, sites);
  for (const std::string& entry : options.code_books) {
    const bool possible = std::ranges::any_of(sites, [&](const std::string& site) {
      return (kind_of(site) == "fc2" || kind_of(site) == "proj") && holds({entry}, site);
    });
    check(possible, "code-books: ", entry, " is fed by no GELU and no attention; expected fc2, proj or one such layer");
  }
}

std::string name_of(SoftmaxMethod method) {
  constexpr std::array kNames = {"uniform", "tanq", "log2", "logsqrt2"};
  return kNames[static_cast<std::size_t>(method)];
}

std::string name_of(ScaleFactor method) {
  constexpr std::array kNames = {"median", "mean", "mad"};
  return kNames[static_cast<std::size_t>(method)];
}

std::string joined(const std::vector<std::string>& entries) {
  std::string text;
  for (const std::string& entry : entries) text += (text.empty() ? "" : ",") + entry;
  return text;
}

// Of mixed layers each has the default of its own bits.
std::string fold_strength_text(const QuantizeOptions& options) {
  if (options.most_bytes > 0 && !options.fold_strength) return "default";
  std::array<char, 32> text{};
  const double strength = fold_strength_of(options, options.weight_bits);
  return {text.data(), std::to_chars(text.begin(), text.end(), strength).ptr};
}

void describe_in(ArtifactBuilder& artifact, const ModelDescription& description, const QuantizeOptions& options) {
  for (const auto& [key, value] : metadata_of(description)) artifact.set_metadata(key, value);
  artifact.set_metadata("precision", precision_name(options));
  artifact.set_metadata("weight_bits", std::to_string(options.weight_bits));
  artifact.set_metadata("activation_bits", std::to_string(options.activation_bits));
  artifact.set_metadata("edge_bits", std::to_string(options.edge_bits));
  artifact.set_metadata("softmax", name_of(options.softmax));
  artifact.set_metadata("scale_factor", name_of(options.scale_factor));
  artifact.set_metadata("fold_strength", fold_strength_text(options));
  artifact.set_metadata("rounding", options.rounding == Rounding::kGptq ? "gptq" : "nearest");
  artifact.set_metadata("code_books", options.code_books.empty() ? "none" : joined(options.code_books));
  artifact.set_metadata("weight_code_books", options.weight_code_books ? "true" : "false");
  artifact.set_metadata("bias_correction", options.bias_correction ? "true" : "false");
  artifact.set_metadata("keep_float", joined(options.keep_float));
}

}  // namespace

double default_fold_strength(int weight_bits, int activation_bits) {
  if (activation_bits < 8) return 1.0;
  return weight_bits < 8 ? 0.5 : 0.75;
}

std::string precision_name(const QuantizeOptions& options) {
  return "w" + (options.most_bytes > 0 ? "x" : std::to_string(options.weight_bits)) + "a" +
         std::to_string(options.activation_bits);
}

QuantizedModel quantize_model(const Checkpoint& checkpoint, const ModelDescription& description,
                              std::span<const float> images, std::int64_t count, const QuantizeOptions& options) {
  check(count > 0, "quantize: no calibration pictures");
  const auto tensors = expected_tensors(description.config);
  const auto sites = sites_of(tensors);
  check_options(options, sites);
  const ThreadScope scope(options.threads > 0 ? options.threads : available_threads());
  const auto mixed = options.most_bytes > 0 ? mixed_layers(sites, options) : std::vector<std::string>();
  int done = 0;
  const std::function<void(const std::string&)> advance = [&](const std::string& site) {
    if (options.progress) options.progress(++done, static_cast<int>(mixed.size() + sites.size()), site);
  };
  const BitsOf bits =
      mixed.empty() ? BitsOf() : fit_mixed_layers(checkpoint, description, images, count, mixed, options, advance);
  MatmulContext context;
  const auto model = make_model(context, description.config, checkpoint);
  const bool vit = description.config.architecture == Architecture::kVit;
  SiteQuantizer quantizer(context, checkpoint, options, bits, advance, count,
                          vit ? description.config.prefix_tokens() : 0);
  model->set_calibrator(&quantizer);
  std::vector<float> logits(count * description.config.classes);
  model->forward(images, count, logits);
  quantizer.keep_the_rest(tensors);
  describe_in(quantizer.artifact(), description, options);
  return {.artifact = std::move(quantizer.artifact()), .sites = std::move(quantizer.reports())};
}

}  // namespace vitq
