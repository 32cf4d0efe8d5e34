#include "cli/dynamic_inference.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <utility>
#include <vector>

#include "api/model_impl.h"
#include "engine/error.h"
#include "engine/picture/resize.h"
#include "models/words.h"

namespace vitq {
namespace {

/// Sessions of the sizes that came last, as a new one has its positions, memory and primitives yet to make.
class SessionsOfSizes {
 public:
  explicit SessionsOfSizes(const Contestant& contestant) : contestant_(contestant) {}

  Session& of(PictureSize size) {
    const auto found = std::ranges::find(sessions_, size, &Entry::first);
    if (found != sessions_.end()) {
      sessions_.splice(sessions_.begin(), sessions_, found);
      return sessions_.front().second;
    }
    Preprocessing how = contestant_.preprocessing;
    how.image_size = size;
    how.resize = 0;
    Session session(contestant_.session.model().resized(size),
                    {.threads = contestant_.session.threads(), .preprocessing = how});
    if (sessions_.size() == kMost) sessions_.pop_back();
    sessions_.emplace_front(size, std::move(session));
    return sessions_.front().second;
  }

 private:
  using Entry = std::pair<PictureSize, Session>;
  static constexpr std::size_t kMost = 8;
  const Contestant& contestant_;
  std::list<Entry> sessions_;
};

std::int64_t short_side_of(const Preprocessing& how) { return std::min(how.image_size.height, how.image_size.width); }

/// The picture at its dynamic_size().
Image seen_of(const Image& image, Preprocessing how, std::int64_t patch) {
  const PictureSize size = dynamic_size({image.height, image.width}, how, patch);
  if (how.resize != 0) how.resize = short_side_of(how);
  how.resize_mode = ResizeMode::kShortest;
  how.image_size = size;
  return resized(image, how);
}

}  // namespace

PictureSize dynamic_size(PictureSize picture, const Preprocessing& how, std::int64_t patch) {
  const PictureSize whole =
      how.resize == 0 ? picture : resized_size(picture, short_side_of(how), ResizeMode::kShortest);
  const PictureSize size(whole.height / patch * patch, whole.width / patch * patch);
  check(size.pixels() > 0, "a picture of ", whole.width, " x ", whole.height, " pixels has no patch of ", patch);
  check(std::max(size.height, size.width) <= ModelConfig::kMostImageSide, ErrorCode::kUnsupported, "a picture of ",
        picture.width, " x ", picture.height, " pixels would be computed at ", size.width, " x ", size.height,
        ", the limit is ", ModelConfig::kMostImageSide, " for a side");
  return size;
}

void infer_dynamic(const Contestant& contestant, std::span<const std::filesystem::path> pictures,
                   const InferenceOptions& options, const InferenceEvents& events) {
  const Model& model = contestant.session.model();
  const std::int64_t patch = model.impl().network.config.patch;
  check(!makes_floats(contestant.preprocessing), ErrorCode::kUnsupported,
        "pictures are resized in float, each at a size of its own in bytes alone; expected resize_rounding bytes");
  try {  // what cannot be is said at once
    (void)model.resized({model.image_height() + patch, model.image_width()});
  } catch (const Error& error) {
    fail(ErrorCode::kUnsupported, model.name(),
         ": computes pictures of one size alone, expected no --dynamic: ", error.what());
  }
  SessionsOfSizes sessions(contestant);
  std::vector<float> answer;
  const auto compute = [&](std::size_t index, const Image& seen) {
    Session& session = sessions.of({seen.height, seen.width});
    answer.resize(size_of(options.answer, session.model()));
    const ImageView view(seen);
    session.run(std::span(&view, 1), outputs_of(options.answer, answer));
    check_finite(answer, pictures[index]);
    events.on_result(index, {}, answer, {});
  };
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    Image seen;
    try {
      const Image image = load_image(pictures[i], options.decoding);
      if (image.reduction > 1) events.on_reduced(i, image.reduction);
      try {
        seen = seen_of(image, contestant.preprocessing, patch);
      } catch (const Error& error) {
        fail(error.code(), pictures[i].string(), ": ", error.what());
      }
    } catch (const Error& error) {
      events.on_failure(i, error.what());
    }
    if (!seen.rgb.empty()) compute(i, seen);
    events.on_batch(1);
  }
}

}  // namespace vitq
