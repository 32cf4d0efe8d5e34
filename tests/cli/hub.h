#pragma once
// A hub of the test's own: `vitq pull deit_t` turns to it.

#include <functional>
#include <string>
#include <vector>

#include "tests/cli/fixture.h"
#include "tests/cli/http_server.h"

namespace vitq::test {

/// A safetensors file of seeded weights of deit_t, 23 MB.
std::string seeded_weights();

/// The whole of `bytes`, or the rest that `request` asks for with Range, if If-Range agrees.
HttpReply serve(const HttpRequest& request, const std::string& bytes, const std::string& etag = "\"v1\"");

/// The fields by which the Hugging Face hub tells what is in a file.
std::map<std::string, std::string> linked(const std::string& bytes);

class Hub : public Workplace {
 public:
  using Answer = std::function<HttpReply(const HttpRequest&)>;

  /// Answers whatever `answer` says; the default serves `bytes`.
  explicit Hub(std::string content = seeded_weights())
      : bytes(std::move(content)), answer([this](const HttpRequest& request) { return serve(request, bytes); }) {}

  std::string bytes;
  Answer answer;  ///< to be changed between two runs only

  [[nodiscard]] const HttpServer& server() const { return server_; }
  /// For run(), accepts(), refuses(): $VITQ_HUB is `address`, by default this hub.
  [[nodiscard]] Setting setting(const std::string& address = "") const;
  /// The names of the files in the folder of models, sorted.
  [[nodiscard]] std::vector<std::string> home_files() const;
  /// The content of one of them.
  [[nodiscard]] std::string home_file(const std::string& name) const;
  /// Checks that `vitq pull deit_t` with `more` fails with one line that holds `words`, and that no weights come of it.
  void refuses_pull(const std::vector<std::string>& words, const std::vector<std::string>& more = {"--retries", "0"},
                    const std::string& address = "") const;
  /// Checks that `vitq pull deit_t` with `more` ends well, with exactly `bytes` in place and nothing beside them.
  std::string accepts_pull(const std::vector<std::string>& more = {"--retries", "0"}) const;
  /// Range of the last question; empty: it asked for the whole.
  [[nodiscard]] std::string last_range() const;

 private:
  void synchronise() const override { server_.synchronise(); }

  HttpServer server_{[this](const HttpRequest& request) { return answer(request); }};
};

}  // namespace vitq::test
