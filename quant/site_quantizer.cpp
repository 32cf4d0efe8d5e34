#include "quant/site_quantizer.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "quant/bias.h"
#include "quant/fold.h"
#include "quant/gptq.h"
#include "quant/lloyd_max.h"
#include "quant/row_scales.h"
#include "quant/sites.h"
#include "quant/softmax_fit.h"

namespace vitq {

namespace {

constexpr int kAllBits = 8;
constexpr int kMostBookBits = 4;  // of weights: with more, evenly spaced codes lose little

double decibels(double signal, double noise) { return 10.0 * std::log10(signal / std::max(noise, 1e-300)); }

// Signal-to-noise ratio of what `actual` makes of codes against what `reference` makes of floats, on the first rows.
double output_sqnr(Gemm& gemm, const Linear& reference, const Tensor& sample, const Linear& actual,
                   const LayerInput& input) {
  constexpr std::int64_t kMostRows = 512;
  const std::int64_t rows = std::min(sample.rows(), kMostRows);
  const Tensor floats = rows_of(sample, 0, rows);
  LayerInput::Codes encoded = input.encode(floats);
  Tensor codes(encoded.codes.data(), {rows, floats.columns()}, actual.source());
  codes.row_scales = encoded.row_scales.data();
  std::vector<float> expected(rows * reference.outputs());
  std::vector<float> found(expected.size());
  reference.run(gemm, floats, Tensor(expected.data(), {rows, reference.outputs()}));
  actual.run(gemm, codes, Tensor(found.data(), {rows, reference.outputs()}));
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

QuantizedLinear describe(const RowCodes& rows, std::vector<float> shift, const LayerInput& input) {
  QuantizedLinear layer;
  layer.outputs = rows.rows;
  layer.inputs = rows.columns;
  layer.weight_bits = rows.bits;
  layer.input_bits = input.bits;
  layer.row_scales = input.source.row_scales;
  layer.input_scale = input.source.scale;
  layer.input_zero_point = input.source.zero_point;
  layer.input_levels = input.levels;
  layer.codes = rows.codes;
  layer.weight_levels = rows.levels;
  if (rows.bits < kAllBits && rows.levels.empty())
    layer.zero_point.assign(rows.zero_points.begin(), rows.zero_points.end());
  layer.scale = rows.scales;
  layer.bias = std::move(shift);
  return layer;
}

}  // namespace

void SiteQuantizer::linear(const SiteRef& site, const LinearInputs& inputs) {
  if (site.norm != nullptr) {
    behind_norm(site, inputs);
    return;
  }
  const bool edge = is_edge(site.name);
  const int bits = edge ? options_.edge_bits : options_.activation_bits;
  const bool has_book = bits < kAllBits && !edge && holds(options_.code_books, site.name);
  LayerInput input = has_book ? code_book_input(inputs.sample, bits) : uniform_input(inputs.sample, bits);
  if (auto rows = row_scales_for(site.name, inputs, input, bits)) input = *std::move(rows);
  replace(site, inputs, input, weight_bits_of(site.name), values(site.name), values(site.name));
  reports_.back().is_flat = is_flat(rows_in(inputs.sample));
}

void SiteQuantizer::pixels(const SiteRef& site, const LinearInputs& inputs, const PixelScale& scale,
                           std::int64_t plane) {
  const std::int64_t columns = site.linear->inputs();
  const auto scaled = [&](const Tensor& rows) {
    std::vector<float> result(rows.rows() * columns);
    for (std::int64_t i = 0; i < std::ssize(result); ++i) {
      const std::int64_t c = i % columns;
      result[i] = scale.at(c / plane, rows.row(i / columns)[c]);
    }
    return result;
  };
  const auto as_rows = [&](std::vector<float>& of) { return Tensor(of.data(), {std::ssize(of) / columns, columns}); };
  std::vector<float> sample = scaled(inputs.sample);
  const auto each = [&](const auto& use) {
    inputs.each([&](const Tensor& rows) {
      std::vector<float> own = scaled(rows);
      use(as_rows(own));
    });
  };
  const FoldedLinear folded = fold_pixels(weight(site.name), bias(site.name), scale, plane);
  *site.linear = Linear(
      FloatLinear{.weight = folded.weight, .bias = folded.bias, .outputs = site.linear->outputs(), .inputs = columns});
  const LayerValues of_bytes{folded.weight, folded.bias};
  replace(site, {.sample = as_rows(sample), .each = each, .rows_per_picture = inputs.rows_per_picture},
          byte_input(columns), kAllBits, of_bytes, of_bytes);
  reports_.back().is_flat = is_flat(rows_in(inputs.sample));
  std::vector<float> stored(scale.gain.begin(), scale.gain.end());
  stored.insert(stored.end(), scale.shift.begin(), scale.shift.end());
  artifact_.add_pixels(stored);
}

// What the rows of a layer's input become where they need scales of their own, or the options say so.
std::optional<LayerInput> SiteQuantizer::row_scales_for(const std::string& layer, const LinearInputs& inputs,
                                                        const LayerInput& one_grid, int bits) const {
  const bool is_possible = !is_edge(layer) && inputs.rows_per_picture > 1;
  const bool is_asked_for = options_.row_scales && holds(*options_.row_scales, layer);
  if (!is_possible || (options_.row_scales && !is_asked_for)) return std::nullopt;
  LayerInput rows = row_scaled_input(inputs.sample, bits);
  if (!is_asked_for && !needs_row_scales(one_grid, rows, inputs.sample)) return std::nullopt;
  return rows;
}

void SiteQuantizer::behind_norm(const SiteRef& site, const LinearInputs& inputs) {
  Norm& norm = *site.norm;
  const int bits = options_.activation_bits;
  const int weight_bits = weight_bits_of(site.name);
  const ChannelScales channels =
      fold_scales(observe_channels(rows_in(inputs.sample), bits), fold_strength_of(options_, weight_bits));
  const LayerScale whole = layer_scale(channels, options_.scale_factor);
  const LayerInput input = folded_input(channels, whole, bits);
  if (auto rows = row_scales_for(site.name, inputs, input, bits)) {
    replace(site, inputs, *rows, weight_bits, values(site.name), values(site.name));
    reports_.back().is_flat = is_flat(rows_in(inputs.sample));
    return;
  }
  CodeNorm folded_norm = fold_layer_norm(norm.gamma, norm.beta, channels);
  const FoldedLinear folded = fold_linear(weight(site.name), bias(site.name), channels, whole);
  replace(site, inputs, input, weight_bits, {folded.weight, folded.bias}, values(site.name));
  reports_.back().scale_spread = spread(channels.scale);
  reports_.back().is_flat = 2 * flat_columns(rows_in(inputs.sample)) > inputs.sample.columns();
  norm.gamma = std::move(folded_norm.gain);
  norm.beta = std::move(folded_norm.shift);
  norm.folded = true;
  artifact_.add_norm(norm.name, norm.gamma, norm.beta);
  done_.insert({norm.name + ".weight", norm.name + ".bias"});
}

void SiteQuantizer::attention(const SiteRef& site, const AttentionInputs& inputs) {
  const int bits = options_.activation_bits;
  const Tensor& qkv = inputs.sample;
  const std::int64_t dim = qkv.columns() / 3;
  QuantizedAttention stored;
  bool has_flat_part = false;
  for (std::int64_t part = 0; part < 3; ++part) {
    const FloatRows values(qkv.f32() + part * dim, qkv.rows(), dim, qkv.strides[0]);
    // With less bits what is cut off costs less than what steps as wide would.
    const UniformGrid grid = bits == kAllBits ? symmetric_range(values, bits) : observe_symmetric(values, bits).grid;
    stored.scales[part] = grid.scale;
    has_flat_part = has_flat_part || is_flat(values);
  }
  const SoftmaxFit fit = fit_softmax(gemm_, inputs, stored.scales[2], bits, options_.softmax);
  // Without a table the code is the uniform one, which TanQ is at 8 bits.
  stored.method = static_cast<int>(fit.table.empty() ? SoftmaxMethod::kUniform : options_.softmax);
  stored.bits = bits;
  stored.a = static_cast<float>(fit.shape.steepness);
  stored.c = static_cast<float>(fit.shape.centre);
  stored.table = fit.table;
  site.attention->set_codes(stored);
  artifact_.add_attention(site.name, stored);
  report({.name = site.name,
          .weight_bits = 0,
          .input_bits = bits,
          .sqnr_db = decibels(1.0, fit.error),
          .scale_spread = spread(stored.scales),
          .tanq_a = stored.a,
          .tanq_c = stored.c,
          .is_flat = has_flat_part});
}

void SiteQuantizer::keep_the_rest(const std::vector<TensorSpec>& expected) {
  for (const TensorSpec& tensor : expected) {
    if (!done_.contains(tensor.name)) artifact_.add_float(tensor.name, tensor.shape, checkpoint_.f32(tensor.name));
  }
}

void SiteQuantizer::report(SiteReport site) {
  reports_.push_back(std::move(site));
  advance_(reports_.back().name);
}

int SiteQuantizer::weight_bits_of(const std::string& layer) const {
  if (is_edge(layer)) return options_.edge_bits;
  const auto own = bits_.find(layer);
  return own != bits_.end() ? own->second : options_.weight_bits;
}

std::span<const float> SiteQuantizer::weight(const std::string& layer) const {
  return checkpoint_.f32(layer + ".weight");
}

std::span<const float> SiteQuantizer::bias(const std::string& layer) const {
  return checkpoint_.f32_if_there(layer + ".bias");
}

// Puts integer weights in the place of the layer. What is rounded is folded where a LayerNorm is; the bias is corrected
// by what the layer is without.
void SiteQuantizer::replace(const SiteRef& site, const LinearInputs& inputs, LayerInput input, int weight_bits,
                            const LayerValues& rounded, const LayerValues& corrected) {
  const std::string& name = site.name;
  Linear& layer = *site.linear;
  std::optional<Covariance> covariance;
  // At 8 bits there is nothing left to gain, and the range search with a plain squared error does as well.
  if (options_.rounding == Rounding::kGptq && weight_bits < kAllBits) covariance.emplace(layer.inputs());
  ColumnMeans means(layer.inputs());
  ColumnMeans code_means(layer.inputs());
  if (covariance || options_.bias_correction) {
    const std::int64_t times = class_token_weight(name, inputs.rows_per_picture);
    inputs.each([&](const Tensor& rows) {
      const LayerInput::Codes encoded = input.encode(rows);
      const std::vector<std::uint8_t>& codes = encoded.codes;
      means.add(rows_in(rows));
      if (input.source.row_scales) {
        const std::vector<float> decoded = input.decode(encoded);
        code_means.add(FloatRows{decoded.data(), rows.rows(), rows.columns(), rows.columns()});
      } else {
        code_means.add(codes);
      }
      if (!covariance) return;
      covariance->add(gemm_, codes);
      const std::int64_t pictures = rows.rows() / inputs.rows_per_picture;
      if (times > 0) covariance->add(gemm_, first_tokens(codes, pictures, layer.inputs(), class_tokens_), times);
    });
  }
  const RowCodes rows =
      round_weights(rounded.weight, layer.outputs(), weight_bits, covariance ? &*covariance : nullptr, input);
  std::vector<float> shift(rounded.bias.begin(), rounded.bias.end());
  if (options_.bias_correction) {
    const UniformGrid grid{.scale = input.source.scale, .zero_point = input.source.zero_point, .highest = 255};
    shift = correct_bias(corrected.weight, corrected.bias, rows, means.means(),
                         input.source.row_scales ? code_means.means() : code_means.decoded_means(grid));
  }
  if (shift.empty()) shift.assign(layer.outputs(), 0.0F);
  const QuantizedLinear stored = describe(rows, std::move(shift), input);
  const Linear integer(stored);
  SiteReport entry{.name = name, .weight_bits = weight_bits, .input_bits = input.bits};
  entry.sqnr_db = output_sqnr(gemm_, layer, inputs.sample, integer, input);
  entry.scale_spread = spread(rows.scales);
  entry.row_scales = input.source.row_scales;
  layer = integer;
  artifact_.add_linear(name, stored);
  done_.insert({name + ".weight", name + ".bias"});
  report(std::move(entry));
}

RowCodes SiteQuantizer::round_weights(std::span<const float> weight, std::int64_t outputs, int bits,
                                      const Covariance* covariance, const LayerInput& input) const {
  if (covariance == nullptr) return quantize_rows(weight, outputs, bits);
  const auto levels = options_.weight_code_books && bits <= kMostBookBits ? fit_weight_levels(weight, outputs, bits)
                                                                          : std::vector<std::int8_t>();
  return gptq_rows(weight, outputs, bits, covariance->about(input.source.zero_point), levels);
}

// How many times more than once each class token counts in a layer's output error. All that a ViT says goes through
// them, and they are one row in 197: made a sixth of the whole, DeiT-T's KL at W4A4 falls by 15 % (three seeds).
std::int64_t SiteQuantizer::class_token_weight(const std::string& layer, std::int64_t tokens) const {
  return class_tokens_ == 0 || is_edge(layer) ? 0 : tokens / (5 * class_tokens_);
}

}  // namespace vitq
