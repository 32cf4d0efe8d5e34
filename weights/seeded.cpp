#include "weights/seeded.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "weights/printable.h"

namespace vitq {
namespace {

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  return hash;
}

/// dst[i] = offset + scale * v(i), in double, rounded once.
void fill(std::string_view name, std::uint64_t seed, double offset, double scale, std::span<float> dst) {
  std::uint64_t state = fnv1a(name) ^ seed;
  for (float& value : dst) {
    state += 0x9E3779B97F4A7C15;
    std::uint64_t z = state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    z ^= z >> 31;
    // v = 2u - 1 with u = (z >> 40) * 2^-24: every step is exact in double, so two of them are made one.
    const double v = static_cast<double>(static_cast<std::int64_t>(z >> 40)) * 0x1p-23 - 1.0;
    value = static_cast<float>(offset + scale * v);
  }
}

std::int64_t fan_in(const Shape& shape) {
  return shape.empty() ? 1 : element_count(Shape(shape.begin() + 1, shape.end()));
}

constexpr std::string_view kTokens[] = {"cls_token",          "dist_token",      "pos_embed",
                                        "reg_token",          "mask_token",      "register_tokens",
                                        "distillation_token", "class_embedding", "positional_embedding",
                                        "position_embeddings"};
constexpr std::string_view kQueries[] = {"latent", "probe"};
constexpr std::string_view kLayerScales[] = {"gamma", "gamma_1", "gamma_2", "lambda1", "lambda_1", "lambda_2"};

}  // namespace

void fill_seeded(std::string_view name, const Shape& shape, std::uint64_t seed, std::span<float> dst) {
  check(static_cast<std::int64_t>(dst.size()) == element_count(shape), "seeded tensor ", printable(name), " ",
        to_string(shape), ": asked to fill ", dst.size(), " elements");
  const std::string_view last = name.substr(name.rfind('.') + 1);  // npos + 1 == 0: the whole name
  const auto is_one_of = [&](std::span<const std::string_view> words) {
    return std::ranges::find(words, last) != words.end();
  };
  if (name.ends_with("relative_position_bias_table")) {
    fill(name, seed, 0, 1, dst);
  } else if (is_one_of(kTokens) || name.ends_with("position_embedding.weight")) {
    fill(name, seed, 0, 0.5, dst);
  } else if (is_one_of(kQueries)) {
    fill(name, seed, 0, 2, dst);
  } else if (last == "logit_scale") {
    fill(name, seed, 2.5, 2.5, dst);
  } else if (is_one_of(kLayerScales)) {
    fill(name, seed, 0.4, 0.3, dst);
  } else if (last == "bias" || last.ends_with("_bias")) {
    fill(name, seed, 0, 0.1, dst);
  } else if (shape.size() == 1) {
    fill(name, seed, 1, 0.2, dst);
  } else {
    fill(name, seed, 0, std::sqrt(3.0 / static_cast<double>(fan_in(shape))), dst);
  }
}

void fill_seeded_input(std::uint64_t seed, std::span<float> dst) { fill("input", seed, 0, 2, dst); }

}  // namespace vitq
