#include "models/model.h"

#include "models/swin.h"
#include "models/vit.h"

namespace vitq {

std::unique_ptr<Model> make_model(MatmulContext& context, const ModelConfig& config, const Checkpoint& checkpoint) {
  switch (config.architecture) {
    case Architecture::kVit:
      return std::make_unique<Vit>(context, config, checkpoint);
    case Architecture::kSwin:
      return std::make_unique<Swin>(context, config, checkpoint);
  }
  return nullptr;
}

}  // namespace vitq
