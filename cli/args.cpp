#include "cli/args.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <sstream>

#include "cli/output.h"
#include "cli/spelling.h"
#include "weights/printable.h"

namespace vitq {
namespace {

bool is_help(const std::string& arg) { return arg == "--help" || arg == "-h"; }

/// The option in "--name" or "--name=value".
std::string name_in(const std::string& arg) { return arg.substr(0, arg.find('=')); }

bool looks_like_option(const std::string& arg) { return arg.size() > 2 && arg.starts_with("--"); }

}  // namespace

ArgumentParser::ArgumentParser(std::string command, std::string usage, std::string about)
    : command_(std::move(command)), usage_(std::move(usage)), about_(std::move(about)) {}

void ArgumentParser::flag(const std::string& name, bool& target, const std::string& help) {
  options_.push_back({.name = name, .value = "", .help = help, .reader = {}, .flag = &target});
}

void ArgumentParser::option(const std::string& name, const std::string& value, const std::string& help, Reader reader) {
  options_.push_back({.name = name, .value = value, .help = help, .reader = std::move(reader)});
}

void ArgumentParser::list(const std::string& name, const std::string& value, const std::string& help,
                          std::vector<std::string>& target) {
  options_.push_back({.name = name, .value = value, .help = help, .reader = {}, .list = &target});
}

void ArgumentParser::operands(std::vector<std::string>& target, std::size_t most) {
  operands_ = &target;
  most_operands_ = most;
}

std::string ArgumentParser::usage() const { return "usage: vitq " + command_ + " " + usage_; }

void ArgumentParser::fail(const std::string& message) const { throw UsageError(message, usage()); }

std::string ArgumentParser::help() const {
  std::size_t width = 0;
  for (const Option& option : options_) width = std::max(width, option.name.size() + 1 + option.value.size());
  std::string text = about_ + "\n\n" + usage() + "\n\noptions:\n";
  const auto row = [&](std::string left, const std::string& right) {
    left.resize(std::max(left.size(), width), ' ');
    text += "  " + left + "  ";
    for (const char c : right) text += c == '\n' ? '\n' + std::string(width + 4, ' ') : std::string(1, c);
    text += '\n';
  };
  for (const Option& option : options_) row(option.name + ' ' + option.value, option.help);
  row("--help", "show this and exit");
  return text;
}

const ArgumentParser::Option* ArgumentParser::find(std::string_view name) const {
  const auto found = std::ranges::find(options_, name, &Option::name);
  return found != options_.end() ? &*found : nullptr;
}

// What CLI11 must not decide, for its versions differ: it would take the next option for a value, tells a missing one
// in its own words, and from 2.4 on takes a word such as --<ESC>[31m, which cannot be the name of an option, for an
// operand.
void ArgumentParser::check_options(const std::vector<std::string>& args) const {
  for (std::size_t i = 0; i < args.size() && args[i] != "--"; ++i) {
    if (args[i].size() < 2 || args[i][0] != '-') continue;  // an operand or one more value of a list
    const Option* option = find(name_in(args[i]));
    if (option == nullptr) refuse_unknown(args[i]);
    const bool has_equals = args[i] != option->name;
    if (option->flag != nullptr) {
      if (has_equals) fail(option->name + " takes no value, found " + printable(args[i]));
      continue;
    }
    const bool has_value = has_equals ? args[i].size() > option->name.size() + 1
                                      : i + 1 < args.size() && !looks_like_option(args[i + 1]) && args[i + 1] != "--";
    if (!has_value) fail(option->name + ": a value is missing, expected " + option->value);
    if (!has_equals) ++i;
  }
}

void ArgumentParser::refuse_unknown(const std::string& arg) const {
  std::vector<std::string> names{"--help"};
  for (const Option& option : options_) names.push_back(option.name);
  const std::string name = name_in(arg);
  fail("unknown option " + printable(name) + suggestion(name, names));
}

bool ArgumentParser::parse(const std::vector<std::string>& args) const {
  if (std::any_of(args.begin(), std::ranges::find(args, "--"), is_help)) {
    print(help());
    return false;
  }
  check_options(args);

  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  for (const Option& option : options_) {
    if (option.flag != nullptr) {
      app.add_flag(option.name, *option.flag)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    } else if (option.list != nullptr) {
      app.add_option(option.name, *option.list);
    } else {
      const auto read = [&option](const std::string& text) {
        const std::string expected = option.reader(text);
        if (!expected.empty()) {
          throw UsageError(option.name + ": expected " + expected + ", found " + printable(text));
        }
      };
      app.add_option_function<std::string>(option.name, read)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
  }
  if (operands_ != nullptr) app.add_option("operands", *operands_);
  const auto end = std::ranges::find(args, "--");
  try {
    // CLI11 wants them from the last to the first.
    app.parse(std::vector<std::string>(std::make_reverse_iterator(end), args.rend()));
  } catch (const CLI::ParseError& error) {
    fail(error.what());
  }
  std::vector<std::string> unexpected = app.remaining();
  std::vector<std::string>& operands = operands_ != nullptr ? *operands_ : unexpected;
  if (end != args.end()) operands.insert(operands.end(), end + 1, args.end());
  if (!unexpected.empty()) fail("unexpected argument " + printable(unexpected.front()));
  if (operands_ != nullptr && operands_->size() > most_operands_) {
    fail("unexpected argument " + printable((*operands_)[most_operands_]));
  }
  return true;
}

Reader text(std::string& target) {
  return [&target](const std::string& text) -> std::string {
    target = text;
    return text.empty() ? "some text" : "";
  };
}

std::vector<std::string> comma_separated(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

Reader choice(std::string& target, std::vector<std::string> choices) {
  return [&target, choices = std::move(choices)](const std::string& text) -> std::string {
    target = text;
    if (std::ranges::find(choices, text) != choices.end()) return "";
    std::string expected;
    for (const std::string& word : choices) expected += (expected.empty() ? "" : " or ") + word;
    return expected;
  };
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

Reader number(std::optional<double>& target, double least, double most) {
  return [&target, least, most](const std::string& text) -> std::string {
    target = parse_number(text);
    if (target && least <= *target && *target <= most) return "";
    std::ostringstream expected;
    expected << "a number from " << least << " to " << most;
    return expected.str();
  };
}

}  // namespace vitq
