#include "models/architectures.h"

#include "models/swin.h"
#include "models/swin_config.h"
#include "models/vit.h"
#include "models/vit_config.h"

namespace vitq {

std::span<const ArchitectureEntry> architectures() {
  static const ArchitectureEntry kEntries[] = {
      {.name = "vit",
       .recognises = is_vit,
       .infer = infer_vit,
       .check = check_vit,
       .tensors = add_vit_tensors,
       .macs = vit_macs,
       .build = [](const ModelConfig& config, const LayerReader& reader) -> std::unique_ptr<Backbone> {
         return std::make_unique<Vit>(config, reader);
       }},
      {.name = "swin",
       .recognises = is_swin,
       .infer = infer_swin,
       .check = check_swin,
       .tensors = add_swin_tensors,
       .macs = swin_macs,
       .build = [](const ModelConfig& config, const LayerReader& reader) -> std::unique_ptr<Backbone> {
         return std::make_unique<Swin>(config, reader);
       }},
  };
  return kEntries;
}

const ArchitectureEntry& architecture_of(const ModelConfig& config) { return architectures()[config.body.index()]; }

}  // namespace vitq
