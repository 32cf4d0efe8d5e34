// Checkpoints as people have them, turned into files that run.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "models/describe.h"
#include "tests/cli/fixture.h"
#include "tests/small_models.h"
#include "tests/torch_file.h"
#include "weights/safetensors.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using pickled::call;
using pickled::dict;
using pickled::global;
using pickled::tensor;
using pickled::text;
using pickled::tuple;
using pickled::whole;

std::string fixture(const std::string& name) { return (fs::path(VITQ_FIXTURES) / name).string(); }

/// A checkpoint of PyTorch's with these weights, wrapped as DeiT's recipe wraps it, beside a command that nobody obeys.
std::string torch_file_of(const Checkpoint& checkpoint) {
  std::vector<std::string> items;
  std::vector<std::string> storages;
  for (const std::string& name : checkpoint.names()) {
    const auto values = checkpoint.f32(name);
    const Shape& shape = checkpoint.shape(name);
    Shape stride(shape.size(), 1);
    for (std::size_t axis = shape.size(); axis > 1; --axis) stride[axis - 2] = stride[axis - 1] * shape[axis - 1];
    items.push_back(text(name));
    items.push_back(tensor(
        {.storage = std::to_string(storages.size()), .elements = std::ssize(values), .size = shape, .stride = stride}));
    storages.push_back(floats({values.begin(), values.end()}));
  }
  return torch_file(whole(dict({text("model"), dict(items), text("epoch"), "K\x03", text("args"),
                                call(global("os", "system"), tuple({text("touch hacked")}))})),
                    storages);
}

TEST_CASE("convert: a PyTorch checkpoint answers as the model that it was made from") {
  const Workplace here;
  ModelConfig config = small_vit(false);
  config.vit().blocks.heads = 1;  // what a width of 64 implies where nobody says it
  const Checkpoint weights = Checkpoint::seeded(expected_tensors(config), 5);
  save_checkpoint(here.path("whole.safetensors"), weights, {});
  here.write("whole.pth", torch_file_of(weights));
  const std::string out = here.accepts({"convert", "--quiet", here("whole.pth"), "--out", here("made.safetensors")});
  CHECK(lines_of(here.shortened(out)).front() == "made.safetensors: vit, " + std::to_string(parameter_count(config)) +
                                                     " parameters, 10 classes, float32, from whole.pth");
  CHECK(out.find("\n  heads 1 (assumed)\n") != std::string::npos);
  CHECK_FALSE(fs::exists("hacked"));
  const auto top = [&](const std::string& model) {
    return json::parse(
        here.accepts({"run", "--quiet", "--model", here(model), "--json", "--topk", "10", here.picture()}))["top"];
  };
  CHECK(top("made.safetensors") == top("whole.safetensors"));
  const SafetensorsFile made(here.path("made.safetensors"));
  CHECK(made.metadata().at("source") == "whole.pth");
  CHECK(made.metadata().at("heads") == "1");
  CHECK(made.tensors().size() == expected_tensors(config).size());
}

TEST_CASE("convert: official Swin and distilled DeiT as torch.save wrote them run") {
  const Workplace here;
  here.accepts({"convert", "--quiet", fixture("swin.pth"), "--out", here("swin.safetensors")});
  CHECK(
      here.accepts({"run", "--quiet", "--model", here("swin.safetensors"), here.picture()}).find("model swin, fp32") !=
      std::string::npos);
  here.accepts({"convert", "--quiet", "--out", here("distilled.safetensors"), fixture("distilled.pth")});
  const std::string info = here.accepts({"info", here("distilled.safetensors"), "--tensors"});
  CHECK(info.find("head_dist.weight F32 [10, 64]") != std::string::npos);
  here.accepts({"run", "--quiet", "--model", here("distilled.safetensors"), here.picture()});
}

TEST_CASE("convert: a safetensors file keeps what it says of itself") {
  const Workplace here;
  here.accepts({"convert", "--quiet", here.model(), "--out", here("made.safetensors")});
  const SafetensorsFile made(here.path("made.safetensors"));
  CHECK(made.metadata().at("heads") == "2");
  CHECK(made.metadata().at("format") == "vitq");
  CHECK(made.metadata().at("source") == "small.safetensors");
  const auto answer = [&](const std::string& model) {
    return json::parse(here.accepts({"run", "--model", model, "--json", here.picture()}))["top"];
  };
  CHECK(answer(here.model()) == answer(here("made.safetensors")));
  here.refuses({"convert", here.model(), "--out", here("made.safetensors")}, 1, {"exists already", "--force"});
  here.accepts({"convert", "--quiet", here.model(), "--out", here("made.safetensors"), "--force"});
  here.accepts({"convert", "--quiet", here("made.safetensors"), "--out", here("made.safetensors"), "--force"});
  here.accepts({"info", here("made.safetensors")});
}

TEST_CASE("convert: command lines that make no sense") {
  const Workplace here;
  const std::string out = here("x.safetensors");
  here.refuses({"convert"}, 2, {"a file is missing"});
  here.refuses({"convert", here.model()}, 2, {"--out is missing"});
  here.refuses({"convert", here.model(), here.model(), "--out", out}, 2, {"unexpected argument"});
  here.refuses({"convert", here.model(), "--out", out, "--model", "diet_t"}, 2, {"did you mean deit_t?"});
  here.refuses({"convert", here.model(), "--ouT", out}, 2, {"unknown option --ouT", "did you mean --out?"});
  here.refuses({"convret"}, 2, {"did you mean convert?"});
}

TEST_CASE("convert: files that are not what they should be leave nothing behind") {
  const Workplace here;
  const std::string out = here("x.safetensors");
  const auto refuses = [&](const std::string& in, const std::vector<std::string>& words,
                           const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{"convert", in, "--out", out};
    args.insert(args.end(), more.begin(), more.end());
    here.refuses(args, 1, words);
    CHECK_FALSE(fs::exists(out));
  };
  refuses(here("missing.pth"), {"missing.pth", "no such file"});
  refuses(here(""), {"is a folder without weights, expected model.safetensors in it"});
  refuses("/dev/zero", {"not a regular file"});
  refuses(here.picture(), {"cat.ppm"});
  refuses(here.write("evil.pth", torch_file(whole(call(global("os", "system"), tuple({text("touch hacked")}))), {})),
          {"evil.pth", "an object made by os.system", "nothing of the file was run"});
  CHECK_FALSE(fs::exists("hacked"));
  refuses(here.write("escape.pth", torch_file(whole(global("\x1b[31m", "x")), {})), {"\\x1b[31m"});
  refuses(fixture("legacy.pth"), {"legacy.pth", "before 1.6", "python3 -c"});
  refuses(fixture("types.pth"), {"no tensor patch_embed.proj.weight", "timm"});
  refuses(fixture("types.pth"), {"has no dict ema", "model_ema"}, {"--key", "ema"});
  refuses(here.write("none.pth", torch_file(whole("}"), {})), {"none.pth", "holds no tensors"});
  refuses(here.write("net.pth", torch_file(whole(dict({text("net"), dict({text("w"), tensor()})})), {})),
          {"net.pth", "holds no tensors", "some in net", "--key NAME"});
  refuses(fixture("swin.pth"), {"swin.pth", "expected", "[96, 3, 4, 4], found [4, 3, 4, 4]"}, {"--model", "swin_t"});
  refuses(here.model(), {"is no PyTorch file", "--key"}, {"--key", "model"});
  refuses(here.quantized("int.safetensors"), {"is quantized already"});
  here.refuses({"convert", fixture("swin.pth"), "--out", here("nowhere/x.safetensors")}, 1, {"nowhere", "mkdir"});
  here.refuses({"run", "--model", fixture("swin.pth"), here.picture()}, 1, {"swin.pth", "vitq convert"});
  here.refuses({"info", fixture("swin.pth")}, 1, {"swin.pth", "vitq convert"});
}

TEST_CASE("convert: progress is drawn on a terminal only and leaves nothing behind") {
  const Workplace here;
  const Outcome outcome =
      here.run({"convert", "--quiet", fixture("swin.pth"), "--out", here("x.safetensors")}, {.err_is_terminal = true});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.err.find("convert [") != std::string::npos);
  CHECK(outcome.err.ends_with("\r\x1b[K"));
}

}  // namespace
}  // namespace vitq::test
