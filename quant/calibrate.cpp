#include "quant/calibrate.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>

#include "engine/error.h"
#include "engine/threads.h"
#include "models/network.h"
#include "quant/mixed_precision.h"
#include "quant/site_inputs.h"
#include "quant/site_quantizer.h"
#include "quant/sites.h"
#include "quant/walk.h"

namespace vitq {

namespace {

constexpr int kAllBits = 8;

// Site after site in the order of the pass: each is fitted to what it takes behind all sites before it, which run on
// integers by then.
void quantize_sites(Network& network, Workspace& workspace, std::span<const float> images, std::int64_t count,
                    const PixelScale& pixels, const QuantizeOptions& options, SiteQuantizer& quantizer) {
  std::map<std::string, SiteRef> sites;
  network.visit_sites([&](const SiteRef& site) { sites[site.name] = site; });
  std::set<std::string> done;
  Walk walk(network, workspace, images, count);
  while (!walk.has_ended()) {
    SiteSample sample([&](const std::string& site) { return done.contains(site); }, std::min(Walk::kChunk, count),
                      count, options.most_sampled);
    if (walk.run(sample)) continue;
    const SiteRef& site = sites.at(sample.site());
    if (holds(options.keep_float, site.name)) {
      quantizer.keep(site);
    } else if (site.attention != nullptr) {
      quantizer.attention(site, sample.attention_inputs());
    } else {
      const Tensor rows = sample.rows();
      const EachRows again = [&](const auto& use) {
        SiteReplay replay(site.name, use);
        (void)walk.run(replay);
      };
      const LinearInputs inputs{.sample = rows,
                                .each = sample.is_everything() ? EachRows([&](const auto& use) { use(rows); }) : again,
                                .rows_per_picture = sample.rows_per_picture()};
      if (kind_of(site.name) == "patch" && options.edge_bits == kAllBits) {
        quantizer.pixels(site, inputs, pixels, network.config.patch * network.config.patch);
        network.pixels = pixels;
      } else {
        quantizer.linear(site, inputs);
      }
    }
    done.insert(site.name);
  }
}

void check_options(const QuantizeOptions& options, const std::vector<std::string>& sites) {
  for (const int bits : {options.weight_bits, options.activation_bits, options.edge_bits}) {
    check(bits >= 3 && bits <= 8, "bits are ", bits, ", expected 3 to 8");
  }
  check_entries("keep_float", options.keep_float, sites);
  check_entries("code_books", options.code_books, sites);
  if (options.row_scales) check_entries("row_scales", *options.row_scales, sites);
  for (const std::string& entry : options.code_books) {
    const bool possible = std::ranges::any_of(sites, [&](const std::string& site) {
      return (kind_of(site) == "fc2" || kind_of(site) == "proj") && holds({entry}, site);
    });
    check(possible, "code_books: ", entry, " is fed by no GELU and no attention; expected fc2, proj or one such layer");
  }
}

std::string name_of(SoftmaxMethod method) {
  constexpr std::array kNames = {"uniform", "tanq", "log2", "logsqrt2"};
  return kNames[static_cast<std::size_t>(method)];
}

std::string name_of(ScaleFactor method) {
  constexpr std::array kNames = {"median", "mean", "mad"};
  return kNames[static_cast<std::size_t>(method)];
}

std::string joined(const std::vector<std::string>& entries) {
  std::string text;
  for (const std::string& entry : entries) text += (text.empty() ? "" : ",") + entry;
  return text;
}

// Of mixed layers each has the default of its own bits.
std::string fold_strength_text(const QuantizeOptions& options) {
  if (options.most_bytes > 0 && !options.fold_strength) return "default";
  std::array<char, 32> text{};
  const double strength = fold_strength_of(options, options.weight_bits);
  return {text.data(), std::to_chars(text.begin(), text.end(), strength).ptr};
}

void describe_in(ArtifactBuilder& artifact, const ModelDescription& description, const QuantizeOptions& options) {
  for (const auto& [key, value] : metadata_of(description)) artifact.set_metadata(key, value);
  artifact.set_metadata("precision", precision_name(options));
  artifact.set_metadata("weight_bits", std::to_string(options.weight_bits));
  artifact.set_metadata("activation_bits", std::to_string(options.activation_bits));
  artifact.set_metadata("edge_bits", std::to_string(options.edge_bits));
  artifact.set_metadata("softmax", name_of(options.softmax));
  artifact.set_metadata("scale_factor", name_of(options.scale_factor));
  artifact.set_metadata("fold_strength", fold_strength_text(options));
  artifact.set_metadata("rounding", options.rounding == Rounding::kGptq ? "gptq" : "nearest");
  artifact.set_metadata("code_books", options.code_books.empty() ? "none" : joined(options.code_books));
  artifact.set_metadata("row_scales", !options.row_scales           ? "auto"
                                      : options.row_scales->empty() ? "none"
                                                                    : joined(*options.row_scales));
  artifact.set_metadata("weight_code_books", options.weight_code_books ? "true" : "false");
  artifact.set_metadata("bias_correction", options.bias_correction ? "true" : "false");
  artifact.set_metadata("keep_float", joined(options.keep_float));
}

}  // namespace

double default_fold_strength(int weight_bits, int activation_bits) {
  if (activation_bits < 8) return 1.0;
  return weight_bits < 8 ? 0.5 : 0.75;
}

double fold_strength_of(const QuantizeOptions& options, int weight_bits) {
  return options.fold_strength.value_or(default_fold_strength(weight_bits, options.activation_bits));
}

std::string precision_name(const QuantizeOptions& options) {
  return "w" + (options.most_bytes > 0 ? "x" : std::to_string(options.weight_bits)) + "a" +
         std::to_string(options.activation_bits);
}

QuantizedModel quantize_model(const Checkpoint& checkpoint, const ModelDescription& description,
                              std::span<const float> images, std::int64_t count, const QuantizeOptions& options) {
  check(count > 0, "quantize: no calibration pictures");
  const auto tensors = expected_tensors(description.config);
  const auto sites = sites_of(tensors);
  check_options(options, sites);
  const ThreadScope scope(options.threads > 0 ? options.threads : available_threads());
  const auto mixed = options.most_bytes > 0 ? mixed_layers(sites, options) : std::vector<std::string>();
  int done = 0;
  const std::function<void(const std::string&)> advance = [&](const std::string& site) {
    if (options.progress) options.progress(++done, static_cast<int>(mixed.size() + sites.size()), site);
  };
  const BitsOf bits =
      mixed.empty() ? BitsOf() : fit_mixed_layers(checkpoint, description, images, count, mixed, options, advance);
  Workspace workspace;
  Network network = make_network(description.config, checkpoint);
  SiteQuantizer quantizer(workspace.gemm(), checkpoint, options, bits, advance, description.config.prefix_tokens());
  quantize_sites(network, workspace, images, count, bytes_of(description.preprocessing), options, quantizer);
  quantizer.keep_the_rest(tensors);
  describe_in(quantizer.artifact(), description, options);
  return {.artifact = std::move(quantizer.artifact()), .sites = std::move(quantizer.reports())};
}

}  // namespace vitq
