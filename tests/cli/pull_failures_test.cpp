// vitq pull, where it fails: one line that says what and where, and never anything in the place of the weights.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "tests/cli/hub.h"

namespace vitq::test {
namespace {

const std::string kPart = "deit_t.safetensors.part";

TEST_CASE("pull tells which file of which server is not to be had") {
  Hub hub("small");
  const std::string path = "/timm/deit_tiny_patch16_224.fb_in1k/resolve/main/model.safetensors";
  const auto answers = [&](int status, const std::vector<std::string>& words) {
    hub.answer = [=](const HttpRequest&) { return HttpReply{.status = status, .body = "<html>no weights</html>"}; };
    hub.refuses_pull(words);
    CHECK(hub.home_files().empty());
  };
  answers(404, {"deit_t cannot be downloaded from http://" + hub.server().host() + path, "404", "no such file"});
  answers(401, {"deit_t", path, "401: access is denied"});
  answers(403, {"deit_t", path, "403: access is denied"});
  answers(429, {"429: too many requests"});
  answers(500, {"500: it has failed"});
  answers(302, {"302, expected 200"});  // without a Location
  answers(206, {"another part than was asked for"});
  answers(204, {"204, expected 200"});
  CHECK(hub.server().requests().size() == 8);
}

TEST_CASE("pull follows no redirect for ever nor to another protocol") {
  Hub hub("small");
  std::string location = "/again";
  hub.answer = [&](const HttpRequest&) { return HttpReply{.status = 302, .fields = {{"Location", location}}}; };
  hub.refuses_pull({"more than 5 redirects"});
  CHECK(hub.server().requests().size() == 6);
  location = "file:///etc/passwd";
  hub.refuses_pull({"redirects to an address that is not http"});
  location = "ftp://" + hub.server().host() + "/x";
  hub.refuses_pull({"redirects to an address that is not http"});
  location = "http://user:secret@" + hub.server().host() + "/x";
  hub.refuses_pull({"redirects to an address with a user name"});
  CHECK(hub.home_files().empty());
}

TEST_CASE("pull tells that there is no server or none to be trusted") {
  const Hub hub("small");
  hub.refuses_pull({"http://no-such-host.invalid/timm/", "Could not resolve", "on the network?"}, {},
                   "http://no-such-host.invalid");
  hub.refuses_pull({"http://127.0.0.1:1/timm/", "connect"}, {}, "http://127.0.0.1:1");
  hub.refuses_pull({"no trusted connection (TLS)"}, {"--timeout", "5"}, "https://" + hub.server().host());
  for (const std::string address :
       {"huggingface.co", "ftp://127.0.0.1", "file:///tmp", "http://127.0.0.1/?x", "http://a\r\nb"}) {
    CAPTURE(address);
    hub.refuses_pull({"$VITQ_HUB", "expected http(s)://HOST"}, {}, address);
  }
  hub.refuses_pull({"$VITQ_HUB has a user name or a password"}, {}, "http://me:secret@127.0.0.1");
  CHECK(hub.home_files().empty());
  CHECK(hub.server().requests().empty());
}

TEST_CASE("pull does not wait for ever") {
  Hub hub(std::string(100'000, 'x'));
  hub.answer = [&](const HttpRequest& request) {
    HttpReply reply = serve(request, hub.bytes);
    reply.sent = 50'000;
    reply.stalls = true;
    return reply;
  };
  hub.refuses_pull({"nothing came for 1 s (--timeout)", "0.1 MB that came are kept"},
                   {"--timeout", "1", "--retries", "0"});
  CHECK(hub.home_file(kPart).size() == 50'000);
}

TEST_CASE("pull refuses a length that is a lie") {
  Hub hub(std::string(100'000, 'x'));
  HttpReply reply;
  hub.answer = [&](const HttpRequest& request) {
    return request.fields.contains("range") ? HttpReply{.status = 416} : reply;
  };
  reply = {.body = hub.bytes, .claimed_length = hub.bytes.size() + 100};
  hub.refuses_pull({"the connection was cut"});
  reply = {.fields = linked(hub.bytes), .body = hub.bytes, .claimed_length = hub.bytes.size() - 100};
  hub.refuses_pull({"sends 99900 bytes", "the file has 100000"});
  reply = {.fields = linked(hub.bytes), .body = hub.bytes + "more", .tells_length = false};
  hub.refuses_pull({"sends more than the 100000 bytes"});
  reply = {.body = hub.bytes, .claimed_length = std::uint64_t{1} << 40};
  hub.refuses_pull({"more than ", "which this model cannot need"});
  reply = {.body = ""};
  hub.refuses_pull({"is not deit_t", "thrown away"});
  CHECK(hub.home_files().empty());
}

TEST_CASE("pull refuses what never ends") {
  Hub hub("");
  hub.answer = [](const HttpRequest&) {
    HttpReply reply{.tells_length = false};
    reply.body.assign(120'000'000, 'x');
    return reply;
  };
  hub.refuses_pull({"more than 112.8 MB, which this model cannot need"});
  CHECK(hub.home_files().empty());
}

TEST_CASE("pull throws away what is not the model") {
  Hub hub;
  const std::string weights = hub.bytes;
  const auto refused = [&](const std::string& bytes, const std::map<std::string, std::string>& fields,
                           const std::vector<std::string>& words) {
    hub.answer = [&](const HttpRequest& request) {
      HttpReply reply = serve(request, bytes);
      reply.fields.insert(fields.begin(), fields.end());
      return reply;
    };
    hub.refuses_pull(words);
    CHECK(hub.home_files().empty());
  };
  std::string damaged = weights;
  damaged[damaged.size() / 2] ^= 1;
  refused(damaged, linked(weights), {"is not deit_t", "its SHA-256 is ", "expected "});
  refused(weights.substr(0, weights.size() - 4), {}, {"is not deit_t", "thrown away"});
  refused("<html>please log in</html>", {}, {"is not deit_t"});
  refused(hub.model_bytes(), {}, {"is not deit_t", "expected"});
}

TEST_CASE("only one pull works on a file") {
  const Hub hub;
  std::filesystem::create_directory(hub.path("home"));
  const int other = ::open(hub("home/" + kPart).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  REQUIRE(::flock(other, LOCK_EX) == 0);
  hub.refuses_pull({kPart, "another `vitq pull` is at work on it"});
  CHECK(hub.server().requests().empty());
  ::close(other);
  hub.accepts_pull();
}

TEST_CASE("pull names a folder that cannot be written and what is in the way") {
  const Hub hub("small");
  hub.write("home", "a file");
  hub.refuses_pull({"home", "cannot be made"});
  std::filesystem::remove(hub.path("home"));
  std::filesystem::create_directories(hub.path("home/" + kPart));
  hub.refuses_pull({kPart, "cannot be opened for writing"});
  std::filesystem::remove(hub.path("home/" + kPart));
  std::filesystem::create_symlink("/dev/null", hub.path("home/" + kPart));
  hub.refuses_pull({kPart, "cannot be opened for writing"});
  std::filesystem::remove(hub.path("home/" + kPart));
  std::filesystem::create_directory(hub.path("home/deit_t.safetensors"));
  hub.refuses({"pull", "deit_t"}, 1, {"deit_t.safetensors: is a directory"}, hub.setting());
  CHECK(hub.server().requests().empty());
}

TEST_CASE("pull into a read-only folder") {
  if (!can_drop_privilege()) {
    std::cout << "SKIPPED: file modes do not hold for this user\n";
    return;
  }
  const Hub hub("small");
  std::filesystem::create_directory(hub.path("home"));
  std::filesystem::permissions(hub.path("home"),
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  Setting setting = hub.setting();
  setting.without_privilege = true;
  hub.refuses({"pull", "deit_t"}, 1, {kPart, "Permission denied"}, setting);
  CHECK(hub.server().requests().empty());
}

TEST_CASE("pull onto a full disk keeps what fits") {
  const Hub hub;
  Setting setting = hub.setting();
  setting.program = "/bin/sh";
  // A limit on the size of files is as near to a full disk as an unprivileged test comes.
  hub.refuses({"-c", "ulimit -f 4096; exec \"$0\" pull deit_t", program()}, 1,
              {kPart, "cannot be written: File too large", "is kept"}, setting);
  const std::size_t kept = hub.home_file(kPart).size();
  CHECK(kept > 0);
  CHECK(kept < hub.bytes.size());
  hub.accepts_pull();
  CHECK(hub.last_range() == "bytes=" + std::to_string(kept) + '-');
}

TEST_CASE("a pull that is killed leaves a part and the next one goes on") {
  Hub hub;
  hub.answer = [&](const HttpRequest& request) {
    HttpReply reply = serve(request, hub.bytes);
    reply.sent = 3'000'000;
    reply.stalls = true;
    return reply;
  };
  Setting setting = hub.setting();
  setting.program = "/bin/sh";
  const std::string script =
      "\"$0\" pull deit_t & for i in $(seq 400); do "
      "[ \"$(stat -c %s \"$VITQ_HOME/" +
      kPart +
      "\" 2>/dev/null)\" = 3000000 ] && break; sleep 0.05; done; "
      "kill $! && wait $!";
  CHECK(hub.run({"-c", script, program()}, setting).exit_code == 128 + SIGTERM);
  CHECK(hub.home_files() == std::vector<std::string>{kPart, kPart + ".json"});
  hub.answer = [&](const HttpRequest& request) { return serve(request, hub.bytes); };
  hub.accepts_pull();
  CHECK(hub.last_range() == "bytes=3000000-");
}

}  // namespace
}  // namespace vitq::test
