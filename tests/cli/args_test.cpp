// The command line, word by word: what is taken for what, and that no character of a word means more than itself.
#include "cli/args.h"

#include <doctest/doctest.h>

namespace vitq::test {
namespace {

using Words = std::vector<std::string>;

/// A command with one option of each kind.
struct Parsed {
  bool is_to_run = false;
  bool flag = false;
  std::string option;
  Words list;
  Words operands;

  explicit Parsed(const Words& args) {
    ArgumentParser parser("try", "[OPTIONS]", "For a test.");
    parser.flag("--flag", flag, "");
    parser.option("--option", "TEXT", "", text(option));
    parser.list("--list", "TEXT ...", "", list);
    parser.operands(operands, 3);
    is_to_run = parser.parse(args);
  }
};

TEST_CASE("a word is taken as it stands whatever characters it is made of") {
  for (const std::string name :
       {"[x.jpg]", "[a,b]",     "a,b.jpg", "a=b.jpg", "a b.jpg", "'a.jpg'", "\"a.jpg\"", "{}",
        "%s",      "new\nline", "tab\t",   "*",       "?",       "\\",      "$HOME",     "`a`",
        "~",       "#",         "a;b",     "<a>",     "(a)",     "@a",      "\xff\xfe",  "\x1b[31m",
        "",        "-",         "[",       "]",       "[]",      "/x",      "a:b"}) {
    CAPTURE(name);
    CHECK(Parsed({name}).operands == Words{name});
    CHECK(Parsed({"--list", name, name}).list == Words{name, name});
    CHECK(Parsed({"--", name, "--flag"}).operands == Words{name, "--flag"});
    if (name.empty()) continue;
    CHECK(Parsed({"--option", name}).option == name);
    CHECK(Parsed({"--option=" + name}).option == name);
    CHECK(Parsed({"--list=" + name}).list == Words{name});
  }
}

TEST_CASE("options, lists and operands are told apart") {
  const Parsed mixed({"a", "--list", "b", "c", "--flag", "d", "--option=x=y", "--list=e", "f", "--option", "-1"});
  CHECK(mixed.is_to_run);
  CHECK(mixed.flag);
  CHECK(mixed.option == "-1");
  CHECK(mixed.list == Words{"b", "c", "e", "f"});
  CHECK(mixed.operands == Words{"a", "d"});
  const Parsed ended({"--list", "a", "--", "--flag", "--", "-h"});
  CHECK_FALSE(ended.flag);
  CHECK(ended.list == Words{"a"});
  CHECK(ended.operands == Words{"--flag", "--", "-h"});
  CHECK(Parsed({"--list", "-a.jpg"}).list == Words{"-a.jpg"});
  CHECK(Parsed({"--option=--flag"}).option == "--flag");
  CHECK(Parsed({"--flag", "--flag"}).flag);
  CHECK_THROWS_WITH_AS(Parsed({"--option", "--"}), "--option: a value is missing, expected TEXT", UsageError);
  CHECK_THROWS_WITH_AS(Parsed({"--list"}), "--list: a value is missing, expected TEXT ...", UsageError);
  CHECK_THROWS_WITH_AS(Parsed({"a", "b", "--", "c", "-d"}), "unexpected argument -d", UsageError);
  CHECK_THROWS_WITH_AS(Parsed({"--fla"}), "unknown option --fla; did you mean --flag?", UsageError);
}

}  // namespace
}  // namespace vitq::test
