#include "tests/cli/hub.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "cli/sha256.h"
#include "models/describe.h"

namespace vitq::test {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> pull(const std::vector<std::string>& more) {
  std::vector<std::string> args{"pull", "deit_t"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

}  // namespace

std::string seeded_weights() {
  const TemporaryFolder folder;
  const auto path = folder.path() / "weights.safetensors";
  save_checkpoint(path, seeded_checkpoint("deit_t"), {});
  return read(path);
}

HttpReply serve(const HttpRequest& request, const std::string& bytes, const std::string& etag) {
  const auto range = request.fields.find("range");
  const auto condition = request.fields.find("if-range");
  const bool is_same = condition == request.fields.end() || condition->second == etag;
  if (range == request.fields.end() || !is_same) return {.fields = {{"ETag", etag}}, .body = bytes};
  const std::size_t begin = std::stoull(range->second.substr(std::string("bytes=").size()));
  const std::string total = std::to_string(bytes.size());
  if (begin >= bytes.size()) return {.status = 416, .fields = {{"Content-Range", "bytes */" + total}}};
  return {.status = 206,
          .fields = {{"ETag", etag},
                     {"Content-Range",
                      "bytes " + std::to_string(begin) + '-' + std::to_string(bytes.size() - 1) + '/' + total}},
          .body = bytes.substr(begin)};
}

std::map<std::string, std::string> linked(const std::string& bytes) {
  const std::string hash = sha256({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  return {{"X-Linked-Etag", '"' + hash + '"'}, {"X-Linked-Size", std::to_string(bytes.size())}};
}

Setting Hub::setting(const std::string& address) const {
  const std::string hub = address.empty() ? "http://" + server_.host() : address;
  return {.environment = {{"VITQ_HUB", hub}, {"no_proxy", "*"}, {"NO_PROXY", "*"}}};
}

std::vector<std::string> Hub::home_files() const {
  std::vector<std::string> names;
  if (!std::filesystem::exists(path("home"))) return names;
  for (const auto& entry : std::filesystem::directory_iterator(path("home"))) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

std::string Hub::home_file(const std::string& name) const { return read(path("home") / name); }

void Hub::refuses_pull(const std::vector<std::string>& words, const std::vector<std::string>& more,
                       const std::string& address) const {
  refuses(pull(more), 1, words, setting(address));
  CHECK_FALSE(std::filesystem::exists(path("home/deit_t.safetensors")));
}

std::string Hub::accepts_pull(const std::vector<std::string>& more) const {
  std::string out = accepts(pull(more), setting());
  CHECK(home_files() == std::vector<std::string>{"deit_t.safetensors"});
  CHECK((home_file("deit_t.safetensors") == bytes));  // in brackets: too long to print
  return out;
}

std::string Hub::last_range() const {
  const auto requests = server_.requests();
  REQUIRE_FALSE(requests.empty());
  const auto found = requests.back().fields.find("range");
  return found == requests.back().fields.end() ? "" : found->second;
}

}  // namespace vitq::test
