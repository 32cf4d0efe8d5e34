// vitq pull, where it ends well: at once, after a redirect, after a cut, after a server that failed for a moment.
#include <doctest/doctest.h>

#include "cli/download.h"
#include "tests/cli/hub.h"

namespace vitq::test {
namespace {

using Names = std::vector<std::string>;

constexpr std::size_t kCut = 5'000'000;
const Names kUsual{"deit_t.safetensors"};
const Names kPart{"deit_t.safetensors.part", "deit_t.safetensors.part.json"};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Pulls from a server that breaks off after kCut bytes, so that a part is left.
void leave_part(Hub& hub, const std::map<std::string, std::string>& fields = {}) {
  hub.answer = [&](const HttpRequest& request) {
    HttpReply reply = serve(request, hub.bytes);
    reply.fields.insert(fields.begin(), fields.end());
    reply.sent = kCut;
    return reply;
  };
  hub.refuses_pull(
      {"deit_t cannot be downloaded from http://127.0.0.1:", "the connection was cut", "5.0 MB that came"});
  CHECK(hub.home_files() == kPart);
  CHECK((hub.home_file(kPart[0]) == hub.bytes.substr(0, kCut)));
}

TEST_CASE("weights that are not here are pulled to where their name is looked for") {
  Hub hub;
  hub.refuses({"run", "--model", "deit_t", hub.picture()}, 1, {"no weights for deit_t", "`vitq pull deit_t`"});
  const std::string out = hub.accepts_pull();
  CHECK(contains(out, hub("home/deit_t.safetensors")));
  CHECK(contains(out, "no SHA-256"));
  REQUIRE(hub.server().requests().size() == 1);
  const HttpRequest request = hub.server().requests()[0];
  CHECK(request.target == "/timm/deit_tiny_patch16_224.fb_in1k/resolve/main/model.safetensors");
  CHECK(request.fields.at("user-agent").starts_with("vitq/"));
  CHECK_FALSE(request.fields.contains("range"));
  CHECK_FALSE(request.fields.contains("authorization"));
  hub.accepts({"run", "--model", "deit_t", hub.picture()});

  // A second time: nothing is asked. With --force: asked and replaced.
  CHECK(contains(hub.accepts_pull(), "deit_t is here"));
  CHECK(hub.server().requests().size() == 1);
  hub.write("home/deit_t.safetensors", "something else");
  hub.accepts_pull({"--force"});
  CHECK(hub.server().requests().size() == 2);
}

TEST_CASE("a redirect is followed and the hash that came with it is checked") {
  Hub hub;
  hub.answer = [&](const HttpRequest& request) {
    if (request.target == "/elsewhere") return serve(request, hub.bytes, "\"another\"");
    HttpReply reply{.status = 302, .fields = linked(hub.bytes), .body = "moved"};
    reply.fields["Location"] = "/elsewhere";
    reply.fields["ETag"] = "\"of the redirect\"";
    return reply;
  };
  CHECK(contains(hub.accepts_pull(), "SHA-256 as the server says"));
  CHECK(hub.server().requests().size() == 2);
}

TEST_CASE("a download that was cut goes on in the same run") {
  Hub hub;
  int questions = 0;
  hub.answer = [&](const HttpRequest& request) {
    HttpReply reply = serve(request, hub.bytes);
    if (questions++ < 2) reply.sent = kCut;
    return reply;
  };
  const Outcome outcome = hub.run({"pull", "deit_t", "--retries", "2"}, hub.setting());
  CHECK(outcome.exit_code == 0);
  const auto lines = lines_of(outcome.err);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with("vitq: deit_t: the connection was cut"));
  CHECK(lines[0].ends_with("trying again"));
  CHECK(hub.home_files() == kUsual);
  CHECK((hub.home_file(kUsual[0]) == hub.bytes));
  CHECK(hub.last_range() == "bytes=" + std::to_string(2 * kCut) + '-');
  CHECK(hub.server().requests().back().fields.at("if-range") == "\"v1\"");
}

TEST_CASE("a download that was cut goes on in the next run") {
  Hub hub;
  leave_part(hub);
  hub.answer = [&](const HttpRequest& request) { return serve(request, hub.bytes); };
  hub.accepts_pull();
  CHECK(hub.last_range() == "bytes=5000000-");
}

TEST_CASE("without an ETag the hash tells that the rest belongs to the part") {
  Hub hub;
  const auto fields = linked(hub.bytes);
  const auto without_tag = [&](const HttpRequest& request) {
    HttpReply reply = serve(request, hub.bytes);
    reply.fields.erase("ETag");
    reply.fields.insert(fields.begin(), fields.end());
    return reply;
  };
  hub.answer = [&](const HttpRequest& request) {
    HttpReply reply = without_tag(request);
    reply.sent = kCut;
    return reply;
  };
  hub.refuses_pull({"the connection was cut", "are kept"});
  hub.answer = without_tag;
  CHECK(contains(hub.accepts_pull(), "SHA-256 as the server says"));
  CHECK(hub.last_range() == "bytes=5000000-");
  CHECK_FALSE(hub.server().requests().back().fields.contains("if-range"));
}

TEST_CASE("a file that has changed since it was cut starts over") {
  Hub hub;
  leave_part(hub);
  std::string changed = hub.bytes;
  changed[changed.size() - 3] ^= 1;
  hub.bytes = changed;
  SUBCASE("as If-Range makes the server do it") {
    hub.answer = [&](const HttpRequest& request) { return serve(request, hub.bytes, "\"v2\""); };
    hub.accepts_pull();
  }
  SUBCASE("where the server takes no notice of If-Range") {
    hub.answer = [&](HttpRequest request) {
      request.fields.erase("if-range");
      return serve(request, hub.bytes, "\"v2\"");
    };
    hub.accepts_pull();
    CHECK(hub.last_range().empty());
  }
}

TEST_CASE("a file whose hash has changed since it was cut starts over whatever its ETag says") {
  Hub hub;
  leave_part(hub, linked(hub.bytes));
  hub.bytes[hub.bytes.size() - 3] ^= 1;
  hub.answer = [&](const HttpRequest& request) {
    HttpReply reply = serve(request, hub.bytes);
    reply.fields.merge(linked(hub.bytes));
    return reply;
  };
  hub.accepts_pull();
  CHECK(hub.last_range().empty());
}

TEST_CASE("a server that knows no ranges and one that has no more to give make it start over") {
  Hub hub;
  leave_part(hub);
  SUBCASE("no ranges") {
    hub.answer = [&](HttpRequest request) {
      request.fields.erase("range");
      return serve(request, hub.bytes);
    };
  }
  SUBCASE("416") {
    hub.answer = [&](const HttpRequest& request) {
      return request.fields.contains("range") ? HttpReply{.status = 416} : serve(request, hub.bytes);
    };
  }
  hub.accepts_pull();
}

TEST_CASE("a part that nothing is known of is not gone on with") {
  Hub hub;
  std::filesystem::create_directory(hub.path("home"));
  hub.write("home/deit_t.safetensors.part", "whatever it is");
  SUBCASE("no word of its origin") {}
  SUBCASE("a word that makes no sense") { hub.write("home/deit_t.safetensors.part.json", "[\"{"); }
  SUBCASE("a word of the wrong kind") {
    hub.write("home/deit_t.safetensors.part.json", R"({"etag":7,"sha256":null,"total":-1})");
  }
  SUBCASE("more than the whole") { hub.write("home/deit_t.safetensors.part.json", R"({"etag":"\"v1\"","total":3})"); }
  SUBCASE("of another address") {
    hub.write("home/deit_t.safetensors.part.json", R"({"etag":"\"v1\"","address":"http://example.invalid"})");
  }
  hub.accepts_pull();
  CHECK(hub.last_range().empty());
}

TEST_CASE("a server that fails for a moment is asked again") {
  Hub hub;
  int questions = 0;
  hub.answer = [&](const HttpRequest& request) {
    return questions++ == 0 ? HttpReply{.status = 503, .body = "busy"} : serve(request, hub.bytes);
  };
  const Outcome outcome = hub.run({"pull", "deit_t", "--retries", "1"}, hub.setting());
  CHECK(outcome.exit_code == 0);
  CHECK(contains(outcome.err, "the server answers 503"));
  CHECK((hub.home_file(kUsual[0]) == hub.bytes));
}

TEST_CASE("a length that is not told is no failure and a bar is drawn on a terminal only") {
  Hub hub;
  hub.answer = [&](const HttpRequest& request) {
    HttpReply reply = serve(request, hub.bytes);
    reply.tells_length = false;
    return reply;
  };
  hub.accepts_pull();
  hub.answer = [&](const HttpRequest& request) { return serve(request, hub.bytes); };
  Setting setting = hub.setting();
  setting.err_is_terminal = true;
  const Outcome outcome = hub.run({"pull", "deit_t", "--force"}, setting);
  CHECK(outcome.exit_code == 0);
  CHECK(contains(outcome.err, "/22.9 MB "));
  CHECK(contains(outcome.err, " MB/s "));
  CHECK(contains(outcome.err, " left"));
  CHECK(outcome.err.ends_with("\r\x1b[K"));
}

TEST_CASE("an ETag of the hub is a SHA-256 or it is not") {
  const std::string digits(64, 'a');
  CHECK(sha256_of_etag('"' + digits + '"') == digits);
  CHECK(sha256_of_etag('"' + std::string(64, 'A') + '"') == digits);
  CHECK(sha256_of_etag(digits).empty());
  CHECK(sha256_of_etag("W/\"" + digits + '"').empty());
  CHECK(sha256_of_etag('"' + std::string(40, 'a') + '"').empty());
  CHECK(sha256_of_etag('"' + std::string(63, 'a') + "g\"").empty());
  CHECK(sha256_of_etag("").empty());
}

}  // namespace
}  // namespace vitq::test
