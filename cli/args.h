#pragma once
// The command line of one subcommand: options are declared once, and parsing, `--help` and the messages about what is
// wrong follow from that. A word is taken as it stands, whatever characters it is made of.

#include <charconv>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace vitq {

/// The user asked for something that does not exist or makes no sense: exit code 2.
class UsageError : public std::runtime_error {
 public:
  /// `usage`: the line to show below the message; may be empty.
  explicit UsageError(const std::string& message, std::string usage = "")
      : std::runtime_error(message), usage_(std::move(usage)) {}
  [[nodiscard]] const std::string& usage() const { return usage_; }

 private:
  std::string usage_;
};

/// Takes the text of an option's value. Returns what was expected instead, or nothing where it was fine.
using Reader = std::function<std::string(const std::string& text)>;

class ArgumentParser {
 public:
  /// usage: what follows "vitq COMMAND " in the usage line. about: the first lines of the help.
  ArgumentParser(std::string command, std::string usage, std::string about);

  /// name: "--json".
  void flag(const std::string& name, bool& target, const std::string& help);
  /// An option with one value, `--name VALUE` or `--name=VALUE`, shown as `value`; given twice, the last counts.
  void option(const std::string& name, const std::string& value, const std::string& help, Reader reader);
  /// An option whose value may be left out, which then is `fallback`: at the end, or before another option.
  void option_with_default(const std::string& name, const std::string& value, const std::string& fallback,
                           const std::string& help, Reader reader);
  /// An option with one or more values, which may be repeated.
  void list(const std::string& name, const std::string& value, const std::string& help,
            std::vector<std::string>& target);
  /// Allows words that belong to no option, at most `most` of them. A lone `-` is one, and so is all that follows `--`.
  void operands(std::vector<std::string>& target, std::size_t most);

  /// Fills the targets. False: `--help` was asked for and printed, there is nothing more to do. Throws UsageError.
  bool parse(const std::vector<std::string>& args) const;

  /// "usage: vitq run ...".
  [[nodiscard]] std::string usage() const;
  /// Throws UsageError with `message` and the usage line.
  [[noreturn]] void fail(const std::string& message) const;

 private:
  struct Option {
    std::string name;
    std::string value;  ///< empty: a flag
    std::string help;
    Reader reader;
    bool* flag = nullptr;
    std::vector<std::string>* list = nullptr;
    std::string fallback = "";  ///< the value where it is left out; empty: it may not be
  };

  [[nodiscard]] std::string help() const;
  [[nodiscard]] const Option* find(std::string_view name) const;
  /// Takes the option args[at] with its values. Returns the place of the word behind them.
  std::size_t take_option(const std::vector<std::string>& args, std::size_t at) const;
  static void take_value(const Option& option, const std::string& text);
  void take_operands(std::vector<std::string> words) const;
  [[noreturn]] void refuse_unknown(const std::string& arg) const;

  std::string command_;
  std::string usage_;
  std::string about_;
  std::vector<Option> options_;
  std::vector<std::string>* operands_ = nullptr;
  std::size_t most_operands_ = 0;
};

/// The words between the commas of `text`.
std::vector<std::string> comma_separated(const std::string& text);

/// Reads any text that is not empty.
Reader text(std::string& target);
/// Reads one of `choices`.
Reader choice(std::string& target, std::vector<std::string> choices);
/// Reads a decimal number from `least` to `most`.
Reader number(std::optional<double>& target, double least, double most);

/// Reads decimal digits, a number from `least` to `most`.
template <class Integer>
Reader whole_number(Integer& target, Integer least, Integer most = std::numeric_limits<Integer>::max()) {
  return [&target, least, most](const std::string& text) -> std::string {
    Integer value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc{} && end == text.data() + text.size() && least <= value && value <= most) {
      target = value;
      return "";
    }
    return "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  };
}

/// Reads `word`, which is 0, or a whole number from 1 on.
Reader whole_number_or(std::string word, int& target);

/// The number that is all of `text`, or nothing; infinity and NaN do not count.
std::optional<double> parse_number(std::string_view text);

}  // namespace vitq
