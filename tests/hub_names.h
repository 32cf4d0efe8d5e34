#pragma once
// A ViT's weights under the names that transformers writes.

#include <regex>
#include <string>
#include <vector>

#include "weights/checkpoint.h"
#include "weights/safetensors.h"

namespace vitq::test {

/// The tensors of `checkpoint`, a ViT, as a ViTForImageClassification has them: queries, keys and values apart. They
/// point into `checkpoint`.
inline std::vector<FileTensor> under_transformers_names(const Checkpoint& checkpoint) {
  const std::pair<const char*, const char*> names[] = {
      {"^blocks", "vit.encoder.layer"},
      {"norm1", "layernorm_before"},
      {"norm2", "layernorm_after"},
      {"attn.proj", "attention.output.dense"},
      {"mlp.fc1", "intermediate.dense"},
      {"mlp.fc2", "output.dense"},
      {"attn.qkv", "attention.attention.qkv"},
      {"^patch_embed.proj", "vit.embeddings.patch_embeddings.projection"},
      {"^cls_token", "vit.embeddings.cls_token"},
      {"^pos_embed", "vit.embeddings.position_embeddings"},
      {"^norm", "vit.layernorm"},
      {"^head", "classifier"},
  };
  std::vector<FileTensor> tensors;
  for (const std::string& name : checkpoint.names()) {
    std::string published = name;
    for (const auto& [ours, theirs] : names) published = std::regex_replace(published, std::regex(ours), theirs);
    const auto values = checkpoint.f32(name);
    const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(values.data()),
                                              values.size_bytes());
    const std::size_t packed = published.find("qkv");
    if (packed == std::string::npos) {
      tensors.push_back({published, FileDType::kF32, checkpoint.shape(name), bytes});
      continue;
    }
    Shape shape = checkpoint.shape(name);
    shape.front() /= 3;
    std::size_t first = 0;
    for (const char* part : {"query", "key", "value"}) {
      std::string own = published;
      own.replace(packed, 3, part);
      tensors.push_back({own, FileDType::kF32, shape, bytes.subspan(first, bytes.size() / 3)});
      first += bytes.size() / 3;
    }
  }
  return tensors;
}

}  // namespace vitq::test
