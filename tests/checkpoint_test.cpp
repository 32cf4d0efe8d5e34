// What models read weights through: seeded values against the recipe's check values, 16-bit floats over their whole
// range, checkpoints from files of every float type, and the errors for a file that is not the model asked for.
#include "weights/checkpoint.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>

#include "engine/error.h"
#include "tests/shared_folder.h"
#include "tests/temporary_folder.h"
#include "weights/half.h"
#include "weights/seeded.h"

namespace vitq {
namespace {

using test::TemporaryFolder;

template <class T>
std::span<const std::uint8_t> bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(T)};
}

std::vector<float> filled(const std::string& name, const Shape& shape, std::uint64_t seed = 0) {
  std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
  fill_seeded(name, shape, seed, values);
  return values;
}

/// v of the recipe for element `index`, step by step as golden/README.md writes it.
double v(const std::string& name, std::uint64_t index, std::uint64_t seed = 0) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::uint64_t z = (h ^ seed) + (index + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  z ^= z >> 31;
  return 2 * std::ldexp(static_cast<double>(z >> 40), -24) - 1;
}

bool same(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

}  // namespace

TEST_CASE("seeded values are those of the recipe") {
  std::vector<float> input(3);
  fill_seeded_input(0, input);
  CHECK(input[0] == 2 * -0.8043633699417114f);
  CHECK(input[1] == 2 * 0.30472075939178467f);
  CHECK(input[2] == 2 * -0.5927515029907227f);
  // A linear weight with fan_in 3 has the scale sqrt(3 / 3).
  CHECK(filled("blocks.0.attn.qkv.weight", {1, 3})[0] == 0.46731603145599365f);
  CHECK(filled("blocks.0.attn.qkv.weight", {1, 3}, 1)[0] == v("blocks.0.attn.qkv.weight", 0, 1));
}

TEST_CASE("seeded values are scaled by the kind of tensor") {
  const auto expect = [](const std::string& name, const Shape& shape, double offset, double scale) {
    CAPTURE(name);
    const std::vector<float> values = filled(name, shape);
    int wrong = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] != static_cast<float>(offset + scale * v(name, i))) ++wrong;
    }
    CHECK(wrong == 0);
  };
  expect("layers.0.blocks.0.attn.relative_position_bias_table", {169, 3}, 0, 1);
  expect("cls_token", {1, 1, 192}, 0, 0.5);
  expect("dist_token", {1, 1, 192}, 0, 0.5);
  expect("pos_embed", {1, 197, 192}, 0, 0.5);
  expect("blocks.0.attn.qkv.bias", {576}, 0, 0.1);
  expect("norm.weight", {192}, 1, 0.2);
  expect("head.weight", {1000, 192}, 0, std::sqrt(3.0 / 192));
  expect("patch_embed.proj.weight", {192, 3, 16, 16}, 0, std::sqrt(3.0 / 768));
}

TEST_CASE("seeded filling refuses a span of another size") {
  std::vector<float> values(5);
  CHECK_THROWS_WITH_AS(fill_seeded("a", {2, 3}, 0, values), doctest::Contains("[2, 3]: asked to fill 5"), Error);
}

TEST_CASE("half to float is exact for all 65536 values") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = half_to_float(static_cast<std::uint16_t>(bits));
    const int exponent = static_cast<int>(bits >> 10 & 31);
    const int mantissa = static_cast<int>(bits & 1023);
    double expected = exponent == 0    ? std::ldexp(mantissa, -24)
                      : exponent == 31 ? std::numeric_limits<double>::infinity()
                                       : std::ldexp(1024 + mantissa, exponent - 25);
    if ((bits & 0x8000) != 0) expected = -expected;
    const bool ok = exponent == 31 && mantissa != 0
                        ? std::isnan(value)
                        : static_cast<double>(value) == expected && std::signbit(value) == ((bits & 0x8000) != 0);
    if (!ok) FAIL("half bits ", bits, " became ", value, ", expected ", expected);
  }
}

TEST_CASE("float to half is the nearest half, of two the even one") {
  for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = half_to_float(half);
    const float next = bits == 0x7bff ? 65536.0F : half_to_float(static_cast<std::uint16_t>(bits + 1));
    const float middle = (value + next) / 2;  // exact
    const std::uint32_t even = bits + (bits & 1);
    const bool ok = float_to_half(value) == half && float_to_half(-value) == (half | 0x8000) &&
                    float_to_half(std::nextafter(middle, 0.0F)) == half && float_to_half(middle) == even &&
                    float_to_half(std::nextafter(middle, next)) == bits + 1;
    if (!ok) FAIL("around half bits ", bits);
  }
  CHECK(float_to_half(std::numeric_limits<float>::infinity()) == 0x7c00);
  CHECK(float_to_half(-std::numeric_limits<float>::max()) == 0xfc00);
  CHECK(float_to_half(std::numeric_limits<float>::denorm_min()) == 0);
  CHECK(std::isnan(half_to_float(float_to_half(std::numeric_limits<float>::quiet_NaN()))));
}

TEST_CASE("bfloat16 to float keeps the upper half") {
  CHECK(bfloat16_to_float(0x3f80) == 1.0f);
  CHECK(bfloat16_to_float(0xc040) == -3.0f);
  CHECK(bfloat16_to_float(0x0001) == 0x1p-133f);
  CHECK(std::isinf(bfloat16_to_float(0x7f80)));
  CHECK(std::isnan(bfloat16_to_float(0x7fc0)));
}

TEST_CASE("a checkpoint gives every float type as float") {
  const TemporaryFolder folder;
  const std::vector<float> single = {1.5f, -2.25f};
  const std::vector<double> wide = {1.5, -2.25};
  const std::vector<std::uint16_t> half = {0x3e00, 0xc080};      // 1.5, -2.25
  const std::vector<std::uint16_t> bfloat16 = {0x3fc0, 0xc010};  // 1.5, -2.25
  const std::vector<std::int32_t> integers = {1, 2};
  write_safetensors(folder.path() / "x",
                    {{"module.f32", FileDType::kF32, {2}, bytes_of(single)},
                     {"module.f64", FileDType::kF64, {2, 1}, bytes_of(wide)},
                     {"module.f16", FileDType::kF16, {1, 2}, bytes_of(half)},
                     {"module.bf16", FileDType::kBF16, {2}, bytes_of(bfloat16)},
                     {"module.i32", FileDType::kI32, {2}, bytes_of(integers)},
                     {"module.empty", FileDType::kF32, {0}, {}},
                     {"module.patch_embed.proj.weight", FileDType::kF32, {2}, bytes_of(single)},
                     {"module.layers.0.blocks.1.attn_mask", FileDType::kF32, {1, 2}, bytes_of(single)},
                     {"criterion.weight", FileDType::kF32, {2}, bytes_of(single)}},
                    {{"k", "v"}});
  Checkpoint opened = Checkpoint::open(folder.path() / "x");
  const float* before = opened.f32("f16").data();
  const Checkpoint checkpoint = std::move(opened);
  CHECK(checkpoint.source() == (folder.path() / "x").string());
  CHECK(checkpoint.metadata().at("k") == "v");
  CHECK(checkpoint.names() ==
        std::vector<std::string>{"bf16", "empty", "f16", "f32", "f64", "i32", "patch_embed.proj.weight"});
  CHECK(checkpoint.left_behind() == std::vector<std::string>{"criterion.weight"});
  REQUIRE(checkpoint.buffer("layers.0.blocks.1.attn_mask") != nullptr);
  CHECK(*checkpoint.buffer("layers.0.blocks.1.attn_mask") == Shape{1, 2});
  CHECK(checkpoint.buffer("f32") == nullptr);
  CHECK(checkpoint.contains("f32"));
  CHECK_FALSE(checkpoint.contains("module.f32"));
  CHECK(checkpoint.shape("f64") == Shape{2, 1});
  for (const char* name : {"f32", "f64", "f16", "bf16"}) {
    CAPTURE(name);
    CHECK(same(checkpoint.f32(name), single));
  }
  CHECK(checkpoint.f32("empty").empty());
  CHECK(checkpoint.f32("f16").data() == before);
  const float* mapped = checkpoint.f32("f32").data();
  checkpoint.release_pages();
  CHECK(mapped[1] == -2.25f);
  CHECK(checkpoint.f32("f32").data() == mapped);
  CHECK_THROWS_WITH_AS(checkpoint.f32("i32"), doctest::Contains("tensor i32 is I32, expected F32"), Error);
  CHECK_THROWS_WITH_AS(checkpoint.f32("none"), doctest::Contains("x: has no tensor none"), Error);
  CHECK_THROWS_WITH_AS(checkpoint.shape("none"), doctest::Contains("has no tensor none"), Error);
}

TEST_CASE("a float tensor off alignment is read all the same") {
  const TemporaryFolder folder;
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  const std::vector<float> values = {3.0f, -0.5f};
  bytes += header + 'x' + std::string(reinterpret_cast<const char*>(values.data()), 8);
  const Checkpoint checkpoint = Checkpoint::open(folder.write("x", bytes));
  CHECK(same(checkpoint.f32("b"), values));
  CHECK(reinterpret_cast<std::uintptr_t>(checkpoint.f32("b").data()) % alignof(float) == 0);
}

TEST_CASE("values that are not finite are refused by name") {
  const TemporaryFolder folder;
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> nan = {1, 2, std::nanf("")};
  const std::vector<float> inf = {-infinity, 1};
  const std::vector<std::uint16_t> half = {0x3c00, 0x7c00};
  const std::vector<float> extreme = {std::numeric_limits<float>::max(), -std::numeric_limits<float>::max(), 1e-45f};
  write_safetensors(folder.path() / "x",
                    {{"nan", FileDType::kF32, {3}, bytes_of(nan)},
                     {"inf", FileDType::kF32, {2}, bytes_of(inf)},
                     {"half", FileDType::kF16, {2}, bytes_of(half)},
                     {"extreme", FileDType::kF32, {3}, bytes_of(extreme)}},
                    {});
  const Checkpoint checkpoint = Checkpoint::open(folder.path() / "x");
  CHECK(same(checkpoint.f32("extreme"), extreme));
  CHECK_THROWS_WITH_AS(checkpoint.f32("nan"), doctest::Contains("tensor nan [3]: element 2 is nan"), Error);
  CHECK_THROWS_WITH_AS(checkpoint.f32("inf"), doctest::Contains("tensor inf [2]: element 0 is -inf"), Error);
  for (int i = 0; i < 2; ++i) {
    CHECK_THROWS_WITH_AS(checkpoint.f32("half"), doctest::Contains("tensor half [2]: element 1 is inf"), Error);
  }
}

TEST_CASE("a checkpoint of another model is told by the first difference of each kind") {
  const Checkpoint checkpoint = Checkpoint::seeded({{"blocks.0.attn.qkv.weight", {2304, 768}},
                                                    {"blocks.1.attn.qkv.weight", {2304, 768}},
                                                    {"norm.weight", {768}},
                                                    {"head_dist.weight", {1000, 768}}},
                                                   0);
  const auto message = [&](const std::vector<TensorSpec>& expected, const std::string& hint) -> std::string {
    try {
      checkpoint.require(expected, hint);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::vector<TensorSpec> exact = {{"norm.weight", {768}},
                                         {"blocks.0.attn.qkv.weight", {2304, 768}},
                                         {"blocks.1.attn.qkv.weight", {2304, 768}},
                                         {"head_dist.weight", {1000, 768}}};
  CHECK(message(exact, "hint").empty());

  std::vector<TensorSpec> misshapen = exact;
  misshapen[1].shape = misshapen[2].shape = {1152, 384};
  CHECK(message({misshapen[0], misshapen[1], exact[2], exact[3]}, "is this deit_b?") ==
        "seeded weights: expected blocks.0.attn.qkv.weight [1152, 384], found [2304, 768]; is this deit_b?");
  CHECK(message({{"cls_token", {1, 1, 384}}, {"pos_embed", {1, 197, 384}}, misshapen[1], misshapen[2]}, "") ==
        "seeded weights: expected blocks.0.attn.qkv.weight [1152, 384], found [2304, 768] (and 1 more); "
        "missing cls_token [1, 1, 384] (and 1 more); unexpected head_dist.weight [1000, 768] (and 1 more)");
  CHECK(message({exact[0], exact[1], exact[2]}, "") == "seeded weights: unexpected head_dist.weight [1000, 768]");
}

TEST_CASE("seeded weights are saved and opened again bit for bit") {
  const TemporaryFolder folder;
  const std::vector<TensorSpec> specs = {{"cls_token", {1, 1, 4}}, {"head.weight", {5, 4}}, {"norm.weight", {4}}};
  const Checkpoint seeded = Checkpoint::seeded(specs, 7);
  CHECK(seeded.metadata() == std::map<std::string, std::string>{{"seed", "7"}});
  CHECK(same(seeded.f32("head.weight"), filled("head.weight", {5, 4}, 7)));
  save_checkpoint(folder.path() / "x", seeded, {{"model", "test"}});
  const Checkpoint opened = Checkpoint::open(folder.path() / "x");
  CHECK_NOTHROW(opened.require(specs, ""));
  CHECK(opened.metadata().at("model") == "test");
  for (const TensorSpec& spec : specs) CHECK(same(opened.f32(spec.name), seeded.f32(spec.name)));
}

TEST_CASE("seeded checkpoints refuse twins and senseless shapes") {
  CHECK_THROWS_WITH_AS(Checkpoint::seeded({{"a", {1}}, {"a", {2}}}, 0), doctest::Contains("asked for twice"), Error);
  CHECK_THROWS_WITH_AS(Checkpoint::seeded({{"a", {-1}}}, 0), doctest::Contains("[-1]: an extent is negative"), Error);
}

TEST_CASE("two namings in one file are an error that names the file") {
  const TemporaryFolder folder;
  const std::vector<float> value = {1};
  write_safetensors(folder.path() / "x",
                    {{"layers.0.a", FileDType::kF32, {1}, bytes_of(value)},
                     {"patch_embed.proj.weight", FileDType::kF32, {1}, bytes_of(value)},
                     {"head.weight", FileDType::kF32, {1}, bytes_of(value)},
                     {"head.fc.weight", FileDType::kF32, {1}, bytes_of(value)}},
                    {});
  CHECK_THROWS_WITH_AS(Checkpoint::open(folder.path() / "x"), doctest::Contains("x: tensors head.fc.weight and"),
                       Error);
}

TEST_CASE("the real checkpoint is read whole") {
  const auto shared = test::shared_folder();
  if (!shared) {
    std::cout << "SKIPPED: no shared folder with a real checkpoint\n";
    return;
  }
  const Checkpoint checkpoint = Checkpoint::open(*shared / "assets/deit_t.safetensors");
  CHECK(checkpoint.shape("pos_embed") == Shape{1, 197, 192});
  std::size_t parameters = 0;
  for (const std::string& name : checkpoint.names()) parameters += checkpoint.f32(name).size();
  CHECK(parameters == 5'717'416);
  checkpoint.release_pages();
}

}  // namespace vitq
