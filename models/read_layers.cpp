#include "models/read_layers.h"

#include "weights/artifact.h"

namespace vitq {

Layer LayerReader::linear(const std::string& name, std::int64_t outputs, std::int64_t inputs) const {
  if (auto stored = read_quantized_linear(checkpoint, name)) return {name, Linear(*std::move(stored), options)};
  const std::string bias = name + ".bias";
  return {name, Linear(FloatLinear{.weight = checkpoint.f32(name + ".weight"),
                                   .bias = checkpoint.contains(bias) ? checkpoint.f32(bias) : std::span<const float>(),
                                   .outputs = outputs,
                                   .inputs = inputs},
                       options)};
}

Norm LayerReader::norm(const std::string& name, float eps) const {
  const bool folded = has_folded_norm(checkpoint, name);
  const auto gamma = checkpoint.f32(name + (folded ? ".gain" : ".weight"));
  const auto beta = checkpoint.f32(name + (folded ? ".shift" : ".bias"));
  return {.name = name,
          .gamma = {gamma.begin(), gamma.end()},
          .beta = {beta.begin(), beta.end()},
          .eps = eps,
          .folded = folded};
}

Block LayerReader::block(const std::string& name, const Stage& stage, float eps) const {
  const std::string attention = name + ".attn";
  return {.name = name,
          .norm1 = norm(name + ".norm1", eps),
          .attention = Attention(attention, stage.heads, linear(attention + ".qkv", 3 * stage.dim, stage.dim),
                                 linear(attention + ".proj", stage.dim, stage.dim),
                                 read_quantized_attention(checkpoint, attention)),
          .norm2 = norm(name + ".norm2", eps),
          .mlp = {.fc1 = linear(name + ".mlp.fc1", stage.hidden, stage.dim),
                  .fc2 = linear(name + ".mlp.fc2", stage.dim, stage.hidden)}};
}

}  // namespace vitq
