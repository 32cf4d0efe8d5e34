#pragma once
// The folder where models are looked for by name.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace vitq {

/// $VITQ_HOME; else vitq in $XDG_CACHE_HOME, where that is an absolute path, which alone its specification allows; else
/// .cache/vitq in $HOME, where that is one; else in the user's home of the system's list; else nothing. An empty
/// variable is none. Always absolute: a relative VITQ_HOME, which somebody means, is taken from the working directory.
std::optional<std::filesystem::path> find_model_home();

/// The same of other variables and of another list: `variable` gives a value, empty where there is none; `listed_home`
/// is the list's, empty where the user is not in it.
std::optional<std::filesystem::path> find_model_home(const std::function<std::string(const char* name)>& variable,
                                                     const std::function<std::string()>& listed_home);

/// find_model_home(). Throws Error (kFile), naming VITQ_HOME, where there is none.
std::filesystem::path model_home();

/// For people: model_home(), or that there is none.
std::string model_home_text();

}  // namespace vitq
