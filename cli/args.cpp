#include "cli/args.h"

#include <algorithm>
#include <sstream>

#include "cli/output.h"
#include "cli/spelling.h"
#include "weights/printable.h"

namespace vitq {
namespace {

bool is_help(const std::string& arg) { return arg == "--help" || arg == "-h"; }

/// The option in "--name" or "--name=value".
std::string name_in(const std::string& arg) { return arg.substr(0, arg.find('=')); }

constexpr std::string_view kEndOfOptions = "--";

/// A word that belongs to no option, or is one more value of a list. A lone - is one.
bool is_operand(const std::string& arg) { return arg.size() < 2 || arg[0] != '-'; }

/// Whether `arg` cannot be the value of the option before it. -1 can.
bool is_no_value(const std::string& arg) { return arg.starts_with(kEndOfOptions); }

}  // namespace

ArgumentParser::ArgumentParser(std::string command, std::string usage, std::string about)
    : command_(std::move(command)), usage_(std::move(usage)), about_(std::move(about)) {}

void ArgumentParser::flag(const std::string& name, bool& target, const std::string& help) {
  options_.push_back({.name = name, .value = "", .help = help, .reader = {}, .flag = &target});
}

void ArgumentParser::option(const std::string& name, const std::string& value, const std::string& help, Reader reader) {
  options_.push_back({.name = name, .value = value, .help = help, .reader = std::move(reader)});
}

void ArgumentParser::option_with_default(const std::string& name, const std::string& value, const std::string& fallback,
                                         const std::string& help, Reader reader) {
  option(name, value, help, std::move(reader));
  options_.back().fallback = fallback;
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
  const auto shown_value = [](const Option& option) {
    return option.fallback.empty() ? option.value : '[' + option.value + ']';
  };
  for (const Option& option : options_) width = std::max(width, option.name.size() + 1 + shown_value(option).size());
  std::string text = about_ + "\n\n" + usage() + "\n\noptions:\n";
  const auto row = [&](std::string left, const std::string& right) {
    left.resize(std::max(left.size(), width), ' ');
    text += "  " + left + "  ";
    for (const char c : right) text += c == '\n' ? '\n' + std::string(width + 4, ' ') : std::string(1, c);
    text += '\n';
  };
  for (const Option& option : options_) row(option.name + ' ' + shown_value(option), option.help);
  row("--help", "show this and exit");
  return text;
}

const ArgumentParser::Option* ArgumentParser::find(std::string_view name) const {
  const auto found = std::ranges::find(options_, name, &Option::name);
  return found != options_.end() ? &*found : nullptr;
}

std::size_t ArgumentParser::take_option(const std::vector<std::string>& args, std::size_t at) const {
  const std::string& word = args[at++];
  const Option* option = find(name_in(word));
  if (option == nullptr) refuse_unknown(word);
  const bool has_equals = word != option->name;
  if (option->flag != nullptr) {
    if (has_equals) fail(option->name + " takes no value, found " + printable(word));
    *option->flag = true;
    return at;
  }
  const bool has_value =
      has_equals ? word.size() > option->name.size() + 1 : at < args.size() && !is_no_value(args[at]);
  if (!has_equals && !has_value && !option->fallback.empty()) {
    take_value(*option, option->fallback);
    return at;
  }
  if (!has_value) fail(option->name + ": a value is missing, expected " + option->value);
  take_value(*option, has_equals ? word.substr(option->name.size() + 1) : args[at++]);
  const bool may_have_more = option->list != nullptr;
  while (may_have_more && at < args.size() && is_operand(args[at])) take_value(*option, args[at++]);
  return at;
}

void ArgumentParser::take_value(const Option& option, const std::string& text) {
  if (option.list != nullptr) {
    option.list->push_back(text);
    return;
  }
  const std::string expected = option.reader(text);
  if (!expected.empty()) throw UsageError(option.name + ": expected " + expected + ", found " + printable(text));
}

void ArgumentParser::take_operands(std::vector<std::string> words) const {
  const std::size_t most = operands_ != nullptr ? most_operands_ : 0;
  if (words.size() > most) fail("unexpected argument " + printable(words[most]));
  if (operands_ != nullptr) *operands_ = std::move(words);
}

void ArgumentParser::refuse_unknown(const std::string& arg) const {
  std::vector<std::string> names{"--help"};
  for (const Option& option : options_) names.push_back(option.name);
  const std::string name = name_in(arg);
  fail("unknown option " + printable(name) + suggestion(name, names));
}

bool ArgumentParser::parse(const std::vector<std::string>& args) const {
  const auto end = std::ranges::find(args, kEndOfOptions);
  if (std::any_of(args.begin(), end, is_help)) {
    print(help());
    return false;
  }
  std::vector<std::string> operands;
  std::size_t at = 0;
  while (at < args.size() && args[at] != kEndOfOptions) {
    if (is_operand(args[at])) {
      operands.push_back(args[at++]);
    } else {
      at = take_option(args, at);
    }
  }
  if (at < args.size()) operands.insert(operands.end(), end + 1, args.end());
  take_operands(std::move(operands));
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

Reader whole_number_or(std::string word, int& target) {
  return [word = std::move(word), &target](const std::string& text) -> std::string {
    if (text == word) {
      target = 0;
      return "";
    }
    const std::string expected = whole_number(target, 1)(text);
    return expected.empty() ? "" : word + " or a whole number from 1";
  };
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
