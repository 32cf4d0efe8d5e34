// The pickle reader: data is read, names and calls of all kinds are only written down, and no byte stream does anything
// but be read or refused.

#include "weights/pickle.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "tests/torch_file.h"
#include "weights/pickle_opcodes.h"

namespace vitq::test {
namespace {

using pickled::call;
using pickled::dict;
using pickled::global;
using pickled::integer;
using pickled::integers;
using pickled::ordered_dict;
using pickled::text;
using pickled::tuple;
using pickled::whole;
using Kind = PickleNode::Kind;

Pickle read(std::string_view bytes) {
  return {{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, "f.pth"};
}

/// The message with which `bytes` are refused.
std::string refusal(std::string_view bytes) {
  try {
    read(bytes);
  } catch (const Error& error) {
    std::string message = error.what();
    CHECK(message.starts_with("f.pth: "));
    CHECK(message.find('\n') == std::string::npos);
    return message;
  }
  return "accepted";
}

void check_refused(std::string_view bytes, const std::string& words) {
  const std::string message = refusal(bytes);
  CAPTURE(message);
  CAPTURE(words);
  CHECK(message.find(words) != std::string::npos);
}

TEST_CASE("pickle: plain values") {
  using namespace std::string_literals;
  const auto integer_of = [](const std::string& body) {
    const Pickle pickle = read(whole(body));
    REQUIRE(pickle.root().kind == Kind::kInteger);
    return pickle.root().integer;
  };
  CHECK(integer_of("K\xff") == 255);
  CHECK(integer_of("M\x01\x02") == 513);
  CHECK(integer_of("J\xfe\xff\xff\xff") == -2);
  CHECK(integer_of("\x8a\x00"s) == 0);
  CHECK(integer_of("\x8a\x01\xff") == -1);
  CHECK(integer_of("\x8a\x02\x00\x80"s) == -32768);
  CHECK(integer_of(integer(INT64_MIN)) == INT64_MIN);
  const Pickle number = read(whole("G\x3f\xf8\0\0\0\0\0\0"s));
  CHECK(number.root().kind == Kind::kFloat);
  CHECK(number.root().number == 1.5);
  CHECK(read(whole("N")).root().kind == Kind::kNone);
  CHECK(read(whole("\x88")).root().integer == 1);
  CHECK(read(whole("\x89")).root().integer == 0);
  for (const std::string& body :
       {text("caf\xc3\xa9"), "\x8c\x05"s + "caf\xc3\xa9", "\x8d"s + raw<std::uint64_t>(5) + "caf\xc3\xa9"}) {
    CHECK(read(whole(body)).root().text == "caf\xc3\xa9");
  }
}

TEST_CASE("pickle: containers and calls are written down") {
  const Pickle pickle =
      read(whole("}q\x05(" + text("t") + "K\x01K\x02\x86" + text("l") + "](NNeNa" + text("again") + "h\x05" +
                 text("o") + ordered_dict() + text("k") + "K\x09s}b" + text("p") + text("id") + "Qu"));
  const PickleNode& root = pickle.root();
  REQUIRE(root.kind == Kind::kDict);
  REQUIRE(root.items.size() == 10);
  CHECK(root.items[0]->text == "t");
  CHECK(root.items[1]->kind == Kind::kTuple);
  REQUIRE(root.items[1]->items.size() == 2);
  CHECK(root.items[1]->items[0]->integer == 1);
  CHECK(root.items[3]->kind == Kind::kList);
  CHECK(root.items[3]->items.size() == 3);
  CHECK(root.items[5] == &root);
  const PickleNode& ordered = *root.items[7];
  CHECK(ordered.kind == Kind::kCall);
  REQUIRE(ordered.items.size() == 4);
  CHECK(ordered.items[0]->kind == Kind::kGlobal);
  CHECK(ordered.items[0]->text == "collections.OrderedDict");
  CHECK(ordered.items[1]->items.empty());
  CHECK(ordered.items[2]->text == "k");
  CHECK(ordered.items[3]->integer == 9);
  CHECK(root.items[9]->kind == Kind::kPersistent);
  CHECK(root.items[9]->items[0]->text == "id");
}

TEST_CASE("pickle: protocol 4 frames and memoizes") {
  const std::string body = "\x8c\x0b" + std::string("collections") + "\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94";
  const Pickle pickle = read("\x80\x04\x95" + raw<std::uint64_t>(body.size() + 1) + body + '.');
  CHECK(pickle.root().kind == Kind::kCall);
  CHECK(pickle.root().items[0]->text == "collections.OrderedDict");
}

TEST_CASE("pickle: a function of any name is written down and not called") {
  const std::string arguments = tuple({text("touch hacked")});
  for (const auto& [module, name] : std::vector<std::pair<std::string, std::string>>{
           {"os", "system"}, {"builtins", "eval"}, {"numpy._core.multiarray", "scalar"}, {"torch", "load"}}) {
    const Pickle pickle = read(whole(call(global(module, name), arguments)));
    REQUIRE(pickle.root().kind == Kind::kCall);
    CHECK(pickle.root().items[0]->text == text_of(module, '.', name));
    CHECK(pickle.root().items[1]->items[0]->text == "touch hacked");
  }
  CHECK_FALSE(std::filesystem::exists("hacked"));
  CHECK(read(whole(text("os") + text("system") + '\x93')).root().text == "os.system");
  check_refused(whole(global(std::string(255, 'a'), "b")), "(257 bytes), expected at most 256 bytes");
  check_refused(whole(global(std::string(100000, 'a'), "b")), "(100002 bytes)");
  check_refused(whole(global("\x1b[31m" + std::string(255, 'a'), "b")), "\\x1b[31m");
  check_refused(whole("cos"), "expected a line");
  check_refused(whole("NN\x93"), "STACK_GLOBAL without two strings");
}

TEST_CASE("pickle: a call is written down however it is made") {
  const std::string f = global("m", "f");
  const auto call_of = [](const std::string& body) {
    Pickle pickle = read(whole(body));
    REQUIRE(pickle.root().kind == Kind::kCall);
    REQUIRE(pickle.root().items.size() == 2);
    return pickle;
  };
  const std::vector<std::string> calls = {f + "K\x05\x85R", f + "K\x05\x85\x81", f + "K\x05\x85}\x92",
                                          "(" + f + "K\x05o", "(K\x05im\nf\n"};
  for (const std::string& body : calls) {
    CAPTURE(body);
    const Pickle pickle = call_of(body);
    CHECK(pickle.root().items[0]->text == "m.f");
    REQUIRE(pickle.root().items[1]->items.size() == 1);
    CHECK(pickle.root().items[1]->items[0]->integer == 5);
  }
  // Arguments with names are not told; nor is what a call's result is called with, or an extension's number.
  CHECK(call_of(f + ")}(" + text("a") + "Nu\x92").root().items[1]->kind == Kind::kClosed);
  CHECK(call_of(f + ")R)R").root().items[0]->kind == Kind::kCall);
  CHECK(call_of(f + f + ")RR").root().items[1]->kind == Kind::kCall);
  CHECK(call_of("\x82\x07)R").root().items[0]->text == "copyreg extension 7");
  CHECK(call_of("NQ)R").root().items[0]->kind == Kind::kPersistent);
}

TEST_CASE("pickle: what is done to a closed object is not wrong") {
  const std::string closed[] = {global("m", "f"), call(global("m", "f"), ")"), "NQ", "\x8f"};
  for (const std::string& object : closed) {
    CAPTURE(object);
    for (const std::string done : {"Na", "(NNe", "NNs", "(NNu", "(NN\x90", "Nb", "}(NNub"}) {
      CAPTURE(done);
      CHECK(read(whole(object + done)).root().kind >= Kind::kGlobal);
    }
  }
  const Pickle built = read(whole(call(global("m", "f"), ")") + "}(" + text("a") + "K\x01ub"));
  REQUIRE(built.root().state != nullptr);
  CHECK(built.root().state->items[1]->integer == 1);
  // Elements of a list's subclass are not taken for the entries of a dict's.
  CHECK(read(whole(call(global("m", "f"), ")") + "(NNe")).root().items.size() == 2);
}

TEST_CASE("pickle: bytes, sets and large integers are closed") {
  using namespace std::string_literals;
  const std::vector<std::string> bodies = {"C\x02" + "ab"s,
                                           "B" + raw<std::uint32_t>(2) + "ab",
                                           "\x8e" + raw<std::uint64_t>(2) + "ab",
                                           "\x96" + raw<std::uint64_t>(2) + "ab",
                                           "\x8f(K\x01K\x02\x90",
                                           "(K\x01\x91",
                                           "\x8a\x09" + "123456789"s,
                                           "\x8b" + raw<std::uint32_t>(300) + std::string(300, 'x'),
                                           "L99999999999999999999L\n",
                                           "I-99999999999999999999\n",
                                           "Va\\u1234\n",
                                           "V\xe9\n",
                                           "S'a\\n'\n"};
  for (const std::string& body : bodies) {
    CAPTURE(body);
    CHECK(read(whole(body)).root().kind == Kind::kClosed);
  }
  CHECK(read(whole("\x8b" + raw<std::uint32_t>(2) + "\xfe\xff")).root().integer == -2);
  check_refused(whole("\x8b\xff\xff\xff\xff"), "expected 4294967295 bytes more");
  check_refused(whole("](K\x01\x90"), "ADDITEMS on something that is no set");
}

TEST_CASE("pickle: the stack can be taken back") {
  CHECK(read(whole("K\x01N0")).root().integer == 1);
  CHECK(read(whole("K\x01(NN1")).root().integer == 1);
  CHECK(read(whole("K\x01(0")).root().integer == 1);
  const Pickle twice =
      read(whole("K\x01"
                 "2\x86"));
  CHECK(twice.root().items[0] == twice.root().items[1]);
  check_refused(whole("0"), "POP needs a mark");
  check_refused(whole("1"), "POP_MARK needs a mark");
  check_refused(whole("2"), "DUP needs an object");
}

TEST_CASE("pickle: the lines of protocols 0 and 1 are read") {
  const Pickle old = read("(dp0\nVa\np1\nI-7\nsS'b'\n(lp2\nF1.5\naI01\nag1\nasVc\nL5L\ns.");
  const PickleNode& root = old.root();
  REQUIRE(root.kind == Kind::kDict);
  REQUIRE(root.items.size() == 6);
  CHECK(root.items[0]->text == "a");
  CHECK(root.items[1]->integer == -7);
  CHECK(root.items[2]->text == "b");
  REQUIRE(root.items[3]->items.size() == 3);
  CHECK(root.items[3]->items[0]->number == 1.5);
  CHECK(root.items[3]->items[1]->kind == Kind::kBool);
  CHECK(root.items[3]->items[2] == root.items[0]);
  CHECK(root.items[5]->integer == 5);
  CHECK(read("U\x02no.").root().text == "no");
  CHECK(read("T" + raw<std::uint32_t>(2) + "no.").root().text == "no");
  CHECK(read("Pid\n.").root().items[0]->text == "id");
  check_refused("I\n.", "INT with \"\", which is no number");
  check_refused("Ix\n.", "INT with x, which is no number");
  check_refused("F1.5x\n.", "FLOAT with 1.5x, which is no number");
  check_refused("L\x1b\n.", "LONG with \"\\x1b\", which is no number");
  check_refused("Sa\n.", "STRING without quotes");
  check_refused("S'\n.", "STRING without quotes");
  check_refused("Np-1\n.", "PUT with -1, which is no number");
  check_refused("g99999999999999999999\n.", "GET with 99999999999999999999, which is no number");
  check_refused("(NNNd.", "DICT with a key that has no value");
}

TEST_CASE("pickle: bytes that are no opcode, and data from outside of the file, are refused by name") {
  int refused = 0;
  for (int code = 0; code < 256; ++code) {
    const char byte = static_cast<char>(code);
    const std::string message = refusal("\x80\x02" + std::string(1, byte) + "1\n1\n1.");
    const std::string name = opcode_name(static_cast<Opcode>(code));
    const bool is_refused = message.find("byte 2: holds the opcode " + name + ",") != std::string::npos;
    CAPTURE(name);
    CHECK(is_refused == (name.starts_with("0x") || name.ends_with("_BUFFER")));
    refused += is_refused ? 1 : 0;
  }
  CHECK(refused == 256 - 66);
}

TEST_CASE("pickle: objects in the wrong place are refused") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "ends with 0 objects"},
      {"NN", "ends with 2 objects"},
      {"(N", "ends with 1 objects"},
      {"t", "TUPLE needs a mark"},
      {"(K\x01\x86", "TUPLE2 needs an object"},
      {"N(\x85", "TUPLE1 needs an object"},
      {"a", "APPEND needs an object"},
      {"}Na", "APPEND on something that is no list"},
      {")(Ne", "APPENDS on something that is no list"},
      {"]NNs", "SETITEM on something that is no dict"},
      {")(NNu", "SETITEMS on something that is no dict"},
      {"}(Nu", "SETITEMS with a key that has no value"},
      {"N)R", "REDUCE of something that is no class or function"},
      {"(K\x01o", "OBJ of something that is no class"},
      {"(o", "OBJ of nothing"},
      {global("collections", "OrderedDict") + "]R", "REDUCE with arguments that are no tuple"},
      {global("collections", "OrderedDict") + "N\x81", "NEWOBJ with arguments that are no tuple"},
      {"}b", "BUILD needs an object"},
      {"Q", "BINPERSID needs an object"},
      {"q\x01", "BINPUT needs an object"},
      {"N\x80\x02", "a second PROTO"},
  };
  for (const auto& [body, words] : cases) check_refused(whole(body), words);
  check_refused(whole("N") + "x", "1 bytes follow");
  check_refused("", "byte 0: expected an opcode, found 0");
  check_refused("N\x80\x02.", "a second PROTO");
  check_refused("\x80\x06N.", "protocol 6, expected at most 5");
}

TEST_CASE("pickle: what was never stored cannot be asked for") {
  check_refused(whole("h\x01"), "asks for the stored object 1,");
  check_refused(whole("Nq\x07h\x06\x86"), "asks for the stored object 6,");
  check_refused(whole("j\xff\xff\xff\xff"), "asks for the stored object 4294967295,");
  check_refused(whole("Nr\xff\xff\xff\xff"), "stores an object as number 4294967295, expected less than 2097152");
}

TEST_CASE("pickle: nesting and counts have limits") {
  check_refused(whole(std::string(300, '(')), "begins more than 256 containers inside each other");
  // Without a mark any depth is fine: nothing here recurses.
  const Pickle deep = read(whole("N" + std::string(100000, '\x85')));
  CHECK(deep.root().items.size() == 1);
  const Pickle circle =
      read(whole("]q\x01h\x01"
                 "a"));
  CHECK(circle.root().items[0] == &circle.root());
  check_refused(whole("(" + std::string((1U << 21) + 1, 'N') + 't'), "holds more than 2097152 objects");
  check_refused(whole("Nq\x01(" +
                      [] {
                        std::string gets;
                        for (int i = 0; i < 1 << 21; ++i) gets += "h\x01";
                        return gets;
                      }() +
                      't'),
                "holds more than 2097152 objects");
  check_refused(std::string((std::size_t{1} << 26) + 1, '\x80'), "expected at most 67108864");
  // Nor does a call's result that is called.
  CHECK(read(whole(global("m", "f") +
                   [] {
                     std::string calls;
                     for (int i = 0; i < 100000; ++i) calls += ")R";
                     return calls;
                   }()))
            .root()
            .kind == Kind::kCall);
  check_refused(whole("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "expected 18446744073709551615 bytes more");
  check_refused(whole("X\xff\xff\xff\xff"), "expected 4294967295 bytes more");
  check_refused(whole("\x95\xff\xff\xff\xff\xff\xff\xff\xff"), "a frame of 18446744073709551615 bytes");
}

/// The pickle of a small checkpoint.
std::string small_checkpoint() {
  return whole(
      dict({text("model"), ordered_dict() + '(' + text("w") + integers({2, 3}) + "u}(" + text("_metadata") + "Nub",
            text("storage"), tuple({text("storage"), global("torch", "FloatStorage"), "K\x06"}) + 'Q', text("lr"),
            std::string("G\x3f\xf8\0\0\0\0\0\0", 9), text("flags"), "](\x88\x89Ne"}));
}

TEST_CASE("pickle: cut short at any byte it is refused") {
  const std::string good = small_checkpoint();
  REQUIRE(refusal(good) == "accepted");
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK(refusal(std::string_view(good).substr(0, size)) != "accepted");
  }
}

TEST_CASE("pickle: with any bit flipped it is read or refused") {
  const std::string good = small_checkpoint();
  int refused = 0;
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    refused += refusal(bytes) != "accepted" ? 1 : 0;
  }
  CHECK(refused > static_cast<int>(2 * good.size()));
}

}  // namespace
}  // namespace vitq::test
