#include "tests/cli/hub.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/sha256.h"
#include "models/describe.h"

namespace vitq::test {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_in_lfs(const std::string& name) { return name.ends_with(".safetensors") || name.ends_with(".bin"); }

std::string hash_of(const std::string& bytes) {
  return sha256({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
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
  return {{"X-Linked-Etag", '"' + hash_of(bytes) + '"'}, {"X-Linked-Size", std::to_string(bytes.size())}};
}

std::string Repository::listing() const {
  nlohmann::json answer{{"id", id}, {"sha", commit}, {"siblings", nlohmann::json::array()}};
  for (const auto& [name, content] : files) {
    nlohmann::json file{{"rfilename", name}, {"size", content.size()}, {"blobId", std::string(40, 'b')}};
    if (is_in_lfs(name)) file["lfs"] = {{"sha256", hash_of(content)}, {"size", content.size()}, {"pointerSize", 134}};
    answer["siblings"].push_back(file);
  }
  return answer.dump();
}

HttpReply serve(const HttpRequest& request, const Repository& repository) {
  if (request.target.starts_with("/api/models/" + repository.id + "/revision/")) {
    return {.body = repository.listing()};
  }
  const std::string resolve = '/' + repository.id + "/resolve/" + repository.commit + '/';
  const std::string storage = "/storage/";
  const bool is_stored = request.target.starts_with(storage);
  if (!is_stored && !request.target.starts_with(resolve)) return {.status = 404, .body = "no such thing"};
  const std::string name = request.target.substr(is_stored ? storage.size() : resolve.size());
  const auto file = repository.files.find(name);
  if (file == repository.files.end()) return {.status = 404, .body = "no such file"};
  if (is_stored || !is_in_lfs(name)) return serve(request, file->second, '"' + hash_of(file->second) + '"');
  HttpReply reply{.status = 302, .fields = linked(file->second), .body = "elsewhere"};
  reply.fields["Location"] = storage + name;
  return reply;
}

Setting Hub::setting(const std::string& address) const {
  const std::string hub = address.empty() ? "http://" + server_.host() : address;
  return {.environment = {{"VITQ_HUB", hub}, {"VITQ_OFFLINE", ""}, {"no_proxy", "*"}, {"NO_PROXY", "*"}}};
}

std::vector<std::string> Hub::home_files(const std::string& folder) const {
  std::vector<std::string> names;
  if (!std::filesystem::exists(path("home") / folder)) return names;
  for (const auto& entry : std::filesystem::directory_iterator(path("home") / folder)) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> Hub::targets() const {
  std::vector<std::string> all;
  for (const HttpRequest& request : server_.requests()) all.push_back(request.target);
  return all;
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
