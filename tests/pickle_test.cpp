// The pickle reader: what a state dict is written with is read, all else is refused by name, and no byte stream does
// anything but be read or refused.

#include "weights/pickle.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
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

constexpr std::array<std::string_view, 2> kGlobals = {"collections.OrderedDict", "torch.FloatStorage"};

Pickle read(std::string_view bytes) {
  return {{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, kGlobals, "f.pth"};
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

TEST_CASE("pickle: a function that no state dict needs is refused by name") {
  const std::string arguments = tuple({text("touch hacked")});
  check_refused(whole(call(global("os", "system"), arguments)),
                "byte 2: asks for os.system, which no state dict needs");
  check_refused(whole(call(global("posix", "system"), arguments)), "asks for posix.system");
  check_refused(whole(call(global("builtins", "eval"), arguments)), "asks for builtins.eval");
  check_refused(whole(global("torch", "load")), "asks for torch.load");
  check_refused(whole(global("collections", "OrderedDict.fromkeys")), "asks for collections.OrderedDict.fromkeys");
  check_refused(whole(text("os") + text("system") + '\x93'), "asks for os.system");
  check_refused(whole(global("os\x1b[31m", "system")), "\\x1b[31m.system");
  check_refused(whole(global(std::string(100000, 'a'), "b")), "(100002 bytes)");
  check_refused(whole("cos"), "expected a line");
  check_refused(whole("NN\x93"), "STACK_GLOBAL without two strings");
}

TEST_CASE("pickle: every other opcode is refused by name") {
  const std::string obeyed = "().GJKMNQRX]abcehjqrstu}\x80\x81\x85\x86\x87\x88\x89\x8a\x8c\x8d\x93\x94\x95";
  int refused = 0;
  for (int code = 0; code < 256; ++code) {
    const char byte = static_cast<char>(code);
    CAPTURE(code);
    const std::string message = refusal("\x80\x02" + std::string(1, byte) + "1\n1\n1.");
    CHECK(message != "accepted");
    const std::string expected = "byte 2: holds the opcode " + opcode_name(static_cast<Opcode>(code)) + ",";
    CHECK((message.find(expected) == std::string::npos) == (obeyed.find(byte) != std::string::npos));
    refused += message.find(expected) != std::string::npos ? 1 : 0;
  }
  CHECK(refused == 256 - 37);
  check_refused("\x80\x02ios\nsystem\n.", "the opcode INST,");
  check_refused("\x80\x02\xff.", "the opcode 0xff,");
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
      {"}(Nu", "SETITEMS with a key that has no value"},
      {"N)R", "REDUCE of something that is no class or function"},
      {ordered_dict() + ")R", "REDUCE of something that is no class"},
      {global("collections", "OrderedDict") + "]R", "REDUCE with arguments that are no tuple"},
      {global("collections", "OrderedDict") + "N\x81", "NEWOBJ with arguments that are no tuple"},
      {"}}b", "BUILD on something that was not called for"},
      {"Q", "BINPERSID needs an object"},
      {"q\x01", "BINPUT needs an object"},
      {"N\x80\x02", "a second PROTO"},
  };
  for (const auto& [body, words] : cases) check_refused(whole(body), words);
  check_refused(whole("N") + "x", "1 bytes follow");
  check_refused("", "does not begin as a pickle");
  check_refused("N.", "does not begin as a pickle");
  check_refused(std::string("\x80\x00N.", 4), "protocol 0");
  check_refused("\x80\x06N.", "protocol 6, expected 2 to 5");
}

TEST_CASE("pickle: what was never stored cannot be asked for") {
  check_refused(whole("h\x01"), "asks for the stored object 1,");
  check_refused(whole("Nq\x07"
                      "0"),
                "the opcode POP");
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
  check_refused(whole("\x8a\x09"
                      "123456789"),
                "an integer of 9 bytes");
  check_refused(whole("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "expected 18446744073709551615 bytes more");
  check_refused(whole("X\xff\xff\xff\xff"), "expected 4294967295 bytes more");
  check_refused(whole("\x95\xff\xff\xff\xff\xff\xff\xff\xff"), "a frame of 18446744073709551615 bytes");
}

/// The pickle of a small checkpoint, with the globals of this file alone.
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
