#pragma once
// A model: configuration, packed weights, preprocessing, class names. It never changes after it is opened, and any
// number of Sessions in any number of threads share it.
//
//   auto model = vitq::Model::open("deit_t.w8a8.safetensors");
//   vitq::Session session(model);
//   for (const auto& best : session.classify(vitq::load_image("cat.jpg"))) std::cout << best.name << '\n';

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "vitq/error.h"
#include "vitq/preprocessing.h"
#include "vitq/stated.h"

namespace vitq {

struct ModelOptions {
  /// Multiply float weights in bf16, with sums, residuals and row kernels in f32. Needs AVX512_BF16 or AMX.
  bool bf16 = false;
  /// What the file does not say, or says wrong.
  Stated stated = {};
};

struct Prediction {
  int index = 0;          ///< of the class
  float probability = 0;  ///< softmax of the logits
  std::string name;       ///< of the class
};

class [[gnu::visibility("default")]] Model {
 public:
  /// Opens a safetensors file: float weights under the names of timm, transformers, open_clip, Meta or Microsoft, or an
  /// artifact of the quantizer; the index of several such files; or a folder as the Hugging Face hub lays it out, with
  /// what describes the weights (docs/models.md). A short name ("deit_s"), and a repository of the hub
  /// ("openai/clip-vit-base-patch32"), are looked for in $VITQ_HOME, else $XDG_CACHE_HOME/vitq where that is absolute,
  /// else ~/.cache/vitq; nothing is downloaded. The files are mapped while they are read, and closed afterwards. Throws
  /// Error: kFile where there is none, kFormat where it is no model that vitq knows, kUnsupported where this CPU has no
  /// bf16 and it is asked for, kArgument for bf16 of an artifact, kMemory.
  static std::shared_ptr<const Model> open(const std::string& path_or_name, const ModelOptions& options = {});

  /// The same of the bytes of such a file. `name` stands for them in messages and may tell which model it is, as a file
  /// name does. The bytes are not needed afterwards.
  static std::shared_ptr<const Model> open(std::span<const std::byte> file, const std::string& name,
                                           const ModelOptions& options = {});

  /// The same model for pictures of another size, sharing its weights: a ViT, whose positions are resampled from those
  /// that the file has. Its preprocessing resizes to as much more or less. Throws Error: kUnsupported where the blocks
  /// hold for one size (Swin), kArgument for a size of no patch, above 4096 pixels a side, or with BEiT any other.
  [[nodiscard]] std::shared_ptr<const Model> resized(PictureSize size) const;

  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// "deit_s", or what the file calls itself, or "vit" or "swin".
  [[nodiscard]] const std::string& name() const noexcept;
  /// "fp32", "bf16", or of an artifact the bits of weights and activations: "w8a8".
  [[nodiscard]] const std::string& precision() const noexcept;
  /// Pixels that a picture is brought to.
  [[nodiscard]] std::int64_t image_height() const noexcept;
  [[nodiscard]] std::int64_t image_width() const noexcept;
  /// 0: there is no head, and a pass gives embeddings and tokens alone.
  [[nodiscard]] std::int64_t classes() const noexcept;
  /// Floats of an embedding: what the classifier takes, or where the head is a projection (CLIP), what that makes.
  [[nodiscard]] std::int64_t embedding_size() const noexcept;
  /// Floats of a token.
  [[nodiscard]] std::int64_t token_size() const noexcept;
  /// Tokens of a picture behind the last block: class and distillation token first, where there are any, then the
  /// patches, row by row.
  [[nodiscard]] std::int64_t tokens() const noexcept;
  /// How many of these stand before the patches: class token, distillation token, registers.
  [[nodiscard]] std::int64_t prefix_tokens() const noexcept;
  /// Whether the first of them is a class token.
  [[nodiscard]] bool has_class_token() const noexcept;
  /// As many as classes.
  [[nodiscard]] const std::vector<std::string>& class_names() const noexcept;
  /// What is done to a picture.
  [[nodiscard]] const Preprocessing& preprocessing() const noexcept;
  /// What nobody states of this model and is taken from the file's name or from what is usual, for people: "mean
  /// 0.5,0.5,0.5 (the file's name)". Where it is wrong, so are the answers: ModelOptions::stated settles it.
  [[nodiscard]] std::vector<std::string> assumptions() const;

  /// The `k` (at most all) most probable classes of one row of logits [classes], best first; ties by index. A logit
  /// that is NaN comes last, with probability 0. Throws Error (kArgument) for another number of logits.
  [[nodiscard]] std::vector<Prediction> top(std::span<const float> logits, int k) const;

  struct Impl;
  explicit Model(std::unique_ptr<const Impl> impl);  ///< for vitq itself; open() makes models
  [[nodiscard]] const Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<const Impl> impl_;
};

}  // namespace vitq
