#include "models/read_layers.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "weights/artifact.h"

namespace vitq {

Layer LayerReader::linear(const std::string& name, std::int64_t outputs, std::int64_t inputs) const {
  if (auto stored = read_quantized_linear(checkpoint, name)) {
    check(stored->outputs == outputs && stored->inputs == inputs, checkpoint.source(), ": ", name, " is [",
          stored->outputs, ", ", stored->inputs, "], expected [", outputs, ", ", inputs, "]");
    return {name, Linear(*std::move(stored), options)};
  }
  return {name, Linear(floats(name, outputs, inputs), options)};
}

FloatLinear LayerReader::floats(const std::string& name, std::int64_t outputs, std::int64_t inputs) const {
  return {.weight = checkpoint.f32(name + ".weight"),
          .bias = checkpoint.f32_if_there(name + ".bias"),
          .outputs = outputs,
          .inputs = inputs};
}

Norm LayerReader::norm(const std::string& name, std::int64_t dim) const {
  const bool folded = has_folded_norm(checkpoint, name);
  const auto gamma = checkpoint.f32(name + (folded ? ".gain" : ".weight"));
  std::vector<float> beta(dim);
  if (folded || norm_kind.is_centred) {
    const auto stored = checkpoint.f32(name + (folded ? ".shift" : ".bias"));
    beta.assign(stored.begin(), stored.end());
  }
  check(std::ssize(gamma) == dim && std::ssize(beta) == dim, checkpoint.source(), ": ", name, " has ", gamma.size(),
        " and ", beta.size(), " elements, expected ", dim);
  return {.name = name,
          .gamma = {gamma.begin(), gamma.end()},
          .beta = std::move(beta),
          .kind = norm_kind,
          .folded = folded};
}

std::optional<Norm> LayerReader::norm_if(bool is_there, const std::string& name, std::int64_t dim) const {
  return is_there ? std::optional(norm(name, dim)) : std::nullopt;
}

std::vector<float> LayerReader::lengths_if(bool is_there, const std::string& name, const Stage& stage) const {
  if (!is_there) return {};
  constexpr double kMostFactor = 100;  // whatever was learned
  const double root = std::sqrt(static_cast<double>(stage.head_dim()));
  std::vector<float> lengths;
  for (const float logarithm : checkpoint.f32(name)) {
    const double factor = std::min(std::exp(double{logarithm}), kMostFactor);
    lengths.push_back(static_cast<float>(std::sqrt(factor * root)));
  }
  return lengths;
}

Block LayerReader::block(const std::string& name, const Stage& stage) const {
  const std::string attention = name + ".attn";
  const std::string mlp = name + ".mlp";
  Block block{.name = name,
              .norm1 = norm(name + ".norm1", stage.dim),
              .attention = Attention(attention, stage.heads, linear(attention + ".qkv", 3 * stage.dim, stage.dim),
                                     linear(attention + ".proj", stage.dim, stage.dim),
                                     read_quantized_attention(checkpoint, attention),
                                     {.q = norm_if(stage.qk_norm, attention + ".q_norm", stage.head_dim()),
                                      .k = norm_if(stage.qk_norm, attention + ".k_norm", stage.head_dim()),
                                      .joined = norm_if(stage.attn_norm, attention + ".norm", stage.dim),
                                      .lengths = lengths_if(stage.cosine, attention + ".logit_scale", stage)}),
              .norm2 = norm(name + ".norm2", stage.dim),
              .mlp = {.fc1 = linear(mlp + ".fc1", stage.is_gated ? 2 * stage.hidden : stage.hidden, stage.dim),
                      .fc2 = linear(mlp + ".fc2", stage.dim, stage.hidden),
                      .activation = stage.activation,
                      .is_gated = stage.is_gated,
                      .norm = norm_if(stage.mlp_norm, mlp + ".norm", stage.hidden)},
              .norms_behind = stage.norms_behind};
  checkpoint.release_pages();  // the file beside the packed weights would be half of the peak
  return block;
}

}  // namespace vitq
