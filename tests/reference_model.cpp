#include "tests/reference_model.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <string>

#include "weights/artifact.h"

namespace vitq::test {

namespace {

using Row = std::vector<double>;
using Rows = std::vector<Row>;  // [tokens][dim]

// How near the middle a value counts as a tie: twice what float and double were found apart at 8 bits (9.3e-6 of a
// step).
constexpr double kMargin = 2e-5;
// The same for levels of e = exp(x), relative to them as the error of x is.
constexpr double kLevelMargin = 2e-6;

// The greatest code of `bits` bits on a symmetric grid.
double most_code(int bits) { return (1 << (bits - 1)) - 1; }

// The layer with weights of seven bits. A row whose codes all lie in [-64, 64] stays; any other is rounded to half as
// many codes, half to even.
void reduce_to_seven_bits(QuantizedLinear& layer) {
  for (std::int64_t o = 0; o < layer.outputs; ++o) {
    const std::span row(layer.codes.data() + o * layer.inputs, static_cast<std::size_t>(layer.inputs));
    if (std::ranges::all_of(row, [](int code) { return std::abs(code) <= 64; })) continue;
    for (std::int8_t& code : row) code = static_cast<std::int8_t>(std::nearbyint(code / 2.0));
    layer.scale[o] *= 2;
  }
}

// A checkpoint whose integer layers are unpacked once, not for each token; and the ties that are met on the way.
class Weights {
 public:
  Weights(const Checkpoint& checkpoint, int bits, Ties& ties) : checkpoint_(checkpoint), bits_(bits), ties_(ties) {}

  // x to the nearest integer. Within `margin` of the middle between two it may be told to go to the other.
  [[nodiscard]] double rounded(double x, double margin) const {
    const double nearest = std::nearbyint(x);
    const double past = x - nearest;
    if (std::fabs(past) < 0.5 - margin) return nearest;
    return ties_.is_turned(ties_.met++) ? nearest + std::copysign(1.0, past) : nearest;
  }

  [[nodiscard]] int bits_of_k_and_v() const { return bits_; }
  [[nodiscard]] bool contains(const std::string& name) const { return checkpoint_.contains(name); }
  [[nodiscard]] auto shape(const std::string& name) const { return checkpoint_.shape(name); }
  [[nodiscard]] auto f32(const std::string& name) const { return checkpoint_.f32(name); }
  [[nodiscard]] bool is_folded(const std::string& norm) const { return has_folded_norm(checkpoint_, norm); }
  // Nothing where the layer was left in float.
  [[nodiscard]] const std::optional<QuantizedLinear>& linear(const std::string& name) const {
    const auto [layer, is_new] = linears_.try_emplace(name);
    if (is_new) {
      layer->second = read_quantized_linear(checkpoint_, name);
      if (layer->second && bits_ == 7) reduce_to_seven_bits(*layer->second);
    }
    return layer->second;
  }
  [[nodiscard]] const std::optional<QuantizedAttention>& attention(const std::string& name) const {
    const auto [codes, is_new] = attentions_.try_emplace(name);
    if (is_new) codes->second = read_quantized_attention(checkpoint_, name);
    return codes->second;
  }

 private:
  const Checkpoint& checkpoint_;
  int bits_;  // of weights, k and v
  Ties& ties_;
  mutable std::map<std::string, std::optional<QuantizedLinear>> linears_;
  mutable std::map<std::string, std::optional<QuantizedAttention>> attentions_;
};

// Ties outside the codes are none: what is beyond them is cut off.
double code_of(const Weights& weights, double x, double scale, double zero_point, double least, double most) {
  return weights.rounded(std::clamp(x / scale + zero_point, least, most), kMargin);
}

// The code of x in the input of a layer: on its grid, and from there to the nearest of its levels, if it has any.
double input_code(const Weights& weights, const QuantizedLinear& layer, double x) {
  const bool even = layer.input_levels.empty();
  const double code =
      code_of(weights, x, layer.input_scale, layer.input_zero_point, 0, even ? (1 << layer.input_bits) - 1 : 255);
  if (even) return code;
  return *std::ranges::min_element(layer.input_levels, {}, [code](double level) { return std::fabs(level - code); });
}

Row integer_linear(const Weights& weights, const QuantizedLinear& layer, const Row& x) {
  std::vector<std::int64_t> codes;
  for (const double value : x)
    codes.push_back(std::llround(input_code(weights, layer, value)) - layer.input_zero_point);
  Row y(layer.outputs);
  for (std::int64_t o = 0; o < layer.outputs; ++o) {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < layer.inputs; ++i) sum += layer.codes[o * layer.inputs + i] * codes[i];
    y[o] = layer.bias[o] + double{layer.input_scale} * layer.scale[o] * static_cast<double>(sum);
  }
  return y;
}

Row linear(const Weights& weights, const std::string& name, const Row& x) {
  if (const auto& layer = weights.linear(name)) return integer_linear(weights, *layer, x);
  const auto w = weights.f32(name + ".weight");
  const std::size_t outputs = weights.shape(name + ".weight")[0];
  Row y(outputs, 0.0);
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t i = 0; i < x.size(); ++i) y[o] += double{w[o * x.size() + i]} * x[i];
    if (weights.contains(name + ".bias")) y[o] += weights.f32(name + ".bias")[o];
  }
  return y;
}

// The LayerNorm in front of layer `next`; one that is folded gives the values of the codes that `next` will read.
Row norm(const Weights& weights, const std::string& name, const Row& x, double eps, const std::string& next = "") {
  double mean = 0;
  double variance = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  const bool folded = weights.is_folded(name);
  const auto gamma = weights.f32(name + (folded ? ".gain" : ".weight"));
  const auto beta = weights.f32(name + (folded ? ".shift" : ".bias"));
  Row y(x.size());
  for (std::size_t c = 0; c < x.size(); ++c) y[c] = (x[c] - mean) / std::sqrt(variance + eps) * gamma[c] + beta[c];
  if (folded) {
    const auto& layer = weights.linear(next);
    for (double& v : y) {
      v = (code_of(weights, v, 1, 0, 0, (1 << layer->input_bits) - 1) - layer->input_zero_point) *
          double{layer->input_scale};
    }
  }
  return y;
}

void add(Row& x, const Row& y) {
  for (std::size_t c = 0; c < x.size(); ++c) x[c] += y[c];
}

// 255 exp(x). What becomes codes at once is computed with this polynomial: how far it is off, up to 0.0008, is a test
// of softmax_codes.
double rough_level(double x) {
  const double power = std::max(x / std::numbers::ln2, -12.0);
  const double whole = std::nearbyint(power);
  double p = 0;
  for (const double coefficient : {2.44363173, 14.2561493, 61.2614514, 176.746668, 255.0}) {
    p = p * (power - whole) + coefficient;
  }
  return std::ldexp(p, static_cast<int>(whole));
}

// The level of exp(x) on integers. On which side of a half its index in the table falls matters only where another
// level begins.
double level_of(const Weights& weights, const QuantizedAttention& codes, double x) {
  if (codes.table.empty()) return weights.rounded(rough_level(x), kLevelMargin * rough_level(x));
  const double index = 4095 * std::exp(x);
  const auto at = [&](double i) { return codes.table[static_cast<std::size_t>(i)]; };
  if (at(std::floor(index)) == at(std::ceil(index))) return at(std::floor(index));
  return at(weights.rounded(index, kLevelMargin * index));
}

// What softmax makes of one row of scores, and what the mix of values is divided by: in floats e and its sum; on
// integers the levels of e and theirs.
double to_levels(const Weights& weights, Row& row, const std::optional<QuantizedAttention>& codes) {
  const double most = *std::ranges::max_element(row);
  double total = 0;
  for (double& score : row) {
    score = codes ? level_of(weights, *codes, score - most) : std::exp(score - most);
    total += score;
  }
  return total;
}

// Cosine attention: each head of q and k on the sphere of half its factor's logarithm, times the root of head_dim that
// the scores are divided by.
void to_spheres(const Weights& weights, const std::string& name, std::size_t head_dim, Row& qkv) {
  const auto logarithms = weights.f32(name + ".logit_scale");
  const std::size_t heads = logarithms.size();
  for (std::size_t h = 0; h < 2 * heads; ++h) {
    const double factor = std::exp(std::min(double{logarithms[h % heads]}, std::log(100.0)));
    double square = 0;
    for (std::size_t d = 0; d < head_dim; ++d) square += qkv[h * head_dim + d] * qkv[h * head_dim + d];
    const double length = std::max(std::sqrt(square), 1e-12);
    for (std::size_t d = 0; d < head_dim; ++d) {
      qkv[h * head_dim + d] *= std::sqrt(factor * std::sqrt(static_cast<double>(head_dim))) / length;
    }
  }
}

// Attention among `tokens`; addition(h, i, j) is added to the scores before the softmax.
template <class Addition>
Rows attention(const Weights& weights, const std::string& name, const Rows& tokens, std::int64_t heads,
               Addition addition) {
  const auto& codes = weights.attention(name);
  const std::size_t dim = tokens.front().size();
  const std::size_t head_dim = dim / heads;
  Rows qkv;
  for (const Row& x : tokens) {
    qkv.push_back(linear(weights, name + ".qkv", x));
    if (weights.contains(name + ".logit_scale")) to_spheres(weights, name, head_dim, qkv.back());
    if (!codes) continue;
    for (std::size_t c = 0; c < 3 * dim; ++c) {
      const bool is_q = c < dim;  // the first operand; k and v are second ones
      const double most = most_code(is_q ? codes->bits : std::min(codes->bits, weights.bits_of_k_and_v()));
      const double scale = codes->scales[c / dim] * most_code(codes->bits) / most;
      qkv.back()[c] = scale * code_of(weights, qkv.back()[c], scale, 0, -most, most);
    }
  }
  Rows mixed(tokens.size(), Row(dim, 0.0));
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      Row score(tokens.size());
      for (std::size_t j = 0; j < tokens.size(); ++j) {
        double dot = 0;
        for (std::size_t d = 0; d < head_dim; ++d) dot += qkv[i][h * head_dim + d] * qkv[j][dim + h * head_dim + d];
        score[j] = dot / std::sqrt(static_cast<double>(head_dim)) + addition(h, i, j);
      }
      const double total = to_levels(weights, score, codes);
      for (std::size_t j = 0; j < tokens.size(); ++j) {
        for (std::size_t d = 0; d < head_dim; ++d) {
          mixed[i][h * head_dim + d] += score[j] / total * qkv[j][2 * dim + h * head_dim + d];
        }
      }
    }
  }
  Rows result;
  for (const Row& x : mixed) result.push_back(linear(weights, name + ".proj", x));
  return result;
}

double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

// What becomes codes at once is computed with this polynomial; how far it is from gelu() is a test of requantize.
double rough_gelu(double x) {
  const double near = std::clamp(x, -3.9, 3.9);
  double p = 0;
  for (const double coefficient : {2.61860171e-08, -1.76586971e-06, 5.11452379e-05, -8.43697492e-04, 8.91089757e-03,
                                   -6.48684112e-02, 3.98093470e-01}) {
    p = p * near * near + coefficient;
  }
  return x * (near * p + 0.5);
}

// With norms behind, of what the branches give.
void mlp(const Weights& weights, const std::string& block, Rows& tokens, double eps, bool norms_behind = false) {
  const bool direct = weights.linear(block + ".mlp.fc1") && weights.linear(block + ".mlp.fc2");
  for (Row& x : tokens) {
    const Row src = norms_behind ? x : norm(weights, block + ".norm2", x, eps, block + ".mlp.fc1");
    Row hidden = linear(weights, block + ".mlp.fc1", src);
    for (double& v : hidden) v = direct ? rough_gelu(v) : gelu(v);
    const Row y = linear(weights, block + ".mlp.fc2", hidden);
    add(x, norms_behind ? norm(weights, block + ".norm2", y, eps) : y);
  }
}

Rows patches(const ModelConfig& config, const Weights& weights, std::span<const float> image) {
  Rows tokens;
  const std::int64_t p = config.patch;
  // Gains and shifts, where the embedding takes bytes.
  std::vector<float> scale{1, 1, 1, 0, 0, 0};
  if (weights.contains("patch_embed.proj.pixels")) {
    const auto stored = weights.f32("patch_embed.proj.pixels");
    scale.assign(stored.begin(), stored.end());
  }
  for (std::int64_t gy = 0; gy < config.grid().rows; ++gy) {
    for (std::int64_t gx = 0; gx < config.grid().columns; ++gx) {
      Row x;
      for (std::int64_t c = 0; c < 3; ++c) {
        for (std::int64_t i = 0; i < p * p; ++i) {
          const std::int64_t at =
              (c * config.image_size.height + gy * p + i / p) * config.image_size.width + gx * p + i % p;
          x.push_back(image[at] * scale[c] + scale[c + 3]);  // in float, as it runs
        }
      }
      tokens.push_back(linear(weights, "patch_embed.proj", x));
    }
  }
  return tokens;
}

std::vector<double> vit(const ModelConfig& config, const Weights& weights, Rows tokens) {
  const auto row = [&](const std::string& name) {
    const auto values = weights.f32(name);
    return Row(values.begin(), values.end());
  };
  if (config.vit().distillation_token) tokens.insert(tokens.begin(), row("dist_token"));
  tokens.insert(tokens.begin(), row("cls_token"));
  const auto position = weights.f32("pos_embed");
  const std::size_t dim = tokens.front().size();
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    for (std::size_t c = 0; c < dim; ++c) tokens[t][c] += position[t * dim + c];
  }
  for (std::int64_t i = 0; i < config.stages()[0].depth; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    Rows normed;
    for (const Row& x : tokens) normed.push_back(norm(weights, block + ".norm1", x, config.eps, block + ".attn.qkv"));
    const Rows mixed = attention(weights, block + ".attn", normed, config.stages()[0].heads,
                                 [](std::size_t, std::size_t, std::size_t) { return 0.0; });
    for (std::size_t t = 0; t < tokens.size(); ++t) add(tokens[t], mixed[t]);
    mlp(weights, block, tokens, config.eps);
  }
  Row logits = linear(weights, "head", norm(weights, "norm", tokens[0], config.eps));
  if (config.vit().distillation_token) {
    add(logits, linear(weights, "head_dist", norm(weights, "norm", tokens[1], config.eps)));
    for (double& logit : logits) logit /= 2;
  }
  return logits;
}

// The bias of Swin V2 between two tokens so far apart, of head h.
double continuous_bias_of(const Weights& weights, const std::string& attention, std::int64_t dy, std::int64_t dx,
                          std::int64_t reach, std::size_t h) {
  const auto in = weights.f32(attention + ".cpb_mlp.0.weight");
  const auto in_bias = weights.f32(attention + ".cpb_mlp.0.bias");
  const auto out = weights.f32(attention + ".cpb_mlp.2.weight");
  const auto coordinate = [&](std::int64_t offset) {
    const double x = 8.0 * static_cast<double>(offset) / static_cast<double>(reach - 1);
    return std::copysign(std::log2(1 + std::fabs(x)) / std::log2(8.0), x);
  };
  const double y = coordinate(dy);
  const double x = coordinate(dx);
  double sum = 0;
  for (std::size_t j = 0; j < in_bias.size(); ++j) {
    const double hidden = in[2 * j] * y + in[2 * j + 1] * x + in_bias[j];
    sum += out[h * in_bias.size() + j] * std::max(hidden, 0.0);
  }
  return 16 / (1 + std::exp(-sum));
}

// What a Swin adds to scores of head h between tokens (dy, dx) apart, by offset: made once for a block.
std::vector<double> swin_bias(const ModelConfig& config, const Weights& weights, const std::string& block,
                              std::size_t stage, std::int64_t window) {
  const SwinConfig& body = config.swin();
  const std::string attention = block + ".attn";
  const std::int64_t heads = body.stages[stage].heads;
  std::vector<double> bias;
  for (std::int64_t entry = 0; entry < (2 * window - 1) * (2 * window - 1); ++entry) {
    for (std::int64_t h = 0; h < heads; ++h) {
      if (body.is_v2()) {
        const std::int64_t trained = body.trained_windows.empty() ? 0 : body.trained_windows[stage];
        bias.push_back(continuous_bias_of(weights, attention, entry / (2 * window - 1) - window + 1,
                                          entry % (2 * window - 1) - window + 1, trained > 0 ? trained : window, h));
      } else {
        bias.push_back(weights.f32(attention + ".relative_position_bias_table")[entry * heads + h]);
      }
    }
  }
  return bias;
}

// One block of Swin on a grid x grid picture of tokens. Shifted windows by the definition: token (y, x) belongs to the
// window of ((y - shift) mod grid, (x - shift) mod grid), and sees there only tokens it did not wrap around to.
void swin_block(const ModelConfig& config, const Weights& weights, const std::string& block, std::size_t stage,
                Rows& tokens, std::int64_t grid, std::int64_t shift) {
  const std::int64_t window = config.swin().window_of(grid);
  const std::int64_t heads = config.swin().stages[stage].heads;
  const bool norms_behind = config.swin().is_v2();
  const double eps = config.eps;
  Rows update(tokens.size());
  const std::vector<double> bias = swin_bias(config, weights, block, stage, window);
  for (std::int64_t w = 0; w < grid * grid / (window * window); ++w) {
    std::vector<std::int64_t> index;   // token in the picture
    std::vector<std::int64_t> region;  // whether its row, its column wrapped around
    for (std::int64_t t = 0; t < window * window; ++t) {
      const std::int64_t y = w / (grid / window) * window + t / window + shift;
      const std::int64_t x = w % (grid / window) * window + t % window + shift;
      index.push_back(y % grid * grid + x % grid);
      region.push_back(2 * (y / grid) + x / grid);
    }
    Rows normed;
    for (const std::int64_t i : index) {
      normed.push_back(norms_behind ? tokens[i] : norm(weights, block + ".norm1", tokens[i], eps, block + ".attn.qkv"));
    }
    const Rows mixed =
        attention(weights, block + ".attn", normed, heads, [&](std::size_t h, std::size_t i, std::size_t j) {
          const auto dy = static_cast<std::int64_t>(i) / window - static_cast<std::int64_t>(j) / window;
          const auto dx = static_cast<std::int64_t>(i) % window - static_cast<std::int64_t>(j) % window;
          const std::int64_t entry = (dy + window - 1) * (2 * window - 1) + dx + window - 1;
          return bias[entry * heads + h] + (region[i] == region[j] ? 0.0 : -100.0);
        });
    for (std::size_t t = 0; t < index.size(); ++t) update[index[t]] = mixed[t];
  }
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    add(tokens[t], norms_behind ? norm(weights, block + ".norm1", update[t], eps) : update[t]);
  }
  mlp(weights, block, tokens, eps, norms_behind);
}

std::vector<double> swin(const ModelConfig& config, const Weights& weights, Rows tokens) {
  for (Row& x : tokens) x = norm(weights, "patch_embed.norm", x, config.eps);
  std::int64_t grid = config.grid().rows;
  for (std::size_t s = 0; s < config.stages().size(); ++s) {
    const std::string layer = "layers." + std::to_string(s);
    if (s > 0) {
      Rows merged;
      for (std::int64_t y = 0; y < grid; y += 2) {
        for (std::int64_t x = 0; x < grid; x += 2) {
          Row four;
          for (const auto& [dy, dx] : {std::pair{0, 0}, std::pair{1, 0}, std::pair{0, 1}, std::pair{1, 1}}) {
            const Row& one = tokens[(y + dy) * grid + x + dx];
            four.insert(four.end(), one.begin(), one.end());
          }
          const std::string reduction = layer + ".downsample.reduction";
          const auto normed = [&](const Row& row) {
            return norm(weights, layer + ".downsample.norm", row, config.eps, reduction);
          };
          merged.push_back(config.swin().is_v2() ? normed(linear(weights, reduction, four))
                                                 : linear(weights, reduction, normed(four)));
        }
      }
      tokens = merged;
      grid /= 2;
    }
    for (std::int64_t j = 0; j < config.stages()[s].depth; ++j) {
      const std::int64_t shift = j % 2 == 1 && grid > config.swin().window ? config.swin().window / 2 : 0;
      swin_block(config, weights, layer + ".blocks." + std::to_string(j), s, tokens, grid, shift);
    }
  }
  Row mean(tokens.front().size(), 0.0);
  for (const Row& x : tokens) add(mean, norm(weights, "norm", x, config.eps));
  for (double& v : mean) v /= static_cast<double>(tokens.size());
  return linear(weights, "head.fc", mean);
}

}  // namespace

std::vector<double> reference_logits(const ModelConfig& config, const Checkpoint& checkpoint,
                                     std::span<const float> image, int bits, Ties& ties) {
  ties.met = 0;
  const Weights weights(checkpoint, bits, ties);
  Rows tokens = patches(config, weights, image);
  return config.architecture() == Architecture::kVit ? vit(config, weights, std::move(tokens))
                                                     : swin(config, weights, std::move(tokens));
}

std::vector<double> reference_logits(const ModelConfig& config, const Checkpoint& checkpoint,
                                     std::span<const float> image) {
  Ties ties;
  return reference_logits(config, checkpoint, image, {}, ties);
}

}  // namespace vitq::test
