// The reader against every attack that the format's own library refuses, one test each, named after the attack; the
// writer; and what is written read back.
#include "weights/safetensors.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <iostream>
#include <iterator>
#include <sstream>

#include "engine/error.h"
#include "tests/safetensors_bytes.h"
#include "tests/shared_folder.h"
#include "tests/temporary_folder.h"
#include "weights/atomic_file.h"
#include "weights/printable.h"

namespace vitq {
namespace {

using test::file_bytes;
using test::TemporaryFolder;

/// Opens a file of these bytes and returns the error's message; "opened" where there was none.
std::string error_of(const std::string& bytes) {
  const TemporaryFolder folder;
  const auto path = folder.write("x.safetensors", bytes);
  try {
    SafetensorsFile file(path);
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(message.starts_with(path.string() + ": "));
    CHECK(message.find('\n') == std::string::npos);
    CHECK(message.size() < 500);
    return message.substr(path.string().size() + 2);
  }
  return "opened";
}
std::string error_of(const std::string& header, std::size_t data_size) {
  return error_of(file_bytes(header, data_size));
}

/// The header entry of a tensor.
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  std::ostringstream text;
  text << '"' << name << R"(":{"dtype":")" << dtype << R"(","shape":)" << shape << R"(,"data_offsets":)" << offsets
       << '}';
  return text.str();
}

/// {entries}
std::string object(std::initializer_list<std::string> entries) {
  std::ostringstream text;
  const char* separator = "{";
  for (const std::string& one : entries) {
    text << separator << one;
    separator = ",";
  }
  text << '}';
  return text.str();
}

const std::string kGood = object({entry("a", "F32", "[2, 2]", "[0,16]"), entry("b", "U8", "[3]", "[16,19]")});

}  // namespace

TEST_CASE("a good file is read without copying") {
  const TemporaryFolder folder;
  const std::string bytes = file_bytes(std::string(R"({"__metadata__":{"k":"v"},)").append(kGood, 1).append("  "), 19);
  SafetensorsFile opened(folder.write("x.safetensors", bytes));
  const FileTensor* before = opened.find("b");
  const SafetensorsFile file = std::move(opened);
  CHECK(file.file_size() == bytes.size());
  CHECK(file.metadata() == std::map<std::string, std::string>{{"k", "v"}});
  REQUIRE(file.tensors().size() == 2);
  CHECK(file.tensors()[0].name == "a");
  CHECK(file.tensors()[0].dtype == FileDType::kF32);
  CHECK(file.tensors()[0].shape == Shape{2, 2});
  REQUIRE(file.tensors()[0].bytes.size() == 16);
  CHECK(file.tensors()[0].bytes[15] == 15);
  REQUIRE(file.find("b") != nullptr);
  CHECK(file.find("b") == before);
  CHECK(file.find("b")->bytes.data() == file.find("a")->bytes.data() + 16);
  CHECK(file.find("b")->bytes[2] == 18);
  CHECK(file.find("c") == nullptr);
  CHECK(file.find("") == nullptr);
  file.drop_pages();
  CHECK(file.find("b")->bytes[2] == 18);
}

TEST_CASE("no tensors at all is a valid file") { CHECK(error_of("{}", 0) == "opened"); }

TEST_CASE("scalars and empty tensors are valid") {
  CHECK(error_of(object({entry("s", "F64", "[]", "[0,8]"), entry("e", "F32", "[0, 5]", "[8,8]"),
                         entry("f", "F32", "[0]", "[0,0]")}),
                 8) == "opened");
}

TEST_CASE("every dtype of the format is known by its name and size") {
  const std::map<std::string, int> bits = {
      {"BOOL", 8}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},    {"F8_E5M2", 8},
      {"I16", 16}, {"U16", 16}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F16", 16}, {"BF16", 16}, {"I32", 32},
      {"U32", 32}, {"F32", 32}, {"C64", 64},    {"F64", 64},    {"I64", 64}, {"U64", 64}};
  for (const auto& pair : bits) {
    const std::string& name = pair.first;
    const int size = pair.second;
    CAPTURE(name);
    const auto dtype = dtype_of_name(name);
    REQUIRE(dtype.has_value());
    CHECK(dtype_name(*dtype) == name);
    CHECK(dtype_bits(*dtype) == size);
    CHECK(error_of(object({entry("t", name, "[2, 4]", std::string("[0,").append(std::to_string(size)).append("]"))}),
                   size) == "opened");
  }
}

TEST_CASE("attack: empty file") { CHECK(error_of("").find("has 0 bytes, too few") != std::string::npos); }

TEST_CASE("attack: file shorter than the header length field") {
  CHECK(error_of("1234567").find("has 7 bytes, too few") != std::string::npos);
}

TEST_CASE("attack: header length beyond the cap") {
  for (const std::uint64_t length : {std::uint64_t{100'000'001}, ~std::uint64_t{0}, ~std::uint64_t{0} - 7}) {
    const std::string message = error_of(file_bytes(kGood, 19, length));
    CHECK(message.find(std::string("the header length is ").append(std::to_string(length))) != std::string::npos);
    CHECK(message.find("at most 100000000") != std::string::npos);
  }
}

TEST_CASE("attack: header length beyond the file") {
  const std::string message = error_of(file_bytes("{}", 0, 3));
  CHECK(message.find("the header length is 3 bytes, but only 2 follow") != std::string::npos);
}

TEST_CASE("attack: header length of zero") { CHECK(error_of("", 0).find("must begin with '{'") != std::string::npos); }

TEST_CASE("attack: header that is not an object") {
  for (const char* header : {"[]", "null", " {}", "\xef\xbb\xbf{}", "1", "PK\x03\x04"}) {
    CHECK(error_of(header, 0).find("must begin with '{'") != std::string::npos);
  }
}

TEST_CASE("attack: header that is not JSON") {
  for (const char* header :
       {"{", "{\"a", "{\"a\":}", "{} {}", "{}x", "{\"a\":{\"dtype\":\"F32\",}}", "{'a':1}", "{}//"}) {
    CAPTURE(header);
    CHECK(error_of(header, 0).find("not valid UTF-8 JSON: it goes wrong at its byte") != std::string::npos);
  }
}

TEST_CASE("attack: header that is not UTF-8") {
  // A stray byte, an overlong zero, a surrogate, a code point beyond the last, and a lone surrogate as an escape.
  for (const char* name : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\\ud800"}) {
    CHECK(error_of(object({entry(name, "U8", "[0]", "[0,0]")}), 0).find("not valid UTF-8 JSON") != std::string::npos);
  }
}

TEST_CASE("attack: zero byte that ends the header early") {
  CHECK(error_of(std::string("{}\0garbage", 10), 0).find("holds a zero byte") != std::string::npos);
}

TEST_CASE("attack: deep nesting") {
  const std::string brackets(4'000'000, '[');
  CHECK(error_of(std::string("{\"a\":").append(brackets), 0)
            .find("expected an object with dtype, shape, data_offsets, found an array") != std::string::npos);
  CHECK(error_of(std::string(R"({"a":{"shape":)").append(brackets), 0).find("found an array") != std::string::npos);
  std::string braces;
  for (int i = 0; i < 500'000; ++i) braces += "{\"a\":";
  CHECK(error_of(braces, 0).find("unknown field a") != std::string::npos);
  CHECK(error_of(std::string(R"({"__metadata__":)").append(braces), 0).find("__metadata__ key a must be a string") !=
        std::string::npos);
}

TEST_CASE("attack: metadata that is not strings") {
  CHECK(error_of(R"({"__metadata__":{"k":1}})", 0) == "__metadata__ key k must be a string, found a number");
  CHECK(error_of(R"({"__metadata__":{"k":null}})", 0) == "__metadata__ key k must be a string, found null");
  CHECK(error_of(R"({"__metadata__":{"k":["v"]}})", 0) == "__metadata__ key k must be a string, found an array");
  CHECK(error_of(R"({"__metadata__":"v"})", 0) == "__metadata__ must be an object of strings, found a string");
}

TEST_CASE("attack: entries of the wrong JSON type") {
  CHECK(error_of(R"({"a":"F32"})", 0).find("expected an object with dtype, shape, data_offsets, found a string") !=
        std::string::npos);
  CHECK(error_of(R"({"a":{"dtype":32}})", 0) == "tensor a: dtype must be a string, found a number");
  CHECK(error_of(R"({"a":{"dtype":["F32"]}})", 0) == "tensor a: dtype must be a string, found an array");
  for (const char* shape : {"4", "\"4\"", "null", "{}", "[\"4\"]", "[true]", "[null]", "[[4]]"}) {
    CAPTURE(shape);
    CHECK(error_of(object({entry("a", "U8", shape, "[0,4]")}), 4)
              .starts_with("tensor a: shape must be an array of non-negative integers, found "));
    CHECK(error_of(object({entry("a", "U8", "[4]", shape)}), 4)
              .starts_with("tensor a: data_offsets must be an array of non-negative integers, found "));
  }
}

TEST_CASE("attack: missing and unknown fields") {
  CHECK(error_of(R"({"a":{"shape":[0],"data_offsets":[0,0]}})", 0) == "tensor a: has no dtype");
  CHECK(error_of(R"({"a":{"dtype":"U8","data_offsets":[0,0]}})", 0) == "tensor a: has no shape");
  CHECK(error_of(R"({"a":{"dtype":"U8","shape":[0]}})", 0) == "tensor a: has no data_offsets");
  CHECK(error_of(R"({"a":{"strides":[1]}})", 0).find("unknown field strides") != std::string::npos);
}

TEST_CASE("attack: unknown dtype") {
  for (const char* dtype : {"F31", "f32", "", "F32 "}) {
    CHECK(error_of(object({entry("a", dtype, "[0]", "[0,0]")}), 0).find("tensor a: unknown dtype ") == 0);
  }
}

TEST_CASE("attack: negative or fractional or huge extents") {
  CHECK(error_of(object({entry("a", "U8", "[-1]", "[0,0]")}), 0).find("found a negative number") != std::string::npos);
  for (const char* extent : {"1.0", "1e3", "18446744073709551616"}) {
    CHECK(error_of(object({entry("a", "U8", std::string("[").append(extent).append("]"), "[0,0]")}), 0)
              .find("found a fraction or a number beyond 64 bits") != std::string::npos);
  }
  CHECK(error_of(object({entry("a", "U8", "[9223372036854775808]", "[0,0]")}), 0).find("does not fit in 63 bits") !=
        std::string::npos);
}

TEST_CASE("attack: shape whose product overflows") {
  // 2^32 * 2^32 wraps to 0, which would match the empty range; 2^61 elements fit, their 2^63 bytes do not.
  CHECK(error_of(object({entry("a", "U8", "[4294967296, 4294967296]", "[0,0]")}), 0)
            .find("the number of elements does not fit") != std::string::npos);
  CHECK(error_of(object({entry("a", "F32", "[2305843009213693952]", "[0,0]")}), 0)
            .find("the number of bytes does not fit") != std::string::npos);
}

TEST_CASE("attack: shape of thousands of dimensions") {
  std::string shape = "[1";
  for (int i = 0; i < 5000; ++i) shape += ",1";
  CHECK(error_of(object({entry("a", "U8", shape + "]", "[0,1]")}), 1) == "tensor a: shape has more than 64 entries");
}

TEST_CASE("attack: sub-byte tensor that ends inside a byte") {
  CHECK(error_of(object({entry("a", "F4", "[3]", "[0,2]")}), 2).find("does not fill whole bytes") != std::string::npos);
}

TEST_CASE("attack: offsets that are no pair") {
  for (const char* offsets : {"[]", "[0]", "[0,4,4]"}) {
    CHECK(error_of(object({entry("a", "U8", "[4]", offsets)}), 4).find("entries, expected 2") != std::string::npos);
  }
}

TEST_CASE("attack: offsets that end before they begin") {
  CHECK(error_of(object({entry("a", "U8", "[4]", "[4,0]")}), 4) ==
        "tensor a: data_offsets [4, 0] end before they begin");
}

TEST_CASE("attack: offsets past the end of the data") {
  CHECK(error_of(object({entry("a", "U8", "[5]", "[0,5]")}), 4)
            .starts_with("tensor a: data_offsets [0, 5] reach past the 4 bytes of data"));
  CHECK(error_of(object({entry("a", "U8", "[4]", "[18446744073709551611,18446744073709551615]")}), 4)
            .find("reach past the 4 bytes") != std::string::npos);
}

TEST_CASE("attack: shape and dtype that do not match the bytes") {
  CHECK(error_of(object({entry("a", "F32", "[2, 3]", "[0,20]")}), 20) ==
        "tensor a: data_offsets hold 20 bytes, but F32 [2, 3] takes 24");
}

TEST_CASE("attack: overlapping tensors") {
  CHECK(error_of(object({entry("a", "U8", "[4]", "[0,4]"), entry("b", "U8", "[4]", "[2,6]")}), 6) ==
        "tensor b: data_offsets [2, 6] overlap the tensor before, which ends at 4");
  CHECK(error_of(object({entry("a", "U8", "[4]", "[0,4]"), entry("b", "U8", "[4]", "[0,4]")}), 4).find("overlap") !=
        std::string::npos);
}

TEST_CASE("attack: hole between tensors") {
  CHECK(error_of(object({entry("a", "U8", "[4]", "[0,4]"), entry("b", "U8", "[4]", "[5,9]")}), 9) ==
        "tensor b: data_offsets [5, 9] leave a hole after byte 4");
  CHECK(error_of(object({entry("a", "U8", "[4]", "[1,5]")}), 5).find("leave a hole after byte 0") != std::string::npos);
}

TEST_CASE("attack: data that belongs to no tensor") {
  CHECK(error_of(kGood, 20) == "the tensors cover 19 bytes of the 20 bytes of data; the rest belongs to none");
  CHECK(error_of("{}", 1).find("the tensors cover 0 bytes") != std::string::npos);
}

TEST_CASE("attack: duplicate names") {
  const std::string tensor = entry("a", "U8", "[4]", "[0,4]");
  CHECK(error_of(object({tensor, tensor}), 4) == "tensor a comes twice");
  CHECK(error_of(object({tensor, entry("\\u0061", "U8", "[4]", "[0,4]")}), 4) == "tensor a comes twice");
  CHECK(error_of(R"({"a":{"dtype":"U8","dtype":"U8"}})", 0) == "tensor a: dtype comes twice");
  CHECK(error_of(R"({"a":{"shape":[1],"shape":[1]}})", 0) == "tensor a: shape comes twice");
  CHECK(error_of(R"({"__metadata__":{"k":"v","k":"v"}})", 0) == "__metadata__ key k comes twice");
  CHECK(error_of(R"({"__metadata__":{},"__metadata__":{}})", 0) == "__metadata__ comes twice");
}

TEST_CASE("attack: terminal escapes and endless names in messages") {
  const std::string message = error_of(object({entry("\\u001b[2J\\n\\u009b\\u202e", "?\\u0007", "[0]", "[0,0]")}), 0);
  CHECK(message == R"(tensor "\x1b[2J\x0a\xc2\x9b\xe2\x80\xae": unknown dtype "?\x07")");
  const std::string endless(1'000'000, 'a');
  CHECK(error_of(object({entry(endless, "?", "[0]", "[0,0]")}), 0).find("aaa... (1000000 bytes)") != std::string::npos);
  CHECK(printable("blocks.0.attn.qkv.weight") == "blocks.0.attn.qkv.weight");
  CHECK(printable("") == "\"\"");
  CHECK(printable("two words") == "\"two words\"");
}

TEST_CASE("attack: every truncation of a good file") {
  const std::string good = file_bytes(kGood, 19);
  REQUIRE(error_of(good) == "opened");
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK(error_of(good.substr(0, size)) != "opened");
  }
}

TEST_CASE("attack: every flipped bit of a good header") {
  // A flip may leave a valid file (another name, say); then its tensors must still lie inside it. Else an Error.
  const TemporaryFolder folder;
  const std::string good = file_bytes(kGood, 19);
  std::size_t refused = 0;
  const std::size_t bits = (8 + kGood.size()) * 8;
  for (std::size_t bit = 0; bit < bits; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    const auto path = folder.write("x.safetensors", bad);
    try {
      const SafetensorsFile file(path);
      std::size_t total = 0;
      for (const FileTensor& tensor : file.tensors()) total += tensor.bytes.size();
      CHECK(total == 19);
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > bits / 2);
}

TEST_CASE("attack: missing file and directory and pipe") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(SafetensorsFile(folder.path() / "none"), doctest::Contains("none: cannot be opened"), Error);
  CHECK_THROWS_WITH_AS(SafetensorsFile(folder.path()), doctest::Contains("is a directory"), Error);
  REQUIRE(::mkfifo((folder.path() / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH_AS(SafetensorsFile(folder.path() / "pipe"), doctest::Contains("is not a regular file"), Error);
}

TEST_CASE("attack: file that may not be read") {
  const TemporaryFolder folder;
  const auto path = folder.write("x.safetensors", file_bytes(kGood, 19));
  REQUIRE(::chmod(path.c_str(), 0) == 0);
  const bool is_root = ::geteuid() == 0;  // who may read everything, and becomes somebody else for a moment
  if (is_root) REQUIRE(::seteuid(65534) == 0);
  CHECK_THROWS_WITH_AS(SafetensorsFile{path}, doctest::Contains("Permission denied"), Error);
  if (is_root) REQUIRE(::seteuid(0) == 0);
}

}  // namespace vitq
