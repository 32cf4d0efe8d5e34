#include "vitq/model.h"

#include <utility>

#include "api/best_classes.h"
#include "api/model_impl.h"
#include "api/translate.h"
#include "engine/error.h"
#include "models/zoo.h"
#include "weights/artifact.h"

namespace vitq {

std::shared_ptr<const Model> make_model(const Checkpoint& checkpoint, ModelDescription description,
                                        const ModelOptions& options) {
  check(!options.bf16 || !is_artifact(checkpoint), checkpoint.source(),
        ": is an artifact, which runs on integers, expected a float32 model (bf16)");
  check_config(description.config);
  check(std::ssize(description.class_names) == description.config.classes, checkpoint.source(), ": ",
        description.class_names.size(), " class names, expected ", description.config.classes);
  const PackOptions pack{.floats = options.bf16 ? DType::kBF16 : DType::kF32};
  Network network = make_network(description.config, checkpoint, pack);
  checkpoint.release_pages();
  auto impl = std::make_unique<Model::Impl>(Model::Impl{.description = std::move(description),
                                                        .precision = options.bf16 ? "bf16" : precision_of(checkpoint),
                                                        .metadata = checkpoint.metadata(),
                                                        .network = std::move(network)});
  return std::make_shared<const Model>(std::move(impl));
}

std::shared_ptr<const Model> Model::open(const std::string& path_or_name, const ModelOptions& options) {
  return translated_memory([&] {
    const Checkpoint checkpoint = Checkpoint::open(locate_model(path_or_name));
    return make_model(checkpoint, describe(checkpoint, zoo_name(path_or_name), options.stated), options);
  });
}

std::shared_ptr<const Model> Model::open(std::span<const std::byte> file, const std::string& name,
                                         const ModelOptions& options) {
  return translated_memory([&] {
    const Checkpoint checkpoint = Checkpoint::from_bytes(file, name);
    return make_model(checkpoint, describe(checkpoint, std::nullopt, options.stated), options);
  });
}

std::shared_ptr<const Model> Model::resized(PictureSize size) const {
  return translated_memory([&] {
    auto other = std::make_unique<Impl>(Impl{.description = impl_->description,
                                             .precision = impl_->precision,
                                             .metadata = impl_->metadata,
                                             .network = impl_->network.resized(size)});
    other->description.config = other->network.config;
    Preprocessing& how = other->description.preprocessing;
    const PictureSize before = std::exchange(how.image_size, size);
    how.resize = {how.resize.height * size.height / before.height, how.resize.width * size.width / before.width};
    return std::make_shared<const Model>(std::move(other));
  });
}

Model::Model(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;

const std::string& Model::name() const noexcept { return impl_->description.name; }
const std::string& Model::precision() const noexcept { return impl_->precision; }
std::int64_t Model::image_height() const noexcept { return impl_->description.config.image_size.height; }
std::int64_t Model::image_width() const noexcept { return impl_->description.config.image_size.width; }
std::int64_t Model::classes() const noexcept { return impl_->description.config.classes; }
std::int64_t Model::embedding_size() const noexcept { return impl_->network.config.embedding_size(); }
std::int64_t Model::token_size() const noexcept { return impl_->network.config.token_size(); }
std::int64_t Model::tokens() const noexcept { return impl_->network.output().tokens; }
std::int64_t Model::prefix_tokens() const noexcept { return impl_->description.config.prefix_tokens(); }
bool Model::has_class_token() const noexcept {
  const ModelConfig& config = impl_->description.config;
  return config.architecture() == Architecture::kVit && config.vit().class_token;
}
const std::vector<std::string>& Model::class_names() const noexcept { return impl_->description.class_names; }
const Preprocessing& Model::preprocessing() const noexcept { return impl_->description.preprocessing; }

std::vector<std::string> Model::assumptions() const {
  std::vector<std::string> texts;
  for (const Fact& fact : guesses_of(impl_->description)) texts.push_back(to_string(fact));
  return texts;
}

std::vector<Prediction> Model::top(std::span<const float> logits, int k) const {
  check(std::ssize(logits) == classes(), "top: ", logits.size(), " logits, expected ", classes());
  return best_classes(logits, class_names(), k);
}

}  // namespace vitq
