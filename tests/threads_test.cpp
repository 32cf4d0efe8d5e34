// Several Sessions in several threads at once: what an embedder does who serves requests in parallel. They share
// oneDNN's caches and, where they are made of one file, its mapping; nothing else.

#include "engine/threads.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "models/words.h"
#include "quant/calibrate.h"
#include "tests/random.h"
#include "tests/sessions.h"
#include "tests/small_models.h"
#include "tests/temporary_folder.h"

using namespace vitq;

namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 3;
constexpr std::int64_t kBatch = 2;

/// The logits of pictures of its own for each thread.
std::vector<float> logits_of(Session& session, int thread) {
  const auto images = test::random_floats(kBatch * test::picture_size(session), 100U + static_cast<unsigned>(thread));
  return session.run(images, kBatch).logits;
}

/// Whether they are the same bits; where oneDNN gives a row other bits beside other rows, nearly so.
bool is_same(const std::vector<float>& a, const std::vector<float>& b) {
  if (f32_rows_are_independent()) return a == b;
  constexpr float kNear = 1e-5F;
  return std::ranges::equal(a, b,
                            [](float x, float y) { return std::fabs(x - y) <= kNear * std::max(1.0F, std::fabs(x)); });
}

/// Runs body(thread) in kThreads threads, which all begin at once.
template <class Body>
void at_once(const Body& body) {
  std::atomic<int> ready = 0;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      ++ready;
      while (ready < kThreads) std::this_thread::yield();
      body(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

/// Opens `file` in each thread, runs it there, and compares with one Session that runs alone.
void check_file(const std::filesystem::path& file) {
  std::vector<std::vector<float>> expected;
  Session alone(Model::open(file.string()), {.threads = 1});
  expected.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) expected.push_back(logits_of(alone, i));
  std::vector<std::vector<float>> found(kThreads);
  at_once([&](int i) {
    for (int round = 0; round < kRounds; ++round) {
      Session own(Model::open(file.string()), {.threads = 1 + i % 2});
      found[i] = logits_of(own, i);
      if (!is_same(found[i], expected[i])) break;
    }
  });
  for (int i = 0; i < kThreads; ++i) CHECK(is_same(found[i], expected[i]));
  CHECK(found[0] != found[1]);
}

}  // namespace

TEST_CASE("sessions in four threads at once answer as one alone") {
  const test::TemporaryFolder folder;
  for (const ModelConfig& config : {test::small_vit(true), test::small_swin(), test::small_swin_v2()}) {
    const auto file = folder.path() / "float.safetensors";
    save_checkpoint(file, Checkpoint::seeded(expected_tensors(config), 3), metadata_of(test::describe_config(config)));
    check_file(file);

    const Checkpoint checkpoint = Checkpoint::open(file);
    const ModelDescription description = describe(checkpoint);
    constexpr std::int64_t kPictures = 4;
    const auto images = test::random_floats(kPictures * 3 * config.image_size.pixels(), 5);
    const auto quantized = folder.path() / "int8.safetensors";
    QuantizeOptions how;
    how.threads = 1;
    quantize_model(checkpoint, description, images, kPictures, how).artifact.write(quantized);
    check_file(quantized);
  }
}

TEST_CASE("a model inside a parallel region has the threads that it was opened for or refuses to run") {
  const ModelConfig config = test::small_vit(false);
  const Checkpoint checkpoint = Checkpoint::seeded(expected_tensors(config), 3);
  Session one = test::make_session(checkpoint, test::describe_config(config), {.threads = 1});
  const std::vector<float> expected = logits_of(one, 0);
  if (granted_threads(2) < 2) return;  // OMP_THREAD_LIMIT
  Session two = test::make_session(checkpoint, test::describe_config(config), {.threads = 2});
  CHECK(is_same(logits_of(two, 0), expected));
  std::atomic<int> right = 0;
  const ThreadScope scope(2);
  parallel_for(2, 1, [&](std::int64_t begin, std::int64_t) {
    if (begin != 0) return;
    try {
      (void)logits_of(two, 0);
    } catch (const Error& error) {
      right += std::string(error.what()).find("made for 2 threads, but OpenMP grants 1 here") != std::string::npos;
    }
    Session here = test::make_session(checkpoint, test::describe_config(config), {.threads = 2});
    right += here.threads() == 1 && is_same(logits_of(here, 0), expected) ? 1 : 0;
  });
  CHECK(right == 2);
}

TEST_CASE("pictures are decoded and models refused in four threads at once") {
  const test::TemporaryFolder folder;
  std::string ppm = "P6 40 50 255\n";
  for (int i = 0; i < 40 * 50 * 3; ++i) ppm += static_cast<char>(i % 251);
  const auto picture = folder.write("a.ppm", ppm);
  const auto broken = folder.write("broken.safetensors", "no model");
  const Image expected = load_image(picture);
  std::atomic<int> right = 0;
  at_once([&](int) {
    if (load_image(picture).rgb == expected.rgb) ++right;
    try {
      (void)Model::open(broken.string());
    } catch (const Error&) {
      ++right;
    }
  });
  CHECK(right == 2 * kThreads);
}
