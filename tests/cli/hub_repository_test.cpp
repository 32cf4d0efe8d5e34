// Repositories of the hub by their ids: pulled, downloaded on first use, and never half there.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/cli/hub.h"
#include "tests/small_models.h"
#include "weights/checkpoint.h"
#include "weights/safetensors.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Names = std::vector<std::string>;

constexpr const char* kConfig = R"({"model_type": "vit", "architectures": ["ViTForImageClassification"],
  "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
  "layer_norm_eps": 1e-12, "id2label": {"0": "ant", "1": "bee", "2": "cat", "3": "dog", "4": "elk", "5": "fox",
  "6": "gnu", "7": "hen", "8": "ibis", "9": "jay"}})";
constexpr const char* kPreprocessor = R"({"image_processor_type": "ViTImageProcessor", "image_mean": [0.5, 0.5, 0.5],
  "image_std": [0.25, 0.5, 0.5], "resample": 2, "size": {"height": 32, "width": 32}})";
const std::string kId = "someone/small-vit";
const std::string kFolder = "hub/someone/small-vit";

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A hub with one repository, whose files can be changed between two runs.
struct RepositoryHub : Hub {
  RepositoryHub() : Hub("") {
    const std::string file = (*this)("weights.safetensors");
    save_checkpoint(file, Checkpoint::seeded(expected_tensors(small_vit(false)), 5), {});
    weights = content(file);
    repository.files = {{"README.md", "what a model card says"},
                        {"config.json", kConfig},
                        {"preprocessor_config.json", kPreprocessor},
                        {"model.safetensors", weights},
                        {"pytorch_model.bin", "the same for others"}};
    answer = [this](const HttpRequest& request) { return serve(request, repository); };
  }

  static std::string content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// Checks that a pull fails with one line that holds `words`, and that nothing takes the place of the model.
  void refuses_repository(const std::vector<std::string>& words, const std::string& id = kId) const {
    refuses({"pull", id, "--retries", "0"}, 1, words, setting());
    CHECK_FALSE(fs::exists(path("home") / kFolder));
    refuses({"run", "--offline", "--model", kId, picture()}, 1, {kId + ": there is no such file, and no copy"});
  }

  std::string pulled(const std::string& id = kId, const Names& more = {}) const {
    Names args{"pull", id, "--retries", "0"};
    args.insert(args.end(), more.begin(), more.end());
    return accepts(args, setting());
  }

  [[nodiscard]] json top(const std::string& model) const {
    return json::parse(accepts({"run", "--strict", "--model", model, "--json", "--topk", "10", picture()}))["top"];
  }

  Repository repository;
  std::string weights;
};

TEST_CASE("hub id: a repository is pulled whole, of one commit, and is a model by its name") {
  const RepositoryHub hub;
  const std::string out = hub.pulled();
  CHECK(contains(out, kId + ": "));
  CHECK(contains(out, ", SHA-256 as the server says\n"));
  CHECK(contains(out, "a model that vitq runs: "));
  CHECK(hub.home_files(kFolder) == Names{"config.json", "hub.json", "model.safetensors", "preprocessor_config.json"});
  CHECK(hub.home_files("hub/someone") == Names{"small-vit"});
  CHECK((hub.home_file(kFolder + "/model.safetensors") == hub.weights));
  const std::string resolve = '/' + kId + "/resolve/" + hub.repository.commit + '/';
  CHECK(hub.targets() == Names{"/api/models/" + kId + "/revision/main?blobs=true", resolve + "config.json",
                               resolve + "preprocessor_config.json", resolve + "model.safetensors",
                               "/storage/model.safetensors"});
  CHECK(hub.top(kId) == hub.top((hub.path("home") / kFolder).string()));
  CHECK(hub.top("hf://" + kId) == hub.top(kId));
  CHECK(contains(hub.accepts({"info", kId}), "vit, 32 x 32"));
  hub.accepts({"convert", kId, "--out", hub("made.safetensors")});
  hub.accepts({"embed", "--model", kId, "--images", hub.picture(), "--out", hub("made.npy")});
  hub.accepts({"bench", "--model", kId, "--precision", "fp32", "--iters", "1", "--warmup", "1"});
  CHECK(contains(hub.pulled(), kId + " is here: "));
  CHECK(hub.targets().size() == 5);  // nothing more was asked
}

TEST_CASE("hub id: what is not here is downloaded on first use, and never offline") {
  RepositoryHub hub;
  const Names run{"run", "--model", kId, hub.picture()};
  const std::string from = "http://" + hub.server().host() + '/' + kId;
  Setting setting = hub.setting();
  setting.environment["VITQ_OFFLINE"] = "1";
  hub.refuses(run, 1, {"no copy of it here: looked for ", kFolder, "`vitq pull " + kId + "` downloads it from " + from},
              setting);
  Names offline = run;
  offline.emplace_back("--offline");
  hub.refuses(offline, 1, {kId, "downloads it from " + from}, hub.setting());
  hub.refuses({"bench", "--model", kId}, 1, {kId, "`vitq pull"}, hub.setting());
  CHECK(hub.targets().empty());

  SUBCASE("a line where there is no terminal") {
    const Outcome outcome = hub.run(run, hub.setting());
    CHECK(outcome.exit_code == 0);
    CHECK(outcome.err == "vitq: " + kId + " is not here, downloading it from " + from + '\n');
    CHECK(hub.top(kId).size() == 10);
    CHECK(hub.accepts(run, hub.setting()) != "");  // a second time: not a word
  }
  SUBCASE("a bar on a terminal") {
    setting.environment["VITQ_OFFLINE"] = "0";
    setting.err_is_terminal = true;
    const Outcome outcome = hub.run(run, setting);
    CHECK(outcome.exit_code == 0);
    CHECK(contains(outcome.err, kId + "/model.safetensors ["));
  }
  SUBCASE("quietly") {
    Names quiet = run;
    quiet.emplace_back("--quiet");
    hub.accepts(quiet, hub.setting());
  }
  SUBCASE("by another command") {
    const Outcome outcome = hub.run({"convert", kId, "--out", hub("made.safetensors")}, hub.setting());
    CHECK(outcome.exit_code == 0);
    CHECK(fs::exists(hub.path("made.safetensors")));
  }
}

TEST_CASE("hub id: a name of the zoo is downloaded on first use as well, unless something here is called so") {
  Hub hub;
  const Names run{"run", "--model", "deit_t", hub.picture()};
  hub.refuses(run, 1, {"no weights for deit_t", "downloads them from https://huggingface.co/timm/deit_tiny_"});
  const Outcome outcome = hub.run(run, hub.setting());
  CHECK(outcome.exit_code == 0);
  CHECK(
      contains(outcome.err, "vitq: deit_t is not here, downloading it from http://" + hub.server().host() + "/timm/"));
  CHECK(hub.targets().size() == 1);
  CHECK(hub.home_files() == Names{"deit_t.safetensors"});
}

TEST_CASE("hub id: each revision has a folder") {
  const RepositoryHub hub;
  CHECK(contains(hub.pulled(kId + "@v1.0"), kId + "@v1.0: "));
  CHECK(hub.targets().front() == "/api/models/" + kId + "/revision/v1.0?blobs=true");
  CHECK(hub.home_files("hub/someone") == Names{"small-vit@v1.0"});
  CHECK(hub.top(kId + "@v1.0").size() == 10);
  hub.refuses({"run", "--model", kId, hub.picture()}, 1, {"no copy of it here"});
}

TEST_CASE("hub id: several parts are pulled as their index names them") {
  RepositoryHub hub;
  const SafetensorsFile whole(hub.path("weights.safetensors"));
  const auto& tensors = whole.tensors();
  const auto half = tensors.begin() + std::ssize(tensors) / 2;
  const Names parts{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};
  write_safetensors(hub.path(parts[0]), {tensors.begin(), half}, {});
  write_safetensors(hub.path(parts[1]), {half, tensors.end()}, {});
  json map;
  for (auto tensor = tensors.begin(); tensor != tensors.end(); ++tensor)
    map[tensor->name] = parts[tensor < half ? 0 : 1];
  auto& files = hub.repository.files;
  files.erase("model.safetensors");
  files["model.safetensors.index.json"] = json({{"weight_map", map}}).dump();
  for (const std::string& part : parts) files[part] = RepositoryHub::content(hub.path(part));
  SUBCASE("all there") {
    CHECK(contains(hub.pulled(), "SHA-256 as the server says"));
    CHECK(hub.home_files(kFolder) == Names{"config.json", "hub.json", parts[0], parts[1],
                                           "model.safetensors.index.json", "preprocessor_config.json"});
    CHECK(hub.top(kId).size() == 10);
  }
  SUBCASE("one is missing") {
    files.erase(parts[1]);
    hub.refuses_repository({kId, "has no file " + parts[1]});
  }
  SUBCASE("one lies elsewhere") {
    map.front() = "../../../evil.safetensors";
    files["model.safetensors.index.json"] = json({{"weight_map", map}}).dump();
    hub.refuses_repository({"has no file ../../../evil.safetensors"});
    CHECK(hub.home_files() == Names{"hub"});
  }
  SUBCASE("the index is none") {
    files["model.safetensors.index.json"] = "[]";
    hub.refuses_repository({"the index of its weights has no 'weight_map'"});
  }
}

TEST_CASE("hub id: what is cut goes on in the next run, file by file") {
  RepositoryHub hub;
  const std::size_t cut = hub.weights.size() / 2;
  hub.answer = [&](const HttpRequest& request) {
    HttpReply reply = serve(request, hub.repository);
    if (request.target == "/storage/model.safetensors") reply.sent = cut;
    return reply;
  };
  hub.refuses_repository({kId + "/model.safetensors cannot be downloaded", "the connection was cut", "are kept"});
  CHECK(hub.home_files("hub/someone") == Names{".small-vit.part"});
  const std::size_t asked = hub.targets().size();
  hub.answer = [&](const HttpRequest& request) { return serve(request, hub.repository); };
  SUBCASE("of the same commit") {
    CHECK(contains(hub.pulled(), "SHA-256 as the server says"));
    CHECK(hub.last_range() == "bytes=" + std::to_string(cut) + '-');
    CHECK(hub.targets().size() == asked + 3);  // the list, and the weights with a redirect
  }
  SUBCASE("of another: it starts over") {
    hub.repository.commit = std::string(40, 'c');
    hub.repository.files["config.json"] += ' ';
    CHECK(contains(hub.pulled(), "SHA-256 as the server says"));
    CHECK(hub.last_range().empty());
    CHECK(hub.home_file(kFolder + "/config.json").ends_with(' '));
  }
  CHECK(hub.home_files(kFolder).size() == 4);
  CHECK(hub.home_files("hub/someone") == Names{"small-vit"});
  CHECK((hub.home_file(kFolder + "/model.safetensors") == hub.weights));
}

TEST_CASE("hub id: what is not as the hub lists it is thrown away") {
  RepositoryHub hub;
  std::string sent = hub.weights;
  const auto serve_instead = [&](const HttpRequest& request) {
    HttpReply reply = serve(request, hub.repository);
    if (request.target.starts_with("/storage/")) reply = serve(request, sent);
    reply.fields.erase("X-Linked-Etag");
    reply.fields.erase("X-Linked-Size");
    return reply;
  };
  hub.answer = serve_instead;
  SUBCASE("another content") {
    sent[sent.size() - 3] ^= 1;
    hub.refuses_repository({"model.safetensors is not what the hub lists, and was thrown away: its SHA-256 is "});
  }
  SUBCASE("less") {
    sent.resize(sent.size() - 8);
    hub.refuses_repository({"was thrown away: it has ", "expected " + std::to_string(hub.weights.size())});
  }
  SUBCASE("more") {
    sent += "more";
    hub.refuses_repository({"model.safetensors cannot be downloaded", "the file has more than"});
  }
  sent = hub.weights;
  CHECK(contains(hub.pulled(), "SHA-256 as the server says"));
}

TEST_CASE("hub id: a hash that the server tells must be that of the list") {
  RepositoryHub hub;
  hub.answer = [&](const HttpRequest& request) {
    HttpReply reply = serve(request, hub.repository);
    if (reply.status == 302) reply.fields["X-Linked-Etag"] = '"' + std::string(64, '0') + '"';
    return reply;
  };
  hub.refuses_repository({"its SHA-256 is ", "expected " + std::string(64, '0')});
}

TEST_CASE("hub id: repositories that are not to be had, and lists that make no sense") {
  RepositoryHub hub;
  const auto answers = [&](const HttpReply& reply, const std::vector<std::string>& words) {
    hub.answer = [=](const HttpRequest&) { return reply; };
    hub.refuses_repository(words);
    CHECK(hub.home_files("hub").empty());
  };
  const std::string sha = R"({"sha": ")" + std::string(40, 'a') + '"';
  answers({.status = 404}, {kId + " cannot be downloaded from http://", "/api/models/" + kId, "404"});
  answers({.status = 401}, {"401: access is denied: it is not there, or for those who send a token"});
  answers({.body = "<html>"}, {kId + ": the hub's list of files is no JSON object"});
  answers({.body = "{}"}, {"for 'sha', expected a commit"});
  answers({.body = R"({"sha": "../../x"})"}, {"has ../../x for 'sha'"});
  answers({.body = sha + "}"}, {"has no files"});
  answers({.body = sha + R"(, "siblings": [{"rfilename": "config.json"}]})"}, {"tells no size"});
  answers({.body = sha + R"(, "siblings": [{"rfilename": "config.json", "size": -1}]})"}, {"tells no size"});
  answers({.body = sha + R"(, "siblings": [{"rfilename": "model.safetensors", "size": 1, "lfs": {"sha256": "x"}}]})"},
          {"has x for the SHA-256 of model.safetensors"});
}

TEST_CASE("hub id: nothing is asked for under a name that leads out of the folder, or without weights to read") {
  RepositoryHub hub;
  hub.repository.files.erase("model.safetensors");
  hub.repository.files.erase("pytorch_model.bin");
  hub.repository.files["../model.safetensors"] = hub.weights;
  hub.repository.files["onnx/model.safetensors"] = hub.weights;
  hub.repository.files[".model.safetensors"] = hub.weights;
  hub.refuses_repository({kId + ": has no weights that vitq reads, expected model.safetensors"});
  CHECK(hub.targets().size() == 1);
  for (const std::string id : {"../x", "a/..", "a/b/c", "a/.b", "a/b@../../c", "hf://a"}) {
    CAPTURE(id);
    hub.refuses({"pull", id}, 2, {"no model named " + id}, hub.setting());
  }
  hub.refuses({"pull", "deti_t"}, 2, {"no model named deti_t", "did you mean deit_t?"}, hub.setting());
  CHECK(hub.targets().size() == 1);
}

TEST_CASE("hub id: a file that is not here is no repository") {
  const RepositoryHub hub;
  fs::create_directory(hub.path("someone"));
  for (const std::string name : {"weights/model.safetensors", "./small-vit", "a/b/c"}) {
    hub.refuses({"run", "--model", name, hub.picture()}, 1, {name, "there is no such file"}, hub.setting());
  }
  CHECK(hub.targets().empty());
}

TEST_CASE("hub id: PyTorch's weights alone are pulled to be converted") {
  RepositoryHub hub;
  hub.repository.files.erase("model.safetensors");
  CHECK(contains(hub.pulled(), "vitq does not run it as it is: "));
  CHECK(hub.home_files(kFolder) == Names{"config.json", "hub.json", "preprocessor_config.json", "pytorch_model.bin"});
  hub.refuses({"run", "--model", kId, hub.picture()}, 1, {"pytorch_model.bin alone", "`vitq convert "});
}

TEST_CASE("hub id: --force replaces a copy, which stays where the new one does not come whole") {
  RepositoryHub hub;
  hub.pulled();
  hub.repository.commit = std::string(40, 'd');
  hub.repository.files["config.json"] += ' ';
  hub.answer = [&](const HttpRequest& request) {
    return request.target.starts_with("/storage/") ? HttpReply{.status = 500} : serve(request, hub.repository);
  };
  hub.refuses({"pull", kId, "--force", "--retries", "0"}, 1, {"500"}, hub.setting());
  CHECK(hub.top(kId).size() == 10);
  CHECK_FALSE(hub.home_file(kFolder + "/config.json").ends_with(' '));
  hub.answer = [&](const HttpRequest& request) { return serve(request, hub.repository); };
  hub.pulled(kId, {"--force"});
  CHECK(hub.home_file(kFolder + "/config.json").ends_with(' '));
  CHECK(hub.home_files("hub/someone") == Names{"small-vit"});
}

TEST_CASE("hub id: one pull at a time gathers a repository") {
  const RepositoryHub hub;
  const fs::path gathered = hub.path("home/hub/someone/.small-vit.part");
  fs::create_directories(gathered);
  const int fd = ::open(gathered.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  REQUIRE(::flock(fd, LOCK_EX | LOCK_NB) == 0);
  hub.refuses_repository({".small-vit.part: another `vitq pull` is at work in it"});
  ::close(fd);
  hub.pulled();
}

}  // namespace
}  // namespace vitq::test
