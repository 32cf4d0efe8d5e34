#pragma once
// A hub of the test's own: `vitq pull deit_t` turns to it.

#include <functional>
#include <map>
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

/// A repository as the hub has it.
struct Repository {
  std::string id = "someone/small-vit";
  std::string commit = std::string(40, 'a');
  std::map<std::string, std::string> files{};

  /// The whole of what `/api/models/ID/revision/...?blobs=true` tells of it; *.safetensors and *.bin are in LFS.
  [[nodiscard]] std::string listing() const;
};

/// Answers of the hub that has `repository`: its listing, under every revision, and the files of its commit, those in
/// LFS after a redirect that tells their hash; else 404.
HttpReply serve(const HttpRequest& request, const Repository& repository);

class Hub : public Workplace {
 public:
  using Answer = std::function<HttpReply(const HttpRequest&)>;

  /// Answers whatever `answer` says; the default serves `bytes`.
  explicit Hub(std::string content = seeded_weights())
      : bytes(std::move(content)), answer([this](const HttpRequest& request) { return serve(request, bytes); }) {}

  std::string bytes;
  Answer answer;  ///< to be changed between two runs only

  [[nodiscard]] const HttpServer& server() const { return server_; }
  /// For run(), accepts(), refuses(): $VITQ_HUB is `address`, by default this hub, and may be turned to.
  [[nodiscard]] Setting setting(const std::string& address = "") const;
  /// The names of the files in the folder of models, or in `folder` there, sorted.
  [[nodiscard]] std::vector<std::string> home_files(const std::string& folder = "") const;
  /// What has been asked for so far.
  [[nodiscard]] std::vector<std::string> targets() const;
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
