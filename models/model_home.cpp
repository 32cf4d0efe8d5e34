#include "models/model_home.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "engine/error.h"

namespace vitq {

namespace fs = std::filesystem;

namespace {

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string home_in_list() {
  constexpr std::size_t kMostBytes = 1 << 16;
  std::vector<char> text(kMostBytes);
  passwd entry{};
  passwd* found = nullptr;
  const int status = ::getpwuid_r(::geteuid(), &entry, text.data(), text.size(), &found);
  return status == 0 && found != nullptr && found->pw_dir != nullptr ? found->pw_dir : "";
}

}  // namespace

std::optional<fs::path> find_model_home(const std::function<std::string(const char* name)>& variable,
                                        const std::function<std::string()>& listed_home) {
  if (const std::string own = variable("VITQ_HOME"); !own.empty()) return fs::absolute(own);
  if (const fs::path cache = variable("XDG_CACHE_HOME"); cache.is_absolute()) return cache / "vitq";
  fs::path home = variable("HOME");
  if (!home.is_absolute()) home = listed_home();
  return home.is_absolute() ? std::optional(home / ".cache" / "vitq") : std::nullopt;
}

std::optional<fs::path> find_model_home() { return find_model_home(environment_variable, home_in_list); }

fs::path model_home() {
  const std::optional<fs::path> home = find_model_home();
  check(
      home.has_value(), ErrorCode::kFile,
      "there is no folder for models: neither HOME nor the system's list of users names a home; set VITQ_HOME to one");
  return *home;
}

std::string model_home_text() {
  const std::optional<fs::path> home = find_model_home();
  return home ? home->string() : "nowhere: there is no home; VITQ_HOME names a folder";
}

}  // namespace vitq
