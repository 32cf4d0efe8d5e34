#include "quant/mixed_precision.h"

#include <algorithm>
#include <iterator>

#include "engine/error.h"
#include "engine/kernels/softmax_levels.h"
#include "quant/bit_budget.h"
#include "quant/sensitivity.h"
#include "quant/sites.h"
#include "weights/packing.h"

namespace vitq {

namespace {

// What an artifact takes beside the packed weights of mixed layers; a little more, for its header.
std::int64_t bytes_beside(const std::vector<TensorSpec>& tensors, const QuantizeOptions& options) {
  constexpr std::int64_t kHeader = 1024;  // of a layer: five names and shapes, its line of the report
  constexpr std::int64_t kFloat = sizeof(float);
  const bool even_softmax = options.activation_bits == 8 && options.softmax <= SoftmaxMethod::kTanq;
  std::int64_t bytes = 4 * kHeader;
  for (const TensorSpec& tensor : tensors) {
    const std::int64_t count = element_count(tensor.shape);
    const std::string site = tensor.name.substr(0, tensor.name.rfind('.'));
    if (!is_site(tensor) || holds(options.keep_float, site)) {
      bytes += count * kFloat;  // biases and LayerNorms, too
      continue;
    }
    const std::int64_t outputs = tensor.shape.front();
    bytes += kHeader + outputs * (kFloat + 1);  // scale and zero point
    if (is_edge(site)) bytes += outputs * packed_bytes(count / outputs, options.edge_bits);
    if (kind_of(site) == "qkv") bytes += even_softmax ? kHeader : kHeader + kSoftmaxTable;
  }
  return bytes;
}

}  // namespace

std::vector<std::string> mixed_layers(const std::vector<std::string>& sites, const QuantizeOptions& options) {
  std::vector<std::string> layers;
  std::ranges::copy_if(sites, std::back_inserter(layers), [&](const std::string& site) {
    return !is_edge(site) && kind_of(site) != "attention" && !holds(options.keep_float, site);
  });
  return layers;
}

BitsOf fit_mixed_layers(const Checkpoint& checkpoint, const ModelDescription& description,
                        std::span<const float> images, std::int64_t count, const std::vector<std::string>& layers,
                        const QuantizeOptions& options, const std::function<void(const std::string&)>& advance) {
  constexpr std::int64_t kMostPictures = 8;
  constexpr int kLeastBits = 3;
  const std::int64_t rest = bytes_beside(expected_tensors(description.config), options);
  std::int64_t least = rest;
  for (const std::string& layer : layers) {
    const std::string weight = layer + ".weight";
    const std::int64_t outputs = checkpoint.shape(weight).front();
    least += outputs * packed_bytes(element_count(checkpoint.shape(weight)) / outputs, kLeastBits);
  }
  check(options.most_bytes >= least, "the artifact may have ", options.most_bytes, " bytes, expected at least ", least,
        ", which it takes with weights of ", kLeastBits, " bits");
  const std::int64_t pictures = std::min(count, kMostPictures);
  const auto costs = measure_sensitivity(checkpoint, description, images.first(images.size() / count * pictures),
                                         pictures, layers, advance);
  const auto bits = fit_bits(costs, options.most_bytes - rest, options.weight_bits);
  BitsOf result;
  for (std::size_t i = 0; i < layers.size(); ++i) result[layers[i]] = bits[i];
  return result;
}

}  // namespace vitq
