#include <filesystem>
#include <iomanip>
#include <optional>
#include <sstream>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/record.h"
#include "models/model_home.h"
#include "models/words.h"
#include "models/zoo.h"

namespace vitq {
namespace {

constexpr double kMillion = 1e6;
constexpr double kBillion = 1e9;

/// Where the weights are; nothing where they are not here.
std::optional<std::filesystem::path> weights_of(const ZooEntry& entry) {
  const std::optional<std::filesystem::path> home = find_model_home();
  if (!home) return std::nullopt;
  std::filesystem::path file = *home / (std::string(entry.name) + ".safetensors");
  std::error_code ignored;
  return std::filesystem::exists(file, ignored) ? std::optional(std::move(file)) : std::nullopt;
}

std::string address_of(const ZooEntry& entry) { return std::string(kHub) + '/' + hub_path(entry); }

std::string top1_text(const ZooEntry& entry) {
  if (!entry.top1) return "-";
  std::ostringstream text;
  text << std::fixed << std::setprecision(2) << *entry.top1;
  return text.str();
}

std::string json() {
  std::string lines;
  for (const ZooEntry& entry : zoo()) {
    const auto weights = weights_of(entry);
    lines += to_json({{"name", entry.name},
                      {"parameters", parameter_count(entry.config)},
                      {"gmac", rounded(static_cast<double>(multiply_accumulates(entry.config)) / kBillion, 3)},
                      {"input", entry.config.image_size.height},
                      {"published_top1", entry.top1 ? Record(rounded(*entry.top1 / 100, 4)) : Record()},
                      {"tag", entry.timm_tag},
                      {"address", address_of(entry)},
                      {"weights", weights ? Record(weights->string()) : Record()}});
  }
  return lines;
}

std::string table() {
  std::ostringstream text;
  text << std::left << std::setw(18) << "name" << std::right << std::setw(10) << "params M" << std::setw(8) << "GMAC"
       << std::setw(7) << "input" << std::setw(8) << "top-1 %"
       << "  here  published weights (timm)\n"
       << std::fixed;
  for (const ZooEntry& entry : zoo()) {
    text << std::left << std::setw(18) << entry.name << std::right << std::setw(10) << std::setprecision(2)
         << static_cast<double>(parameter_count(entry.config)) / kMillion << std::setw(8)
         << static_cast<double>(multiply_accumulates(entry.config)) / kBillion << std::setw(7)
         << to_string(entry.config.image_size) << std::setw(8) << top1_text(entry) << "  "
         << (weights_of(entry) ? "yes " : "no  ") << "  " << entry.timm_tag << '\n';
  }
  text << "top-1: ImageNet-1k, as published for the float32 weights; -: none is known here. Weights, NAME.safetensors, "
          "are\n"
          "looked for in\n"
       << one_line(model_home_text())
       << ";\nwhat is not there is downloaded on first use, or by `vitq pull NAME`, from " << kHub
       << "/timm.\nAny other repository of the hub is named OWNER/NAME.\n";
  return text.str();
}

}  // namespace

int models_command(const Arguments& args) {
  bool as_json = false;
  ArgumentParser parser("models", "[--json]", "Lists the models that have a name, and whether their weights are here.");
  parser.flag("--json", as_json,
              "one object per line: name, parameters, gmac, input, published_top1, tag, address, weights");
  if (!parser.parse(args)) return 0;
  print(as_json ? json() : table());
  return 0;
}

}  // namespace vitq
