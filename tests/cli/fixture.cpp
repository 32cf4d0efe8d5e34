#include "tests/cli/fixture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <sstream>

#include "models/describe.h"
#include "tests/small_models.h"

namespace vitq::test {
namespace {

// What the program wrote to standard error but for what depends on the machine: the warning that integers run at seven
// bits, where they do, and that there are fewer cores than threads.
std::vector<std::string> messages_of(const Outcome& outcome, const Setting& setting) {
  std::vector<std::string> messages = lines_of(outcome.err);
  const bool is_narrow = int8_saturates() || setting.environment.contains("ONEDNN_MAX_CPU_ISA");
  if (is_narrow) std::erase(messages, "vitq: warning: this CPU has no VNNI: weights, k and v run at seven bits");
  std::erase_if(messages, [](const std::string& line) { return line.starts_with("vitq: warning: --threads "); });
  return messages;
}

}  // namespace

std::string ppm(int width, int height, std::uint64_t seed) {
  std::string bytes = "P6 " + std::to_string(width) + ' ' + std::to_string(height) + " 255\n";
  const std::vector<float> slope = random_floats(6, seed, 0, 4);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const float level = slope[2 * c] * static_cast<float>(x) + slope[2 * c + 1] * static_cast<float>(y);
        bytes += static_cast<char>(static_cast<int>(level) % 256);
      }
    }
  }
  return bytes;
}

std::map<std::string, std::string> small_metadata() {
  return {{"format", "vitq"},
          {"heads", "2"},
          {"image_size", "32"},
          {"eps", "1e-6"},
          {"mean", "0.485,0.456,0.406"},
          {"std", "0.229,0.224,0.225"},
          {"resize", "35"}};
}

Workplace::Workplace() {
  const ModelConfig config = small_vit(false);
  save_checkpoint(model(), Checkpoint::seeded(expected_tensors(config), 3), small_metadata());
  write("cat.ppm", ppm(60, 40, 1));
}

std::string Workplace::headless(const std::string& name, bool class_token, std::uint64_t seed) const {
  if (std::filesystem::exists(path(name))) return (*this)(name);
  ModelConfig config = small_vit(false);
  config.classes = 0;
  config.vit().class_token = class_token;
  if (!class_token) config.vit().pool = Pool::kMean;
  std::map<std::string, std::string> metadata = small_metadata();
  if (!class_token) metadata["pool"] = "avg";
  save_checkpoint(path(name), Checkpoint::seeded(expected_tensors(config), seed), metadata);
  return (*this)(name);
}

std::string Workplace::projecting() const {
  const std::string name = "projecting.safetensors";
  if (std::filesystem::exists(path(name))) return (*this)(name);
  ModelConfig config = small_vit(false);
  config.classes = 0;
  config.projection = 24;
  std::map<std::string, std::string> metadata = small_metadata();
  metadata["head"] = "projection";
  save_checkpoint(path(name), Checkpoint::seeded(expected_tensors(config), 5), metadata);
  return (*this)(name);
}

std::string Workplace::model_bytes() const {
  std::ifstream file(model(), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Workplace::calibration_pictures() const {
  constexpr int kPictures = 8;
  if (std::filesystem::create_directory(path("calib"))) {
    for (int i = 0; i < kPictures; ++i) write("calib/c" + std::to_string(i) + ".ppm", ppm(50, 40, 50U + i));
  }
  return (*this)("calib");
}

std::string Workplace::quantized(const std::string& name, const std::vector<std::string>& more) const {
  std::vector<std::string> args{"quantize", "--model",     model(),   "--images", calibration_pictures(),
                                "--out",    (*this)(name), "--count", "8"};
  args.insert(args.end(), more.begin(), more.end());
  accepts(args);
  return (*this)(name);
}

std::string Workplace::shortened(std::string text) const {
  const std::string prefix = folder_.path().string() + '/';
  for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
    text.erase(at, prefix.size());
  return text;
}

Outcome Workplace::run(const std::vector<std::string>& args, Setting setting) const {
  setting.environment.emplace("VITQ_HOME", (*this)("home"));
  setting.environment.emplace("VITQ_OFFLINE", "1");
  synchronise();
  Outcome outcome = run_vitq(args, setting);
  synchronise();
  return outcome;
}

void Workplace::refuses(const std::vector<std::string>& args, int exit_code, const std::vector<std::string>& words,
                        const Setting& setting) const {
  const Outcome outcome = run(args, setting);
  tell(args, outcome);
  std::string line = "vitq";
  for (const std::string& arg : args) line += ' ' + arg;
  CAPTURE(line);
  CAPTURE(outcome.err);
  CHECK_FALSE(outcome.timed_out);
  CHECK(outcome.signal == 0);
  CHECK(outcome.exit_code == exit_code);
  CHECK(outcome.out.empty());
  const std::vector<std::string> messages = messages_of(outcome, setting);
  REQUIRE_FALSE(messages.empty());
  CHECK(messages.front().starts_with("vitq: error: "));
  const bool has_usage = exit_code == 2 && messages.size() == 2 && messages.back().starts_with("usage: vitq ");
  CHECK((messages.size() == 1 || has_usage));
  CHECK(std::ranges::none_of(outcome.err, [](char c) { return c != '\n' && c >= 0 && c < ' '; }));
  for (const std::string& word : words) {
    CAPTURE(word);
    CHECK(messages.front().find(word) != std::string::npos);
  }
}

std::string Workplace::accepts(const std::vector<std::string>& args, const Setting& setting) const {
  const Outcome outcome = run(args, setting);
  std::string line = "vitq";
  for (const std::string& arg : args) line += ' ' + arg;
  CAPTURE(line);
  CAPTURE(outcome.err);
  CHECK(messages_of(outcome, setting).empty());
  CHECK(outcome.signal == 0);
  REQUIRE(outcome.exit_code == 0);
  return outcome.out;
}

void Workplace::tell(const std::vector<std::string>& args, const Outcome& outcome) const {
  const char* wish = std::getenv("VITQ_PRINT_TABLE");
  if (wish == nullptr || std::string(wish) != "1") return;
  std::string command = "vitq";
  for (const std::string& arg : args) command += arg.empty() ? " ''" : ' ' + arg;
  std::string message = lines_of(outcome.err).empty() ? "" : lines_of(outcome.err).front();
  const auto cell = [&](std::string text) {
    text = shortened(std::move(text));
    std::string safe;
    for (const char c : text) safe += c == '|' ? "\\|" : c >= 0 && c < ' ' ? "?" : std::string(1, c);
    return safe.size() > 400 ? safe.substr(0, 400) + "..." : safe;
  };
  std::cout << "| `" << cell(command) << "` | " << outcome.exit_code << " | " << cell(message) << " |\n";
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace vitq::test
