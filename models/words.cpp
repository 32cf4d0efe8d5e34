#include "models/words.h"

#include <span>
#include <utility>

namespace vitq {

namespace {

template <class Kind>
using Word = std::pair<std::string_view, Kind>;

// The first word of a kind is its name.
constexpr Word<Activation> kActivations[] = {
    {"gelu", Activation::kGelu},           {"quick_gelu", Activation::kQuickGelu},
    {"gelu_tanh", Activation::kTanhGelu},  {"silu", Activation::kSilu},
    {"quickgelu", Activation::kQuickGelu}, {"gelu_pytorch_tanh", Activation::kTanhGelu},
    {"gelu_new", Activation::kTanhGelu},   {"swish", Activation::kSilu}};
constexpr std::size_t kActivationKinds = 4;

constexpr Word<Pool> kPools[] = {{"token", Pool::kClassToken},
                                 {"avg", Pool::kMean},
                                 {"avgmax", Pool::kMeanAndMost},
                                 {"token+avg", Pool::kClassAndMean},
                                 {"map", Pool::kAttention}};

constexpr Word<Rope> kRopes[] = {{"none", Rope::kNone}, {"dinov3", Rope::kDinoV3}, {"eva02", Rope::kEva02}};

template <class Kind, std::size_t kCount>
std::string_view word_of(const Word<Kind> (&words)[kCount], Kind kind) {
  for (const auto& [word, meant] : words) {
    if (meant == kind) return word;
  }
  return {};
}

template <class Kind, std::size_t kCount>
std::optional<Kind> kind_of_word(const Word<Kind> (&words)[kCount], std::string_view wanted) {
  for (const auto& [word, kind] : words) {
    if (word == wanted) return kind;
  }
  return std::nullopt;
}

template <class Kind>
std::string listed(std::span<const Word<Kind>> words) {
  std::string list;
  for (std::size_t i = 0; i < words.size(); ++i) {
    list += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + std::string(words[i].first);
  }
  return list;
}

}  // namespace

std::string_view name_of(Activation activation) { return word_of(kActivations, activation); }
std::string_view name_of(Pool pool) { return word_of(kPools, pool == Pool::kTwoTokens ? Pool::kClassToken : pool); }
std::string_view name_of(Rope rope) { return word_of(kRopes, rope); }

std::optional<Activation> activation_named(std::string_view word) { return kind_of_word(kActivations, word); }
std::optional<Pool> pool_named(std::string_view word) { return kind_of_word(kPools, word); }
std::optional<Rope> rope_named(std::string_view word) { return kind_of_word(kRopes, word); }

std::string activation_word(const std::string& word) {
  const auto activation = activation_named(word);
  return activation ? std::string(name_of(*activation)) : word;
}

std::string all_activations() { return listed(std::span(kActivations).first(kActivationKinds)); }
std::string all_pools() { return listed(std::span<const Word<Pool>>(kPools)); }
std::string all_ropes() { return listed(std::span<const Word<Rope>>(kRopes)); }

}  // namespace vitq
