#include "vitq/session.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "api/model_impl.h"
#include "api/translate.h"
#include "engine/error.h"
#include "engine/threads.h"
#include "models/words.h"

namespace vitq {

namespace {

// A session belongs to one thread at a time; a second one is told so.
class Turn {
 public:
  explicit Turn(std::atomic_flag& is_busy) : is_busy_(is_busy) {
    check(!is_busy.test_and_set(std::memory_order_acquire),
          "the session is at work in another thread; expected one session for each thread");
  }
  ~Turn() { is_busy_.clear(std::memory_order_release); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::atomic_flag& is_busy_;
};

// Far above any memory, far below any overflow.
constexpr std::int64_t kMostPictures = std::int64_t{1} << 24;

void check_batch(std::int64_t count) {
  check(count > 0 && count <= kMostPictures, "batch is ", count, ", expected 1 to ", kMostPictures);
}

void check_head(const Model& model) {
  check(model.classes() > 0, ErrorCode::kUnsupported,
        "the model has no head: it gives embeddings and tokens, no logits");
}

void check_outputs(const Model& model, std::int64_t count, const Outputs& outputs) {
  const auto fits = [&](std::span<float> room, std::int64_t each, const char* what) {
    check(room.empty() || std::ssize(room) == count * each, what, " have room for ", room.size(), " values, expected ",
          count * each);
  };
  if (!outputs.logits.empty()) check_head(model);
  fits(outputs.logits, model.classes(), "logits");
  fits(outputs.embedding, model.embedding_size(), "embeddings");
  fits(outputs.tokens, model.tokens() * model.token_size(), "tokens");
  check(!outputs.logits.empty() || !outputs.embedding.empty() || !outputs.tokens.empty(),
        "no result is asked for; expected room for logits, embeddings or tokens");
}

void check_threads(int threads) {
  const int granted = granted_threads(threads);
  check(granted == threads, "the session was made for ", threads, " threads, but OpenMP grants ", granted,
        " here; make one with that many, or run it outside of the parallel region");
}

// Everything that a run has in common: what is checked at the door, the turn of this thread, and the pass over what
// cut(patches) writes, the patch rows of all pictures.
template <class Cut>
void pass(Session::Impl& session, std::int64_t count, const Outputs& outputs, Cut&& cut) {
  check_outputs(*session.model, count, outputs);
  check_threads(session.threads);
  const Turn turn(session.is_busy);
  const ThreadScope scope(session.threads);
  translated_memory([&] {
    const Network& network = session.model->impl().network;
    const Tensor tokens = network.tokens(session.workspace, count, cut);
    const auto room = [&](std::span<float> values) {
      return Tensor(values.data(), {count, std::ssize(values) / count});
    };
    if (!outputs.tokens.empty()) std::copy_n(tokens.f32(), outputs.tokens.size(), outputs.tokens.begin());
    if (!outputs.embedding.empty()) (void)network.head.embed(session.workspace, tokens, room(outputs.embedding));
    if (!outputs.logits.empty()) (void)network.head.classify(session.workspace, tokens, room(outputs.logits));
  });
}

Result make_room(const Model& model, std::int64_t count, const Wanted& wanted) {
  check_batch(count);
  if (wanted.logits) check_head(model);
  Result result{.pictures = count, .logits = {}, .embedding = {}, .tokens = {}};
  if (wanted.logits) result.logits.resize(count * model.classes());
  if (wanted.embedding) result.embedding.resize(count * model.embedding_size());
  if (wanted.tokens) result.tokens.resize(count * model.tokens() * model.token_size());
  return result;
}

Outputs room_in(Result& result) {
  return {.logits = result.logits, .embedding = result.embedding, .tokens = result.tokens};
}

void check_preprocessing(const Preprocessing& how, const Model& model) {
  const PictureSize size(model.image_height(), model.image_width());
  check(how.image_size == size, "preprocessing: crops to ", to_string(how.image_size), " pixels, expected the ",
        to_string(size), " of the model");
  check(how.resize == 0 || (how.resize.height >= size.height && how.resize.width >= size.width),
        "preprocessing: resizes to ", to_string(how.resize), " pixels, expected 0 or at least ", to_string(size));
  for (const float std : how.std) {
    check(std > 0 && std::isfinite(std), "preprocessing: std is ", std, ", expected a finite number above 0");
  }
  for (const float mean : how.mean) check(std::isfinite(mean), "preprocessing: mean is ", mean, ", expected a number");
}

// Whether nothing is left to resize or crop.
bool is_ready(const ImageView& view, const Preprocessing& how) {
  return how.resize == 0 && PictureSize(view.height, view.width) == how.image_size;
}

// Pictures whose pixels are no bytes when they are resized, one after the other.
void run_floats(Session::Impl& session, std::span<const ImageView> pictures, const Outputs& outputs) {
  const Network& network = session.model->impl().network;
  std::vector<float> image = translated_memory(
      [&] { return std::vector<float>(ModelConfig::kChannels * network.config.image_size.pixels()); });
  pass(session, std::ssize(pictures), outputs, [&](const Tensor& patches) {
    const std::int64_t rows = patches.rows() / std::ssize(pictures);
    for (std::int64_t i = 0; i < std::ssize(pictures); ++i) {
      preprocess(pictures[i], session.preprocessing, image);
      cut_patches(image, network.config.image_size, network.config.patch, rows_of(patches, i * rows, rows),
                  network.pixels);
    }
  });
}

}  // namespace

Session::Session(std::shared_ptr<const Model> model, const SessionOptions& options) {
  check(model != nullptr, "session: no model");
  check(options.threads >= 0, "threads is ", options.threads, ", expected a positive number, or 0 for all");
  const Preprocessing how = options.preprocessing.value_or(model->preprocessing());
  check_preprocessing(how, *model);
  const int threads = granted_threads(options.threads > 0 ? options.threads : available_threads());
  impl_ = translated_memory([&] {
    const Network& network = model->impl().network;
    PixelTable table(how, network.backbone->patch_source(), network.pixels);
    // NOLINTNEXTLINE(modernize-make-unique): an aggregate by the names of its members
    return std::unique_ptr<Impl>(
        new Impl{.model = std::move(model), .threads = threads, .preprocessing = how, .table = std::move(table)});
  });
}

Session::~Session() = default;
Session::Session(Session&& other) noexcept = default;
Session& Session::operator=(Session&& other) noexcept = default;

Session::Impl& Session::impl() const {
  check(impl_ != nullptr, "the session was moved from; expected it to be assigned to first");
  return *impl_;
}

const Model& Session::model() const { return *impl().model; }
int Session::threads() const { return impl().threads; }
const Preprocessing& Session::preprocessing() const { return impl().preprocessing; }

void Session::run(std::span<const ImageView> pictures, const Outputs& outputs) {
  Impl& session = impl();
  const std::int64_t count = std::ssize(pictures);
  check_batch(count);
  if (makes_floats(session.preprocessing)) {
    run_floats(session, pictures, outputs);
    return;
  }
  pass(session, count, outputs, [&](const Tensor& patches) {
    const std::int64_t patch = session.model->impl().network.config.patch;
    const std::int64_t rows = patches.rows() / count;
    for (std::int64_t i = 0; i < count; ++i) {
      const Tensor own = rows_of(patches, i * rows, rows);
      if (is_ready(pictures[i], session.preprocessing)) {
        cut_patches(pictures[i], patch, session.table, own);
      } else {
        cut_patches(resized(pictures[i], session.preprocessing), patch, session.table, own);
      }
    }
  });
}

void Session::run(std::span<const float> images, std::int64_t count, const Outputs& outputs) {
  Impl& session = impl();
  const std::int64_t size = 3 * session.model->image_height() * session.model->image_width();
  check_batch(count);
  check(std::ssize(images) / size == count && std::ssize(images) % size == 0, "images have ", images.size(),
        " values, expected ", count, " pictures of ", size);
  pass(session, count, outputs, [&](const Tensor& patches) {
    const Network& network = session.model->impl().network;
    cut_patches(images, network.config.image_size, network.config.patch, patches, network.pixels);
  });
}

Result Session::run(std::span<const ImageView> pictures, const Wanted& wanted) {
  Result result = translated_memory([&] { return make_room(model(), std::ssize(pictures), wanted); });
  run(pictures, room_in(result));
  return result;
}

Result Session::run(std::span<const float> images, std::int64_t count, const Wanted& wanted) {
  Result result = translated_memory([&] { return make_room(model(), count, wanted); });
  run(images, count, room_in(result));
  return result;
}

std::vector<Prediction> Session::classify(const ImageView& picture, int k) {
  const Result result = run(std::span(&picture, 1));
  return translated_memory([&] { return model().top(result.logits, k); });
}

std::int64_t Session::memory(std::int64_t batch) const {
  check_batch(batch);
  return impl().model->impl().network.plan(batch).total() + impl().threads * Workspace::kTileBytes;
}

StepClock::Totals profile(Session& session, std::span<const float> images, std::int64_t count, const Outputs& outputs) {
  StepClock& clock = session.impl().workspace.clock();
  clock.start();
  session.run(images, count, outputs);
  return clock.stop();
}

}  // namespace vitq
