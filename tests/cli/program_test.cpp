// The program as a whole: what it prints where, and how it behaves when its surroundings are not as they should be.
#include <doctest/doctest.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "models/zoo.h"
#include "tests/cli/fixture.h"
#include "tests/shared_folder.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST_CASE("help and version") {
  const Workplace here;
  CHECK(here.accepts({"--version"}).starts_with("vitq "));
  const std::string help = here.accepts({"--help"});
  CHECK(help == here.accepts({"help"}));
  CHECK(help == here.accepts({"-h"}));
  for (const std::string command : {"run", "eval", "quantize", "bench", "convert", "pull", "seed", "info", "models"}) {
    CAPTURE(command);
    CHECK(help.find("\n  " + command + " ") != std::string::npos);
    const std::string own = here.accepts({"help", command});
    CHECK(own.find("usage: vitq " + command + " ") != std::string::npos);
    CHECK(own == here.accepts({command, "--help"}));
    CHECK(own == here.accepts({command, "--bogus", "--help"}));
  }
}

TEST_CASE("what follows -- is an operand, whatever it begins with") {
  const Workplace here;
  CHECK(here.accepts({"info", "--", here.model()}) == here.accepts({"info", here.model()}));
  here.refuses({"info", "--", "--json"}, 2, {"no model named --json"});
  here.refuses({"info", here.model(), "--", "--json"}, 2, {"unexpected argument --json"});
}

TEST_CASE("run prints ranks in order then times then what they hold for") {
  const Workplace here;
  const auto lines = lines_of(here.accepts({"run", "--model", here.model(), "--topk", "3", here.picture()}));
  REQUIRE(lines.size() == 6);
  CHECK(lines[0] == here.picture());
  for (std::size_t rank = 1; rank <= 3; ++rank) {
    CHECK(lines[rank].starts_with("   " + std::to_string(rank) + "  0."));
    CHECK(lines[rank].find("  class ") != std::string::npos);
  }
  CHECK(lines[4].find("decode ") != std::string::npos);
  CHECK(lines[4].find("preprocess ") != std::string::npos);
  CHECK(lines[4].find("model ") != std::string::npos);
  CHECK(lines[5].starts_with("model vit, fp32, "));
}

TEST_CASE("run as JSON has the documented keys and probabilities that add up") {
  const Workplace here;
  const std::string out = here.accepts({"run", "--model", here.model(), "--topk", "99", "--json", "--threads", "1",
                                        "--image", here.picture(), here.picture()});
  const auto lines = lines_of(out);
  REQUIRE(lines.size() == 2);
  for (const std::string& line : lines) {
    const json record = json::parse(line);
    for (const char* key :
         {"image", "model", "precision", "threads", "isa", "decode_ms", "preprocess_ms", "model_ms"}) {
      CHECK(record.contains(key));
    }
    CHECK(record["image"] == here.picture());
    CHECK(record["threads"] == 1);
    REQUIRE(record["top"].size() == 10);
    double total = 0;
    double previous = 1;
    for (std::size_t i = 0; i < 10; ++i) {
      const json& top = record["top"][i];
      CHECK(top["rank"] == i + 1);
      CHECK(top["name"] == "class " + std::to_string(top["index"].get<int>()));
      CHECK(top["probability"].get<double>() <= previous);
      previous = top["probability"];
      total += previous;
    }
    CHECK(total == doctest::Approx(1).epsilon(1e-4));
  }
}

TEST_CASE("a directory is read in order and one bad picture among many does not stop the rest") {
  const Workplace here;
  fs::create_directories(here.path("set/inner.jpg"));
  here.write("set/b.PPM", ppm(50, 50, 2));
  here.write("set/a.ppm", ppm(50, 50, 3));
  here.write("set/c.jpg", "no picture at all");
  here.write("set/.notes.txt", "not meant");
  for (const std::string batch : {"1", "2", "7"}) {
    CAPTURE(batch);
    const Outcome outcome =
        here.run({"run", "--model", here.model(), "--json", "--batch", batch, "--image", here("set"), here.picture()});
    CHECK(outcome.exit_code == 1);
    const auto errors = lines_of(outcome.err);
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].find("c.jpg") != std::string::npos);
    const auto lines = lines_of(outcome.out);
    REQUIRE(lines.size() == 3);
    CHECK(json::parse(lines[0])["image"] == here("set/a.ppm"));
    CHECK(json::parse(lines[1])["image"] == here("set/b.PPM"));
    CHECK(json::parse(lines[2])["image"] == here.picture());
  }
}

TEST_CASE("preprocessing can be overridden and the last of two values counts") {
  const Workplace here;
  const auto top = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"run", "--model", here.model(), "--json", "--topk", "10", here.picture()});
    return json::parse(here.accepts(more))["top"];
  };
  const json usual = top({});
  CHECK(usual == top({"--crop-pct", "0.9"}));
  CHECK(usual == top({"--resize", "35"}));  // floor(32 / 0.9)
  CHECK(usual == top({"--resize", "none", "--resize", "35"}));
  CHECK(usual == top({"--mean", "0.485,0.456,0.406", "--std=0.229,0.224,0.225"}));
  for (const std::vector<std::string>& change : {std::vector<std::string>{"--resize", "none"},
                                                 {"--crop-pct", "0.5"},
                                                 {"--mean", "0.5,0.5,0.5"},
                                                 {"--std", "0.5,0.5,0.5"}}) {
    CAPTURE(change[0]);
    CHECK(usual != top(change));
  }
}

TEST_CASE("standard output that is gone or full or closed") {
  const Workplace here;
  for (const std::vector<std::string>& args : {std::vector<std::string>{"models"},
                                               {"--help"},
                                               {"info"},
                                               {"info", here.model(), "--tensors"},
                                               {"run", "--model", here.model(), here.picture()}}) {
    CAPTURE(args[0]);
    const Outcome gone = here.run(args, {.out = Stdout::kBroken});
    CHECK(gone.exit_code == 0);
    CHECK(gone.err.empty());
    here.refuses(args, 1, {"standard output cannot be written", "No space left"}, {.out = Stdout::kFull});
    here.refuses(args, 1, {"standard output cannot be written"}, {.out = Stdout::kClosed});
  }
}

TEST_CASE("seed writes the same model every time and replaces it only when told") {
  const Workplace here;
  const std::string file = here("deit_t.safetensors");
  CHECK(here.accepts({"seed", "--model", "deit_t", "--out", file}).find("untrained") != std::string::npos);
  const auto picture = [&] {
    return json::parse(here.accepts({"run", "--model", file, "--json", here.picture()}))["top"];
  };
  const json first = picture();
  here.accepts({"seed", "--model", "deit_t", "--out", file, "--seed", "1", "--force"});
  CHECK(picture() != first);
  here.accepts({"seed", "--model", "deit_t", "--out", file, "--force"});
  CHECK(picture() == first);
  const std::string info = here.accepts({"info", file});
  for (const char* part : {"model           deit_t", "5717416", "F32", "metadata        seed = 0", "vit, 224 x 224"}) {
    CAPTURE(part);
    CHECK(info.find(part) != std::string::npos);
  }
  CHECK(info.find("tensor          ") == std::string::npos);
  CHECK(here.accepts({"info", file, "--tensors"}).find("blocks.0.attn.qkv.weight F32 [576, 192]") != std::string::npos);
}

TEST_CASE("info tells machine and files and escapes what a file says") {
  const Workplace here;
  const std::string machine = here.accepts({"info"});
  for (const char* part : {"vitq  ", "oneDNN  ", "ISA  ", "CPU  ", "threads  ", "int8  ", "bf16  "}) {
    CAPTURE(part);
    CHECK(machine.find(part) != std::string::npos);
  }
  std::string header =
      R"({"__metadata__":{"evil":"\u001b[31mred"},"t":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})";
  const std::string length{static_cast<char>(header.size()), 0, 0, 0, 0, 0, 0, 0};
  const std::string odd = here.accepts({"info", here.write("odd.safetensors", length + header + "12345678")});
  CHECK(odd.find("none that vitq knows") != std::string::npos);
  CHECK(odd.find("I64: 1 elements in 1 tensors") != std::string::npos);
  CHECK(odd.find('\x1b') == std::string::npos);
  CHECK(odd.find("\\x1b[31mred") != std::string::npos);
  here.refuses({"info", here.picture()}, 1, {"cat.ppm"});
  here.refuses({"info", here("missing.safetensors")}, 1, {"missing.safetensors", "no such file"});
}

TEST_CASE("models lists the zoo and which weights are here") {
  const Workplace here;
  fs::create_directory(here.path("home"));
  fs::copy_file(here.model(), here.path("home/deit_s.safetensors"));
  const auto lines = lines_of(here.accepts({"models", "--json"}));
  REQUIRE(lines.size() == zoo().size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const json row = json::parse(lines[i]);
    CHECK(row["name"] == zoo()[i].name);
    CHECK(row["published_top1"].is_null() == !zoo()[i].top1.has_value());
    if (zoo()[i].top1) CHECK(row["published_top1"].get<double>() == doctest::Approx(*zoo()[i].top1 / 100));
    CHECK(row["address"] == "https://huggingface.co/" + hub_path(zoo()[i]));
    CHECK(row["weights"].is_null() == (row["name"] != "deit_s"));
  }
  const std::string table = here.accepts({"models"});
  for (const ZooEntry& entry : zoo()) CHECK(table.find(std::string(entry.timm_tag)) != std::string::npos);
}

TEST_CASE("progress is drawn on a terminal only and leaves nothing behind") {
  const Workplace here;
  std::vector<std::string> args{"run", "--model", here.model(), "--image"};
  for (int i = 0; i < 20; ++i) args.push_back(here.picture());
  const Outcome outcome = here.run(args, {.err_is_terminal = true});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.err.find("/20 ") != std::string::npos);
  CHECK(outcome.err.find("/s ") != std::string::npos);
  CHECK(outcome.err.find(" left") != std::string::npos);
  CHECK(outcome.err.ends_with("\r\x1b[K"));
  CHECK(lines_of(outcome.out).size() == 20 * 7 + 1);
  here.accepts(args);  // not a terminal: nothing on standard error
}

TEST_CASE("golden: the cat of the issue comes first") {
  const auto shared = shared_folder();
  if (!shared) {
    std::cout << "SKIPPED: no shared folder with assets/deit_t.safetensors\n";
    return;
  }
  const Workplace here;
  const auto lines =
      lines_of(here.accepts({"run", "--quiet", "--model", (*shared / "assets/deit_t.safetensors").string(), "--image",
                             (*shared / "assets/photos/n02124075_Egyptian_cat.JPEG").string()}));
  REQUIRE(lines.size() == 8);
  CHECK(lines[1].ends_with("285  Egyptian cat"));
}

}  // namespace
}  // namespace vitq::test
