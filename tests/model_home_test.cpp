// Where models are looked for by name, whatever the environment says.

#include "models/model_home.h"

#include <doctest/doctest.h>

#include <map>

using namespace vitq;

namespace {

/// Of these variables, where the system's list of users has `listed`.
std::string home_of(const std::map<std::string, std::string>& variables, const std::string& listed = "/list") {
  const auto variable = [&](const char* name) {
    const auto found = variables.find(name);
    return found != variables.end() ? found->second : std::string();
  };
  const auto home = find_model_home(variable, [&] { return listed; });
  return home ? home->string() : "none";
}

}  // namespace

TEST_CASE("the home of models is never a relative folder") {
  CHECK(home_of({{"VITQ_HOME", "/v"}, {"XDG_CACHE_HOME", "/x"}, {"HOME", "/h"}}) == "/v");
  CHECK(home_of({{"VITQ_HOME", ""}, {"XDG_CACHE_HOME", "/x"}, {"HOME", "/h"}}) == "/x/vitq");
  CHECK(home_of({{"XDG_CACHE_HOME", ""}, {"HOME", "/h"}}) == "/h/.cache/vitq");
  CHECK(home_of({{"XDG_CACHE_HOME", "x"}, {"HOME", "/h"}}) == "/h/.cache/vitq");
  CHECK(home_of({{"XDG_CACHE_HOME", "~/x"}, {"HOME", "/h"}}) == "/h/.cache/vitq");
  CHECK(home_of({{"HOME", ""}}) == "/list/.cache/vitq");
  CHECK(home_of({{"HOME", "h"}}) == "/list/.cache/vitq");
  CHECK(home_of({{"HOME", "."}}) == "/list/.cache/vitq");
  CHECK(home_of({}) == "/list/.cache/vitq");
  CHECK(home_of({}, "") == "none");
  CHECK(home_of({{"HOME", "h"}}, "home/me") == "none");
  CHECK(home_of({{"VITQ_HOME", "models"}}) == (std::filesystem::current_path() / "models").string());
}

TEST_CASE("where there is no home, what needs one says VITQ_HOME") {
  CHECK(find_model_home([](const char*) { return std::string(); }, [] { return std::string(); }) == std::nullopt);
  CHECK_FALSE(model_home_text().empty());
}
