#include "models/words.h"

#include <charconv>
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

constexpr Word<PositionFilter> kFilters[] = {{"antialiased", PositionFilter::kAntialiased},
                                             {"plain", PositionFilter::kPlain}};

constexpr Word<ResizeMode> kResizeModes[] = {
    {"shortest", ResizeMode::kShortest}, {"squash", ResizeMode::kSquash}, {"border", ResizeMode::kBorder}};

constexpr Word<ResizeRounding> kRoundings[] = {{"bytes", ResizeRounding::kBytes}, {"float", ResizeRounding::kNone}};

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
std::string_view name_of(PositionFilter filter) { return word_of(kFilters, filter); }
std::string_view name_of(ResizeMode mode) { return word_of(kResizeModes, mode); }
std::string_view name_of(ResizeRounding rounding) { return word_of(kRoundings, rounding); }

std::optional<Activation> activation_named(std::string_view word) { return kind_of_word(kActivations, word); }
std::optional<Pool> pool_named(std::string_view word) { return kind_of_word(kPools, word); }
std::optional<Rope> rope_named(std::string_view word) { return kind_of_word(kRopes, word); }

std::optional<PositionFilter> position_filter_named(std::string_view word) { return kind_of_word(kFilters, word); }
std::optional<ResizeMode> resize_mode_named(std::string_view word) { return kind_of_word(kResizeModes, word); }

std::optional<ResizeRounding> resize_rounding_named(std::string_view word) { return kind_of_word(kRoundings, word); }

std::string to_string(PictureSize size) {
  const std::string height = std::to_string(size.height);
  return size.is_square() ? height : height + 'x' + std::to_string(size.width);
}

std::optional<PictureSize> size_named(std::string_view text) {
  const std::size_t cross = text.find('x');
  const auto side = [](std::string_view digits) -> std::optional<std::int64_t> {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
  };
  const auto height = side(text.substr(0, cross));
  const auto width = cross == std::string_view::npos ? height : side(text.substr(cross + 1));
  if (!height || !width) return std::nullopt;
  return PictureSize(*height, *width);
}

std::string activation_word(const std::string& word) {
  const auto activation = activation_named(word);
  return activation ? std::string(name_of(*activation)) : word;
}

std::string all_activations() { return listed(std::span(kActivations).first(kActivationKinds)); }
std::string all_pools() { return listed(std::span<const Word<Pool>>(kPools)); }
std::string all_position_filters() { return listed(std::span<const Word<PositionFilter>>(kFilters)); }
std::string all_resize_modes() { return listed(std::span<const Word<ResizeMode>>(kResizeModes)); }
std::string all_resize_roundings() { return listed(std::span<const Word<ResizeRounding>>(kRoundings)); }
std::string all_ropes() { return listed(std::span<const Word<Rope>>(kRopes)); }

}  // namespace vitq
