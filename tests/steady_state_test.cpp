// After the first forward passes of a shape vitq allocates nothing: this program counts every `new`, but for those that
// oneDNN makes for itself.

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string_view>

#include "quant/calibrate.h"
#include "tests/random.h"
#include "tests/sessions.h"
#include "tests/small_models.h"

namespace {

// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): operator new has no other place to count in
std::atomic<std::int64_t> allocations{0};
std::atomic<std::int64_t> allocations_of_onednn{0};
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

// Whether the code at `address` is oneDNN's, as the table of arguments that each of its execute calls makes is.
bool is_in_onednn(const void* address) {
  Dl_info found{};
  return dladdr(address, &found) != 0 && found.dli_fname != nullptr &&
         std::string_view(found.dli_fname).find("libdnnl") != std::string_view::npos;
}

void* counted_or_null(std::size_t size, std::size_t alignment, const void* caller) noexcept {
  (is_in_onednn(caller) ? allocations_of_onednn : allocations).fetch_add(1, std::memory_order_relaxed);
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  return std::aligned_alloc(alignment, rounded > 0 ? rounded : alignment);
}

void* counted(std::size_t size, std::size_t alignment, const void* caller) {
  if (void* memory = counted_or_null(size, alignment, caller)) return memory;
  throw std::bad_alloc();
}

// Not inline: where GCC sees free() behind a `new` that it has not inlined, it warns of a mismatch.
[[gnu::noinline]] void release(void* memory) noexcept { std::free(memory); }

constexpr std::size_t kUsual = alignof(std::max_align_t);

}  // namespace

void* operator new(std::size_t size) { return counted(size, kUsual, __builtin_return_address(0)); }
void* operator new[](std::size_t size) { return counted(size, kUsual, __builtin_return_address(0)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
// The standard library's would call the above; AddressSanitizer's would not.
void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return counted_or_null(size, kUsual, __builtin_return_address(0));
}
void* operator new[](std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return counted_or_null(size, kUsual, __builtin_return_address(0));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t& /*tag*/) noexcept {
  return counted_or_null(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t& /*tag*/) noexcept {
  return counted_or_null(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t& /*tag*/) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t& /*tag*/) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t& /*tag*/) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

using namespace vitq;

namespace {

std::int64_t allocations_of_a_pass(const Checkpoint& checkpoint, const ModelConfig& config, int threads,
                                   std::int64_t batch) {
  Session session = test::make_session(checkpoint, test::describe_config(config), {.threads = threads});
  const auto images = test::random_floats(batch * test::picture_size(session), 7, -2, 2);
  std::vector<float> logits(batch * config.classes);
  for (int i = 0; i < 2; ++i) session.run(images, batch, {.logits = logits});  // plans, and makes oneDNN's primitives
  const std::int64_t before = allocations;
  for (int i = 0; i < 3; ++i) session.run(images, batch, {.logits = logits});
  return allocations - before;
}

// The same of pictures that need no resizing.
std::int64_t allocations_of_pictures(const Checkpoint& checkpoint, const ModelConfig& config) {
  Session session = test::make_session(checkpoint, test::describe_config(config));
  const int side = static_cast<int>(config.image_size.height);
  const std::vector<std::uint8_t> pixels(std::size_t{3} * side * side, 77);
  const std::vector<ImageView> views(2, ImageView(pixels.data(), side, side));
  Preprocessing how = session.preprocessing();
  how.resize = 0;
  session = Session(session.impl().model, {.threads = 1, .preprocessing = how});
  std::vector<float> logits(2 * config.classes);
  for (int i = 0; i < 2; ++i) session.run(views, {.logits = logits});
  const std::int64_t before = allocations;
  for (int i = 0; i < 3; ++i) session.run(views, {.logits = logits});
  return allocations - before;
}

}  // namespace

TEST_CASE("steady state: a forward pass allocates nothing, in float and on integers, for any architecture") {
  const std::int64_t before = allocations;
  const std::vector<int> one(1);
  REQUIRE(allocations == before + 1);  // the counter counts
  for (const ModelConfig& config :
       {test::small_vit(true), test::odd_vit(), test::small_swin(), test::small_swin_v2()}) {
    const Checkpoint floats = Checkpoint::seeded(expected_tensors(config), 3);
    const auto images = test::random_floats(2 * 3 * config.image_size.pixels(), 7, -2, 2);
    CHECK(allocations_of_pictures(floats, config) == 0);
    for (const int threads : {1, 2}) {
      for (const std::int64_t batch : {1, 2}) {
        CAPTURE(threads);
        CAPTURE(batch);
        CHECK(allocations_of_a_pass(floats, config, threads, batch) == 0);
        for (const int bits : {4, 8}) {
          QuantizeOptions options;
          options.weight_bits = options.activation_bits = bits;
          const auto artifact = quantize_model(floats, test::describe_config(config), images, 2, options);
          CHECK(allocations_of_a_pass(artifact.artifact.checkpoint(), config, threads, batch) == 0);
        }
      }
    }
  }
  MESSAGE("oneDNN's own allocations, all in all: ", allocations_of_onednn);
}
