#pragma once
// What options, metadata and configurations call the kinds of parts, and what vitq computes of them.

#include <optional>
#include <string>
#include <string_view>

#include "engine/kernels/arguments.h"
#include "engine/layers/pool.h"
#include "models/config.h"

namespace vitq {

std::string_view name_of(Activation activation);
std::string_view name_of(Pool pool);  ///< kTwoTokens is "token", too: the distillation token says so itself
std::string_view name_of(Rope rope);
std::string_view name_of(PositionFilter filter);
std::string_view name_of(ResizeMode mode);
std::string_view name_of(ResizeRounding rounding);

/// The kind of that name; nothing where there is none. Activations have the names of other libraries, too.
std::optional<Activation> activation_named(std::string_view word);
std::optional<Pool> pool_named(std::string_view word);
std::optional<Rope> rope_named(std::string_view word);
std::optional<PositionFilter> position_filter_named(std::string_view word);
std::optional<ResizeMode> resize_mode_named(std::string_view word);
std::optional<ResizeRounding> resize_rounding_named(std::string_view word);

/// "224" for a square, else height and width: "224x336".
std::string to_string(PictureSize size);
std::optional<PictureSize> size_named(std::string_view text);

/// vitq's own word for an activation; one that is not known stays as it is, to be refused by name.
std::string activation_word(const std::string& word);

/// "gelu, quick_gelu or silu", for messages.
std::string all_activations();
std::string all_pools();
std::string all_ropes();
std::string all_position_filters();
std::string all_resize_modes();
std::string all_resize_roundings();

}  // namespace vitq
