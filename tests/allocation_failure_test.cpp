// Memory that is not to be had: every allocation of vitq's while a model is opened and pictures are computed is made to
// fail in turn. Each time there is an Error with the code of memory, and what existed before works on. oneDNN's own
// allocations are left alone: its caches do not survive a failure (2.6.3).

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <string_view>

#include "models/words.h"
#include "quant/calibrate.h"
#include "tests/random.h"
#include "tests/sessions.h"
#include "tests/small_models.h"
#include "tests/temporary_folder.h"

namespace {

// How many allocations of this thread still succeed; negative: all.
thread_local std::int64_t still_to_succeed = -1;  // NOLINT: operator new has no other place to look
thread_local bool has_failed = false;             // NOLINT

bool is_in_onednn(const void* address) {
  Dl_info found{};
  return dladdr(address, &found) != 0 && found.dli_fname != nullptr &&
         std::string_view(found.dli_fname).find("libdnnl") != std::string_view::npos;
}

bool fails(const void* caller) noexcept {
  if (still_to_succeed < 0 || is_in_onednn(caller)) return false;
  if (still_to_succeed-- > 0) return false;
  still_to_succeed = -1;  // once
  has_failed = true;
  return true;
}

void* taken(std::size_t size, std::size_t alignment) noexcept {
  void* memory = nullptr;
  return ::posix_memalign(&memory, alignment, size > 0 ? size : 1) == 0 ? memory : nullptr;
}

void* allocated(std::size_t size, std::size_t alignment, const void* caller) {
  void* memory = fails(caller) ? nullptr : taken(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

// Not inline: where GCC sees free() behind a `new` that it has not inlined, it warns of a mismatch.
[[gnu::noinline]] void release(void* memory) noexcept { std::free(memory); }

constexpr std::size_t kUsual = alignof(std::max_align_t);

}  // namespace

void* operator new(std::size_t size) { return allocated(size, kUsual, __builtin_return_address(0)); }
void* operator new[](std::size_t size) { return allocated(size, kUsual, __builtin_return_address(0)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocated(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return allocated(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return fails(__builtin_return_address(0)) ? nullptr : taken(size, kUsual);
}
void* operator new[](std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return fails(__builtin_return_address(0)) ? nullptr : taken(size, kUsual);
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t& /*tag*/) noexcept {
  return fails(__builtin_return_address(0)) ? nullptr : taken(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t& /*tag*/) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

using namespace vitq;

namespace {

// Sanitizers make each opening some twenty times as slow: there every 37th allocation must do.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::int64_t kStep = 37;
#else
constexpr std::int64_t kStep = 1;
#endif

// work() with its n-th allocation failing, for n from 0 until none fails any more; after each failure still_works().
// Returns how many failed.
template <class Work, class StillWorks>
std::int64_t fail_each(const Work& work, const StillWorks& still_works) {
  for (std::int64_t n = 0;; n += kStep) {
    has_failed = false;
    still_to_succeed = n;
    bool is_memory = false;
    try {
      work();
      still_to_succeed = -1;
      if (!has_failed) return n;
    } catch (const Error& error) {
      still_to_succeed = -1;
      is_memory = error.code() == ErrorCode::kMemory;
      INFO(n, ": ", error.what());
      CHECK(is_memory);
    }
    // An allocation that was given up without harm is no failure of the call.
    still_works();
  }
}

struct Case {
  ModelConfig config;
  std::filesystem::path file;
  std::vector<float> images;  // three of them
};

// The smallest of their kind: each allocation costs one opening of the model.
ModelConfig tiny_vit() {
  ModelConfig config;
  config.image_size = 16;
  config.patch = 8;
  config.classes = 4;
  config.body = VitConfig{.blocks = {.depth = 1, .dim = 16, .heads = 2, .hidden = 32}, .distillation_token = true};
  return config;
}

ModelConfig tiny_swin() {
  ModelConfig config;
  config.image_size = 16;
  config.patch = 4;
  config.classes = 4;
  config.eps = 1e-5F;
  config.body = SwinConfig{
      .window = 2,
      .stages = {{.depth = 2, .dim = 16, .heads = 2, .hidden = 32}, {.depth = 1, .dim = 32, .heads = 2, .hidden = 32}}};
  return config;
}

std::vector<Case> cases(const std::filesystem::path& folder) {
  std::vector<Case> result;
  for (const ModelConfig& config : {tiny_vit(), tiny_swin()}) {
    const Checkpoint checkpoint = Checkpoint::seeded(expected_tensors(config), 3);
    const auto name = std::string(name_of(config.architecture()));
    const auto images = test::random_floats(3 * 3 * config.image_size.pixels(), 5);
    const auto floats = folder / (name + ".safetensors");
    save_checkpoint(floats, checkpoint,
                    {{"format", "vitq"},
                     {"heads", "2"},
                     {"image_size", to_string(config.image_size)},
                     {"patch_size", std::to_string(config.patch)}});
    result.push_back({config, floats, images});
    const auto integers = folder / (name + ".w4a4.safetensors");
    QuantizeOptions options;
    options.weight_bits = options.activation_bits = 4;
    options.threads = 1;
    quantize_model(Checkpoint::open(floats), describe(Checkpoint::open(floats)), images, 3, options)
        .artifact.write(integers);
    result.push_back({config, integers, images});
  }
  return result;
}

}  // namespace

TEST_CASE("every allocation of opening a model and of its first pass may fail") {
  const test::TemporaryFolder folder;
  for (const Case& of : cases(folder.path())) {
    CAPTURE(of.file);
    const std::span one = std::span(of.images).first(of.images.size() / 3);
    std::vector<float> logits(of.config.classes);
    const std::string file = of.file.string();
    const std::int64_t failed = fail_each(
        [&] {
          Session session(Model::open(file), {.threads = 1});
          session.run(one, 1, {.logits = logits});
        },
        [] {});
    CHECK(failed > 100);  // measured: some hundred
    MESSAGE(of.file.filename().string(), ": allocations made to fail: ", failed);
  }
}

TEST_CASE(
    "after each allocation that fails in a larger batch, the session computes smaller and larger ones as before") {
  const test::TemporaryFolder folder;
  for (const Case& of : cases(folder.path())) {
    for (const int threads : {1, 2}) {
      CAPTURE(of.file);
      CAPTURE(threads);
      const auto model = Model::open(of.file.string());
      const std::size_t size = of.images.size() / 3;
      Session reference(model, {.threads = threads});
      const auto expected = reference.run(of.images, 3).logits;
      std::vector<float> logits(3 * of.config.classes);
      // A new session for each, which has computed one picture and now gets three.
      std::int64_t n = 0;
      for (bool is_done = false; !is_done; ++n) {
        Session session(model, {.threads = threads});
        session.run(std::span(of.images).first(size), 1, {.logits = std::span(logits).first(of.config.classes)});
        has_failed = false;
        still_to_succeed = n;
        try {
          session.run(of.images, 3, {.logits = logits});
        } catch (const Error& error) {
          still_to_succeed = -1;
          CHECK(error.code() == ErrorCode::kMemory);
        }
        still_to_succeed = -1;
        is_done = !has_failed;
        const std::size_t two = 2;
        const auto some = session.run(std::span(of.images).first(two * size), 2).logits;
        CHECK(session.run(of.images, 3).logits == session.run(of.images, 3).logits);
        if (f32_rows_are_independent()) {
          CHECK(std::equal(some.begin(), some.end(), expected.begin()));
          CHECK(session.run(of.images, 3).logits == expected);
        }
      }
      CHECK(n > 3);
    }
  }
}
