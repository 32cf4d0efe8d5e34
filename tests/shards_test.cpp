// Checkpoints in several files, and every way in which an index can lie.
#include "weights/shards.h"

#include <doctest/doctest.h>

#include "engine/error.h"
#include "tests/temporary_folder.h"
#include "weights/checkpoint.h"

namespace vitq {
namespace {

using test::TemporaryFolder;

constexpr const char* kIndex = "model.safetensors.index.json";
const std::vector<float> kValues = {1, 2, 3, 4};

FileTensor tensor(const std::string& name, std::size_t first) {
  return {name,
          FileDType::kF32,
          {1, 2},
          {reinterpret_cast<const std::uint8_t*>(kValues.data() + first), 2 * sizeof(float)}};
}

/// Two shards: "a" with the queries, "b" with keys, values and the patch embedding.
void write_shards(const TemporaryFolder& folder) {
  write_safetensors(folder.path() / "a.safetensors", {tensor("blocks.0.attn.q_proj.weight", 0)}, {});
  write_safetensors(folder.path() / "b.safetensors",
                    {tensor("blocks.0.attn.k_proj.weight", 1), tensor("blocks.0.attn.v_proj.weight", 2),
                     tensor("patch_embed.proj.weight", 0)},
                    {{"format", "pt"}});
}

std::string index_of(const std::string& map) {
  return R"({"metadata": {"total_size": 32}, "weight_map": {)" + map + "}}";
}

const std::string kMap =
    R"("blocks.0.attn.q_proj.weight": "a.safetensors", "blocks.0.attn.k_proj.weight": "b.safetensors",
  "blocks.0.attn.v_proj.weight": "b.safetensors", "patch_embed.proj.weight": "b.safetensors")";

}  // namespace

TEST_CASE("shards: several files are one checkpoint, and a tensor may be put together across them") {
  const TemporaryFolder folder;
  write_shards(folder);
  const Checkpoint checkpoint = Checkpoint::open(folder.write(kIndex, index_of(kMap)));
  CHECK(checkpoint.names() == std::vector<std::string>{"blocks.0.attn.qkv.weight", "patch_embed.proj.weight"});
  const auto qkv = checkpoint.f32("blocks.0.attn.qkv.weight");
  CHECK(std::vector(qkv.begin(), qkv.end()) == std::vector<float>{1, 2, 2, 3, 3, 4});
  CHECK(checkpoint.metadata().at("format") == "pt");
  checkpoint.release_pages();
  CHECK(checkpoint.source() == (folder.path() / kIndex).string());
}

TEST_CASE("shards: an index that lies is an error that names it and what is wrong") {
  const TemporaryFolder folder;
  write_shards(folder);
  const auto refused = [&](const std::string& index, const char* message, ErrorCode code = ErrorCode::kFormat) {
    CAPTURE(index);
    const auto path = folder.write(kIndex, index);
    try {
      Checkpoint::open(path);
      FAIL("it was opened");
    } catch (const Error& error) {
      const std::string text = error.what();
      CAPTURE(text);
      CHECK(error.code() == code);
      CHECK(text.starts_with(path.string() + ": "));
      CHECK(text.find(message) != std::string::npos);
    }
  };
  refused("no JSON", "is no JSON, expected the index of a checkpoint");
  refused("{}", "has no \"weight_map\"");
  refused("[1]", "has no \"weight_map\"");
  refused(index_of(""), "has no \"weight_map\"");
  refused(index_of(R"("a": 1)"), "says of tensor a not once which file it is in");
  refused(index_of(R"("a": ["a.safetensors", "b.safetensors"])"), "says of tensor a not once");
  refused(index_of(kMap + R"(, "norm.weight": "c.safetensors")"), "names c.safetensors, which is not beside it",
          ErrorCode::kFile);
  refused(index_of(kMap + R"(, "norm.weight": "a.safetensors")"), "tensor norm.weight is not in a.safetensors");
  refused(index_of(R"("blocks.0.attn.q_proj.weight": "b.safetensors")"),
          "tensor blocks.0.attn.q_proj.weight is not in b.safetensors");
  for (const char* name :
       {"../a.safetensors", "/etc/passwd", "", ".", "..", "sub/a.safetensors", "a\\\\b", "a\\u0000"}) {
    refused(index_of(R"("a": ")" + std::string(name) + '"'), "expected one in the same folder");
  }
  write_safetensors(folder.path() / "c.safetensors", {tensor("patch_embed.proj.weight", 0)}, {});
  refused(index_of(kMap + R"(, "x": "c.safetensors")"),
          "tensor patch_embed.proj.weight is in b.safetensors and in c.safetensors");
  CHECK_THROWS_WITH_AS(open_shards(folder.path() / "none.index.json"),
                       doctest::Contains("none.index.json: cannot be read"), Error);
}

}  // namespace vitq
