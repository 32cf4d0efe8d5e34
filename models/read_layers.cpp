#include "models/read_layers.h"

#include "engine/error.h"
#include "weights/artifact.h"

namespace vitq {

Layer LayerReader::linear(const std::string& name, std::int64_t outputs, std::int64_t inputs) const {
  if (auto stored = read_quantized_linear(checkpoint, name)) {
    check(stored->outputs == outputs && stored->inputs == inputs, checkpoint.source(), ": ", name, " is [",
          stored->outputs, ", ", stored->inputs, "], expected [", outputs, ", ", inputs, "]");
    return {name, Linear(*std::move(stored), options)};
  }
  return {name, Linear(FloatLinear{.weight = checkpoint.f32(name + ".weight"),
                                   .bias = checkpoint.f32_if_there(name + ".bias"),
                                   .outputs = outputs,
                                   .inputs = inputs},
                       options)};
}

Norm LayerReader::norm(const std::string& name, std::int64_t dim, float eps) const {
  const bool folded = has_folded_norm(checkpoint, name);
  const auto gamma = checkpoint.f32(name + (folded ? ".gain" : ".weight"));
  const auto beta = checkpoint.f32(name + (folded ? ".shift" : ".bias"));
  check(std::ssize(gamma) == dim && std::ssize(beta) == dim, checkpoint.source(), ": ", name, " has ", gamma.size(),
        " and ", beta.size(), " elements, expected ", dim);
  return {.name = name,
          .gamma = {gamma.begin(), gamma.end()},
          .beta = {beta.begin(), beta.end()},
          .eps = eps,
          .folded = folded};
}

Block LayerReader::block(const std::string& name, const Stage& stage, float eps) const {
  const std::string attention = name + ".attn";
  return {.name = name,
          .norm1 = norm(name + ".norm1", stage.dim, eps),
          .attention = Attention(attention, stage.heads, linear(attention + ".qkv", 3 * stage.dim, stage.dim),
                                 linear(attention + ".proj", stage.dim, stage.dim),
                                 read_quantized_attention(checkpoint, attention)),
          .norm2 = norm(name + ".norm2", stage.dim, eps),
          .mlp = {.fc1 = linear(name + ".mlp.fc1", stage.hidden, stage.dim),
                  .fc2 = linear(name + ".mlp.fc2", stage.dim, stage.hidden)}};
}

}  // namespace vitq
