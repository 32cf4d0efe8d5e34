// The parts of the command line that can be wrong without anybody seeing it from outside.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "cli/args.h"
#include "cli/labels.h"
#include "cli/output.h"
#include "cli/sample.h"
#include "cli/scores.h"
#include "cli/sha256.h"
#include "cli/sites.h"
#include "cli/spelling.h"
#include "cli/statistics.h"
#include "engine/error.h"
#include "tests/temporary_folder.h"

namespace vitq::test {
namespace {

std::string sha256_of(const std::string& text) {
  return sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

TEST_CASE("sha256 of known texts") {
  // The first three are from FIPS 180-4's examples and the empty text; the lengths around a block are from sha256sum.
  CHECK(sha256_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_of(std::string(55, 'a')) == "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  CHECK(sha256_of(std::string(56, 'a')) == "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
  CHECK(sha256_of(std::string(64, 'a')) == "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
  CHECK(sha256_of(std::string(1000, 'a')) == "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
}

TEST_CASE("the nearest word is suggested and only if it is near") {
  const std::vector<std::string> words{"--image", "--images", "--model", "--topk", "run"};
  CHECK(suggestion("--imag", words) == "; did you mean --image?");
  CHECK(suggestion("--imagess", words) == "; did you mean --images?");
  CHECK(suggestion("--mdoel", words) == "; did you mean --model?");
  CHECK(suggestion("urn", words) == "; did you mean run?");
  CHECK(suggestion("--frobnicate", words).empty());
  CHECK(suggestion("x", words).empty());
  CHECK(suggestion("", words).empty());
  CHECK(suggestion(std::string(100000, 'x'), words).empty());
}

TEST_CASE("a summary has the percentiles that numpy gives") {
  const Summary summary = summarize({4, 1, 3, 2, 10});
  CHECK(summary.min == 1);
  CHECK(summary.median == 3);
  CHECK(summary.mean == doctest::Approx(4));
  CHECK(summary.stddev == doctest::Approx(3.5355339));
  CHECK(summary.p90 == doctest::Approx(7.6));
  CHECK(summary.p95 == doctest::Approx(8.8));
  CHECK(summary.p99 == doctest::Approx(9.76));
  const Summary one = summarize({7});
  CHECK(one.min == 7);
  CHECK(one.p99 == 7);
  CHECK(one.stddev == 0);
  CHECK(summarize({}).mean == 0);
}

TEST_CASE("McNemar's test by hand") {
  CHECK(mcnemar_p(0, 0) == 1);
  CHECK(mcnemar_p(1, 0) == doctest::Approx(1));
  CHECK(mcnemar_p(5, 5) == doctest::Approx(1));
  CHECK(mcnemar_p(5, 5) <= 1);
  CHECK(mcnemar_p(0, 6) == doctest::Approx(0.03125).epsilon(1e-12));
  // 2 (1 + 12 + 66) / 4096
  CHECK(mcnemar_p(10, 2) == doctest::Approx(0.03857421875).epsilon(1e-12));
  CHECK(mcnemar_p(2, 10) == mcnemar_p(10, 2));
  // Summed in whole numbers, in another language.
  CHECK(mcnemar_p(5100, 4900) == doctest::Approx(0.046585527705).epsilon(1e-9));
  CHECK(mcnemar_p(900, 1100) == doctest::Approx(8.4570895355e-06).epsilon(1e-9));
  CHECK(mcnemar_p(10000, 0) == 0);  // 2^-9999
}

TEST_CASE("what goes to a terminal holds no control characters") {
  CHECK(one_line("plain caf\xc3\xa9 [1]") == "plain caf\xc3\xa9 [1]");
  CHECK(one_line("a\nb\tc\x1b[0m\x7f") == "a\\x0ab\\x09c\\x1b[0m\\x7f");
  CHECK(one_line("\xc2\x9b") == "\\xc2\x9b");  // CSI in UTF-8: broken up
  CHECK(one_line("\xc2\xa9") == "\xc2\xa9");
}

TEST_CASE("accuracy breaks ties by index") {
  Accuracy accuracy;
  const std::array<float, 6> equal{};
  accuracy.add(0, equal);
  CHECK(accuracy.top1() == 1);
  accuracy.add(4, equal);
  CHECK(accuracy.top1() == 0.5);
  CHECK(accuracy.top5() == 1);
  accuracy.add(5, equal);
  CHECK(accuracy.count() == 3);
  CHECK(accuracy.top5() == doctest::Approx(2.0 / 3));
  CHECK(argmax(equal) == 0);
}

TEST_CASE("a comparison of logits known by hand") {
  Comparison comparison;
  const std::array<float, 2> even{0, 0};
  const std::array<float, 2> odd{std::log(3.0F), 0};  // probabilities 3/4 and 1/4
  comparison.add(0, even, odd);
  comparison.add(1, even, even);
  CHECK(comparison.agreement() == 1);
  // (3/4 log(3/4 / 1/2) + 1/4 log(1/4 / 1/2)) / 2
  CHECK(comparison.kl() == doctest::Approx((0.75 * std::log(1.5) + 0.25 * std::log(0.5)) / 2));
  CHECK(comparison.sqnr_db() == doctest::Approx(0));  // the difference is as large as the reference
  CHECK(comparison.max_difference() == doctest::Approx(std::log(3.0)));
  CHECK(comparison.accuracy().top1() == 0.5);
  CHECK(comparison.only_reference() == 0);
  CHECK(comparison.only_this() == 0);
  const std::array<float, 2> large{3e38F, -3e38F};  // softmax must not overflow
  comparison.add(1, large, large);
  CHECK(std::isfinite(comparison.kl()));
  Comparison same;
  same.add(0, odd, odd);
  CHECK(same.sqnr_db() == std::numeric_limits<double>::infinity());
  CHECK(same.kl() == 0);
}

TEST_CASE("a comparison counts who alone is right") {
  const std::array<float, 2> zero{1, 0};
  const std::array<float, 2> one{0, 1};
  Comparison comparison;
  comparison.add(0, zero, zero);  // both
  comparison.add(0, one, one);    // neither
  for (int i = 0; i < 3; ++i) comparison.add(1, zero, one);
  for (int i = 0; i < 2; ++i) comparison.add(0, zero, one);
  CHECK(comparison.only_reference() == 3);
  CHECK(comparison.only_this() == 2);
}

TEST_CASE("a seed chooses the same pictures everywhere") {
  using Indices = std::vector<std::size_t>;
  // Computed by the description in the header, in another language.
  CHECK(sample_indices(64, 8, 0) == Indices{8, 11, 30, 31, 35, 37, 47, 53});
  CHECK(sample_indices(64, 8, 1) == Indices{1, 6, 7, 8, 25, 29, 37, 52});
  CHECK(sample_indices(5, 5, 7) == Indices{0, 1, 2, 3, 4});
  CHECK(sample_indices(1000, 3, std::numeric_limits<std::uint64_t>::max()) == Indices{304, 381, 936});
  CHECK_THROWS_WITH_AS(sample_indices(7, 8, 0), "found 7 pictures, expected at least 8 (--count)", Error);

  const std::vector<std::filesystem::path> pictures{"x/b.jpg", "y/a.jpg", "z/c.jpg", "a/d.jpg", "x/b.jpg"};
  const auto all = sample_pictures(pictures, 4, 0);
  CHECK(all == std::vector<std::filesystem::path>{"y/a.jpg", "x/b.jpg", "z/c.jpg", "a/d.jpg"});
  CHECK_THROWS_AS(sample_pictures(pictures, 5, 0), Error);
}

TEST_CASE("a report of sites survives the way through a file and a strange one is refused") {
  const std::vector<SiteReport> sites{
      {.name = "a", .weight_bits = 4, .input_bits = 8, .sqnr_db = 31.25, .scale_spread = 2.5},
      {.name = "b",
       .input_bits = 4,
       .sqnr_db = std::numeric_limits<double>::infinity(),
       .tanq_a = 0.5F,
       .tanq_c = 0.25F}};
  const auto back = parse_sites(to_record(sites).dump());
  REQUIRE(back.size() == 2);
  CHECK(back[0].name == "a");
  CHECK(back[0].weight_bits == 4);
  CHECK(back[0].input_bits == 8);
  CHECK(back[0].sqnr_db == 31.25);
  CHECK(back[0].scale_spread == 2.5);
  CHECK(std::isnan(back[1].sqnr_db));
  CHECK(back[1].tanq_a == 0.5F);
  CHECK(back[1].tanq_c == 0.25F);
  CHECK(site_table(back).find("inf") == std::string::npos);

  const std::string good = to_record(sites).dump();
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& text : {std::string(),
                                  std::string("{}"),
                                  std::string("[1]"),
                                  std::string("[[]]"),
                                  std::string("[{}]"),
                                  good.substr(0, good.size() - 1),
                                  good + "x",
                                  changed("\"a\"", "7"),
                                  changed("\"name\"", "\"nome\""),
                                  changed("\"weight_bits\":4", "\"weight_bits\":99"),
                                  changed("\"weight_bits\":4", "\"weight_bits\":4.5"),
                                  changed("\"weight_bits\":4", "\"weight_bits\":-1"),
                                  changed("\"weight_bits\":4", "\"weight_bits\":null"),
                                  changed("\"weight_bits\":4", "\"weight_bits\":18446744073709551615"),
                                  changed("31.25", "1e300"),
                                  changed("31.25", "1e999"),
                                  changed("31.25", "\"31\""),
                                  changed("31.25", "[[[31]]]"),
                                  std::string(100000, '['),
                                  "[" + std::string(500000, '{'),
                                  std::string((1 << 20) + 1, ' '),
                                  '[' + changed("[", "").insert(0, "{\"name\":{\"x\":{}}},")}) {
    CAPTURE(text.substr(0, 100));
    CHECK_THROWS_AS(parse_sites(text), Error);
  }
  std::string many = "[";
  const std::string one = to_record({sites[0]}).dump();
  for (int i = 0; i < 4097; ++i) many += (i == 0 ? "" : ",") + one.substr(1, one.size() - 2);
  CHECK_THROWS_AS(parse_sites(many + "]"), Error);
  CHECK(site_table(parse_sites(changed("\"a\"", "\"\\u001b[31m\""))).find('\x1b') == std::string::npos);
  CHECK(site_table(parse_sites("[]")).starts_with("site"));
}

TEST_CASE("fuzz: a list of labels does not get control characters into a message") {
  const TemporaryFolder folder;
  const auto list = folder.write("l.csv", "file,label\na\x1b[31m.jpg,1\n");
  CHECK_THROWS_WITH_AS(read_labels(list, folder.path(), 10, {}),
                       doctest::Contains("a\\x1b[31m.jpg: there is no such file"), Error);
}

TEST_CASE("numbers are read whole and in range") {
  int value = 0;
  const Reader reader = whole_number(value, 1, 9);
  CHECK(reader("7").empty());
  CHECK(value == 7);
  for (const char* text : {"0", "10", "+3", " 3", "3 ", "3x", "", "-3", "99999999999"}) {
    CAPTURE(text);
    CHECK(reader(text) == "a whole number from 1 to 9");
  }
  CHECK(value == 7);
  CHECK(parse_number("1e-3") == 0.001);
  for (const char* text : {"", "nan", "inf", "1,5", "1e999", "0x1p3z"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_number(text).has_value());
  }
}

}  // namespace
}  // namespace vitq::test
