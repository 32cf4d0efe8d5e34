#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "api/translate.h"
#include "engine/error.h"
#include "vitq/image.h"
#include "vitq/model.h"
#include "vitq/quantize.h"
#include "vitq/session.h"
#include "vitq/version.h"
#include "vitq/vitq.h"

// NOLINTBEGIN(readability-identifier-naming): names are those of C
struct vitq_model {
  std::shared_ptr<const vitq::Model> model;
};

struct vitq_session {
  vitq::Session session;
};

struct vitq_image {
  vitq::Image image;
};

namespace {

using vitq::check;

static_assert(static_cast<int>(vitq::ErrorCode::kFile) == VITQ_FILE &&
              static_cast<int>(vitq::ErrorCode::kInternal) == VITQ_INTERNAL);
static_assert(static_cast<int>(vitq::PixelFormat::kGrey) == VITQ_GREY);

// The text of a failure, per thread; a failure to keep it must not be another.
std::string& last_error() noexcept {
  thread_local std::string text;
  return text;
}

vitq_status failed(vitq_status status, const char* what) noexcept {
  try {
    last_error() = what;
  } catch (...) {
    last_error().clear();
  }
  return status;
}

// No exception comes out.
template <class Work>
vitq_status status_of(Work&& work) noexcept {
  try {
    vitq::translated_memory(work);
    return VITQ_OK;
  } catch (const vitq::Error& error) {
    return failed(static_cast<vitq_status>(error.code()), error.what());
  } catch (const std::exception& error) {
    return failed(VITQ_INTERNAL, error.what());
  } catch (...) {
    return failed(VITQ_INTERNAL, "a failure without a name");
  }
}

template <class T>
T& given(T* pointer, const char* what) {
  check(pointer != nullptr, what, " is NULL");
  return *pointer;
}

std::vector<vitq::ImageView> views_of(const vitq_view* pictures, std::size_t count) {
  check(count > 0, "no pictures, expected at least one");
  check(count <= std::size_t{1} << 24, count, " pictures, expected at most ", std::size_t{1} << 24);
  given(pictures, "pictures");
  std::vector<vitq::ImageView> views;
  views.reserve(count);
  for (const vitq_view& view : std::span(pictures, count)) {
    check(view.format >= VITQ_RGB && view.format <= VITQ_GREY, "picture: pixel format ", view.format,
          ", expected 0 to ", int{VITQ_GREY});
    views.emplace_back(view.data, view.width, view.height, static_cast<vitq::PixelFormat>(view.format), view.stride);
  }
  return views;
}

vitq::Outputs outputs_of(const vitq_outputs* outputs) {
  const vitq_outputs& out = given(outputs, "outputs");
  const auto room = [](float* values, std::size_t size, const char* what) {
    check(values != nullptr || size == 0, what, " is NULL, but ", size, " floats are announced");
    check(values == nullptr || size > 0, what, " has room for 0 floats; expected NULL or some");
    return std::span(values, size);
  };
  return {.logits = room(out.logits, out.logits_size, "logits"),
          .embedding = room(out.embedding, out.embedding_size, "embedding"),
          .tokens = room(out.tokens, out.tokens_size, "tokens")};
}

vitq::ModelOptions options_of(std::uint32_t flags) {
  check((flags & ~std::uint32_t{VITQ_BF16}) == 0, "flags are ", flags, ", expected 0 or VITQ_BF16");
  return {.bf16 = (flags & VITQ_BF16) != 0};
}

vitq::DecodeOptions decoding_of(std::uint32_t flags) {
  check((flags & ~std::uint32_t{VITQ_AS_STORED}) == 0, "flags are ", flags, ", expected 0 or VITQ_AS_STORED");
  return {.apply_orientation = (flags & VITQ_AS_STORED) == 0};
}

}  // namespace

extern "C" {

const char* vitq_version(void) { return vitq::version(); }

const char* vitq_last_error(void) { return last_error().c_str(); }

vitq_status vitq_model_open(const char* path_or_name, uint32_t flags, vitq_model** model) {
  return status_of([&] {
    vitq_model*& out = given(model, "model");
    out = std::make_unique<vitq_model>(
              vitq_model{vitq::Model::open(&given(path_or_name, "path_or_name"), options_of(flags))})
              .release();
  });
}

vitq_status vitq_model_open_bytes(const void* bytes, size_t size, const char* name, uint32_t flags,
                                  vitq_model** model) {
  return status_of([&] {
    vitq_model*& out = given(model, "model");
    check(bytes != nullptr, "bytes is NULL");
    const std::span file(static_cast<const std::byte*>(bytes), size);
    out = std::make_unique<vitq_model>(vitq_model{vitq::Model::open(file, &given(name, "name"), options_of(flags))})
              .release();
  });
}

void vitq_model_free(vitq_model* model) { delete model; }

const char* vitq_model_name(const vitq_model* model) { return model == nullptr ? "" : model->model->name().c_str(); }

const char* vitq_model_precision(const vitq_model* model) {
  return model == nullptr ? "" : model->model->precision().c_str();
}

int64_t vitq_model_image_height(const vitq_model* model) { return model == nullptr ? 0 : model->model->image_height(); }

int64_t vitq_model_image_width(const vitq_model* model) { return model == nullptr ? 0 : model->model->image_width(); }

int64_t vitq_model_classes(const vitq_model* model) { return model == nullptr ? 0 : model->model->classes(); }

int64_t vitq_model_embedding_size(const vitq_model* model) {
  return model == nullptr ? 0 : model->model->embedding_size();
}

int64_t vitq_model_tokens(const vitq_model* model) { return model == nullptr ? 0 : model->model->tokens(); }

int64_t vitq_model_token_size(const vitq_model* model) { return model == nullptr ? 0 : model->model->token_size(); }

int64_t vitq_model_prefix_tokens(const vitq_model* model) {
  return model == nullptr ? 0 : model->model->prefix_tokens();
}

int vitq_model_has_class_token(const vitq_model* model) {
  return model != nullptr && model->model->has_class_token() ? 1 : 0;
}

const char* vitq_model_class_name(const vitq_model* model, int64_t index) {
  if (model == nullptr || index < 0 || index >= model->model->classes()) return nullptr;
  return model->model->class_names()[static_cast<std::size_t>(index)].c_str();
}

vitq_status vitq_model_top(const vitq_model* model, const float* logits, size_t logits_size, size_t count,
                           vitq_prediction* best) {
  return status_of([&] {
    const vitq::Model& of = *given(model, "model").model;
    given(logits, "logits");
    given(best, "best");
    check(count <= static_cast<std::size_t>(of.classes()), "best has room for ", count, " classes, expected at most ",
          of.classes());
    const auto top = of.top({logits, logits_size}, static_cast<int>(count));
    std::ranges::transform(top, best, [&](const vitq::Prediction& one) {
      return vitq_prediction{one.index, one.probability, vitq_model_class_name(model, one.index)};
    });
  });
}

vitq_status vitq_session_create(const vitq_model* model, int32_t threads, vitq_session** session) {
  return status_of([&] {
    vitq_session*& out = given(session, "session");
    out = std::make_unique<vitq_session>(vitq_session{vitq::Session(given(model, "model").model, {.threads = threads})})
              .release();
  });
}

void vitq_session_free(vitq_session* session) { delete session; }

int32_t vitq_session_threads(const vitq_session* session) {
  return session == nullptr ? 0 : session->session.threads();
}

int64_t vitq_session_memory(const vitq_session* session, int64_t batch) {
  int64_t bytes = -1;
  (void)status_of([&] { bytes = given(session, "session").session.memory(batch); });
  return bytes;
}

vitq_status vitq_session_run(vitq_session* session, const vitq_view* pictures, size_t count,
                             const vitq_outputs* outputs) {
  return status_of([&] { given(session, "session").session.run(views_of(pictures, count), outputs_of(outputs)); });
}

vitq_status vitq_session_run_floats(vitq_session* session, const float* values, size_t values_size, size_t count,
                                    const vitq_outputs* outputs) {
  return status_of([&] {
    given(values, "values");
    check(count <= std::size_t{1} << 24, count, " pictures, expected at most ", std::size_t{1} << 24);
    given(session, "session")
        .session.run(std::span(values, values_size), static_cast<std::int64_t>(count), outputs_of(outputs));
  });
}

vitq_status vitq_image_load(const char* path, vitq_image** image) { return vitq_image_load_with(path, 0, image); }

vitq_status vitq_image_decode(const void* bytes, size_t size, const char* name, vitq_image** image) {
  return vitq_image_decode_with(bytes, size, name, 0, image);
}

vitq_status vitq_image_load_with(const char* path, uint32_t flags, vitq_image** image) {
  return status_of([&] {
    vitq_image*& out = given(image, "image");
    out =
        std::make_unique<vitq_image>(vitq_image{vitq::load_image(&given(path, "path"), decoding_of(flags))}).release();
  });
}

vitq_status vitq_image_decode_with(const void* bytes, size_t size, const char* name, uint32_t flags,
                                   vitq_image** image) {
  return status_of([&] {
    vitq_image*& out = given(image, "image");
    check(bytes != nullptr, "bytes is NULL");
    const std::span file(static_cast<const std::uint8_t*>(bytes), size);
    out = std::make_unique<vitq_image>(vitq_image{vitq::decode_image(file, &given(name, "name"), decoding_of(flags))})
              .release();
  });
}

void vitq_image_free(vitq_image* image) { delete image; }

vitq_view vitq_image_view(const vitq_image* image) {
  if (image == nullptr) return {};
  return {image->image.rgb.data(), image->image.width, image->image.height, 0, VITQ_RGB};
}

vitq_status vitq_quantize(const char* model, const vitq_view* pictures, size_t count, int32_t weight_bits,
                          int32_t activation_bits, int32_t edge_bits, const char* out, vitq_progress progress,
                          void* context) {
  return status_of([&] {
    vitq::QuantizeSettings settings{
        .weight_bits = weight_bits, .activation_bits = activation_bits, .edge_bits = edge_bits};
    if (progress != nullptr) {
      settings.progress = [&](int done, int total, const std::string& site) {
        return progress(done, total, site.c_str(), context) != 0;
      };
    }
    vitq::quantize(&given(model, "model"), views_of(pictures, count), &given(out, "out"), settings);
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
