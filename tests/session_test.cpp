// Model and Session as an embedder sees them.

#include "vitq/session.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <numeric>
#include <thread>

#include "engine/picture/resize.h"
#include "tests/random.h"
#include "tests/sessions.h"
#include "tests/small_models.h"
#include "tests/temporary_folder.h"

using namespace vitq;

namespace {

Session small_session() {
  const ModelConfig config = test::small_vit(false);
  return test::make_session(Checkpoint::seeded(expected_tensors(config), 0), test::describe_config(config));
}

Image ramp(int width, int height) {
  Image image{.width = width, .height = height, .rgb = std::vector<std::uint8_t>(std::size_t{3} * width * height)};
  std::iota(image.rgb.begin(), image.rgb.end(), std::uint8_t{0});
  return image;
}

ErrorCode code_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("nothing was thrown");
  return ErrorCode::kInternal;
}

}  // namespace

TEST_CASE("top sorts by probability, breaks ties by index, and sums to one") {
  const Session session = small_session();
  const Model& model = session.model();
  const std::vector<float> logits{1, 3, 2, 3, 0, 0, 0, 0, 0, -1000};
  const auto all = model.top(logits, 100);
  REQUIRE(all.size() == 10);
  CHECK(all[0].index == 1);
  CHECK(all[1].index == 3);
  CHECK(all[2].index == 2);
  CHECK(all[0].name == "class 1");
  float total = 0;
  for (const Prediction& p : all) total += p.probability;
  CHECK(total == doctest::Approx(1.0));
  CHECK(model.top(logits, 3).size() == 3);
  CHECK(model.top(logits, -1).empty());
  CHECK_THROWS_AS((void)model.top(std::vector<float>(9), 3), Error);
}

TEST_CASE("top puts NaN last and infinity first, with probabilities that are numbers") {
  const Session session = small_session();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const auto mixed = session.model().top(std::vector<float>{nan, 1, nan, 3, 2, nan, 0, nan, -infinity, nan}, 10);
  const std::vector<int> expected{3, 4, 1, 6, 8, 0, 2, 5, 7, 9};
  for (std::size_t i = 0; i < mixed.size(); ++i) {
    CHECK(mixed[i].index == expected[i]);
    CHECK(std::isfinite(mixed[i].probability));
  }
  CHECK(mixed[9].probability == 0);
  const auto none = session.model().top(std::vector<float>(10, nan), 10);
  for (int i = 0; i < 10; ++i) {
    CHECK(none[i].index == i);
    CHECK(none[i].probability == 0);
  }
  std::vector<float> two(10, 0.0F);
  two[4] = two[7] = infinity;
  const auto infinite = session.model().top(two, 3);
  CHECK(infinite[0].index == 4);
  CHECK(infinite[0].probability == 0.5F);
  CHECK(infinite[2].probability == 0);
}

TEST_CASE("a session refuses what does not fit and works on") {
  Session session = small_session();
  const std::vector<float> images(test::picture_size(session), 0.25F);
  const auto expected = session.run(images, 1).logits;
  std::vector<float> room(10);
  const std::span<const ImageView> none;
  const Image picture = ramp(40, 50);
  const ImageView narrow(picture.rgb.data(), 40, 50, PixelFormat::kRgb, 119);
  const ImageView nothing(nullptr, 40, 50);
  const ImageView empty(picture.rgb.data(), 0, 50);
  const ImageView huge(picture.rgb.data(), 60000, 60000);
  const ImageView strange(picture.rgb.data(), 4, 5, static_cast<PixelFormat>(17));
  const std::vector<std::function<void()>> wrong = {
      [&] { session.run(images, 2, {.logits = room}); },
      [&] { session.run(images, 0, {.logits = room}); },
      [&] { session.run(images, -1, {.logits = room}); },
      [&] { session.run(std::span(images).first(5), 1, {.logits = room}); },
      [&] { session.run(images, 1, {.logits = std::span(room).first(9)}); },
      [&] { session.run(images, 1, {.embedding = room}); },
      [&] { session.run(images, 1, {.tokens = room}); },
      [&] { session.run(images, 1, Outputs{}); },
      [&] { session.run(none, {.logits = room}); },
      [&] { (void)session.classify(narrow); },
      [&] { (void)session.classify(nothing); },
      [&] { (void)session.classify(empty); },
      [&] { (void)session.classify(huge); },
      [&] { (void)session.classify(strange); },
      [&] { (void)session.memory(0); },
      [&] { Session no_model(nullptr); },
      [&] { Session less(small_session().impl().model, {.threads = -1}); },
      [&] { Session other(session.impl().model, {.preprocessing = Preprocessing{.image_size = 33}}); }};
  for (const auto& call : wrong) {
    CHECK(code_of(call) == ErrorCode::kArgument);
    CHECK(session.run(images, 1).logits == expected);
  }
  Session moved = std::move(session);
  CHECK(code_of([&] { (void)session.threads(); }) == ErrorCode::kArgument);  // NOLINT(bugprone-use-after-move)
  CHECK(moved.run(images, 1).logits == expected);
}

TEST_CASE("a picture in any pixel format, with any stride, is classified as its floats are") {
  for (const ModelConfig& config : {test::small_vit(false), test::small_swin(), test::small_swin_v2()}) {
    Session session =
        test::make_session(Checkpoint::seeded(expected_tensors(config), 0), test::describe_config(config));
    const Image image = ramp(70, 81);
    std::vector<float> pixels(test::picture_size(session));
    preprocess(image, session.preprocessing(), pixels);
    const auto expected = session.run(pixels, 1).logits;
    for (const PixelFormat format : {PixelFormat::kRgb, PixelFormat::kRgba, PixelFormat::kBgr, PixelFormat::kBgra}) {
      const int step = bytes_per_pixel(format);
      const std::ptrdiff_t stride = 70 * step + 5;
      const bool swaps = format == PixelFormat::kBgr || format == PixelFormat::kBgra;
      std::vector<std::uint8_t> bytes(stride * 81, 99);
      for (int y = 0; y < 81; ++y) {
        for (int x = 0; x < 70; ++x) {
          for (int c = 0; c < 3; ++c) {
            bytes[y * stride + x * step + (swaps ? 2 - c : c)] = image.rgb[(y * 70 + x) * 3 + c];
          }
        }
      }
      const ImageView view(bytes.data(), 70, 81, format, stride);
      CHECK(session.run(std::span(&view, 1)).logits == expected);
      CHECK(session.classify(view, 2)[0].index == session.model().top(expected, 1)[0].index);
    }
  }
}

TEST_CASE("grey pixels are three equal channels") {
  Session session = small_session();
  std::vector<std::uint8_t> grey(40 * 50);
  std::iota(grey.begin(), grey.end(), std::uint8_t{3});
  Image image{.width = 40, .height = 50, .rgb = {}};
  for (const std::uint8_t value : grey) image.rgb.insert(image.rgb.end(), 3, value);
  const ImageView views[] = {{grey.data(), 40, 50, PixelFormat::kGrey}, image};
  const auto logits = session.run(views).logits;
  CHECK(std::equal(logits.begin(), logits.begin() + 10, logits.begin() + 10));
}

TEST_CASE("logits, embedding and tokens come from one pass, whichever is asked for") {
  for (const ModelConfig& config :
       {test::small_vit(false), test::small_vit(true), test::small_swin(), test::small_swin_v2()}) {
    Session session =
        test::make_session(Checkpoint::seeded(expected_tensors(config), 2), test::describe_config(config));
    const Model& model = session.model();
    const auto images = test::random_floats(2 * test::picture_size(session), 4, -2, 2);
    const Result all = session.run(images, 2, {.logits = true, .embedding = true, .tokens = true});
    CHECK(session.run(images, 2).logits == all.logits);
    CHECK(session.run(images, 2, {.logits = false, .embedding = true}).embedding == all.embedding);
    CHECK(session.run(images, 2, {.logits = false, .tokens = true}).tokens == all.tokens);
    CHECK(std::ssize(all.tokens) == 2 * model.tokens() * model.embedding_size());
    const std::int64_t dim = model.embedding_size();
    for (std::int64_t b = 0; b < 2; ++b) {
      for (std::int64_t c = 0; c < dim; ++c) {
        const auto token = [&](std::int64_t t) { return all.tokens[(b * model.tokens() + t) * dim + c]; };
        double expected = token(0);
        if (config.head().pool == Pool::kTwoTokens) expected = (double{token(0)} + token(1)) / 2;
        if (config.head().pool == Pool::kMean) {
          expected = 0;
          for (std::int64_t t = 0; t < model.tokens(); ++t)
            expected += double{token(t)} / static_cast<double>(model.tokens());
        }
        CHECK(all.embedding[b * dim + c] == doctest::Approx(expected).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("a model from bytes is the model from the file, at any alignment") {
  const test::TemporaryFolder folder;
  const ModelConfig config = test::small_vit(false);
  const auto file = folder.path() / "small.safetensors";
  save_checkpoint(file, Checkpoint::seeded(expected_tensors(config), 3), {{"format", "vitq"}, {"heads", "2"}});
  std::ifstream stream(file, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(stream), {}};
  Session from_file(Model::open(file.string()), {.threads = 1});
  const auto images = test::random_floats(test::picture_size(from_file), 4, -2, 2);
  for (const std::size_t offset : {0, 1, 2}) {
    std::vector<std::byte> bytes(content.size() + offset);
    std::memcpy(bytes.data() + offset, content.data(), content.size());
    auto model = Model::open(std::span<const std::byte>(bytes).subspan(offset), "some bytes");
    bytes.assign(bytes.size(), std::byte{0xff});  // nothing of them is needed any more
    Session from_bytes(std::move(model), {.threads = 1});
    CHECK(from_bytes.run(images, 1).logits == from_file.run(images, 1).logits);
  }
  CHECK_THROWS_WITH_AS((void)Model::open(std::as_bytes(std::span(content)).first(100), "cut bytes"),
                       doctest::Contains("cut bytes"), Error);
}

TEST_CASE("a description that was changed behind describe()'s back is refused, not run") {
  const ModelConfig config = test::small_vit(false);
  const Checkpoint checkpoint = Checkpoint::seeded(expected_tensors(config), 0);
  const auto refused = [&](const std::function<void(ModelDescription&)>& change) {
    ModelDescription description = test::describe_config(config);
    change(description);
    CHECK(code_of([&] { (void)make_model(checkpoint, description); }) == ErrorCode::kArgument);
  };
  refused([](ModelDescription& d) { d.config.image_size = 16; });  // the stream would overflow
  refused([](ModelDescription& d) { d.config.image_size = 64; });  // a wrong answer in silence
  refused([](ModelDescription& d) { d.config.vit().blocks.dim = 32; });
  refused([](ModelDescription& d) { d.config.vit().blocks.hidden = 64; });
  refused([](ModelDescription& d) { d.config.classes = 11; });
  refused([](ModelDescription& d) { d.config.vit().distillation_token = true; });
  refused([](ModelDescription& d) { d.class_names.pop_back(); });  // top() would read past the end
  const ModelConfig swin = test::small_swin();
  const Checkpoint windows = Checkpoint::seeded(expected_tensors(swin), 0);
  ModelDescription description = test::describe_config(swin);
  description.config.swin().window = 4;
  CHECK(code_of([&] { (void)make_model(windows, description); }) == ErrorCode::kArgument);
}

TEST_CASE("a session that is at work in one thread refuses another") {
  Session session = small_session();
  const std::vector<float> images(test::picture_size(session), 0.25F);
  const auto expected = session.run(images, 1).logits;
  session.impl().is_busy.test_and_set();  // as a pass in another thread does
  CHECK(code_of([&] { (void)session.run(images, 1); }) == ErrorCode::kArgument);
  session.impl().is_busy.clear();
  CHECK(session.run(images, 1).logits == expected);
}

TEST_CASE("sessions of one model in four threads share its weights and answer as one alone") {
  const ModelConfig config = test::small_swin();
  const Session first =
      test::make_session(Checkpoint::seeded(expected_tensors(config), 5), test::describe_config(config));
  const std::shared_ptr<const Model> model = first.impl().model;
  const auto images = test::random_floats(4 * test::picture_size(first), 4, -2, 2);
  const std::int64_t size = test::picture_size(first);
  std::vector<std::vector<float>> alone(4);
  std::vector<std::vector<float>> together(4);
  const auto run = [&](int i, std::vector<float>& into) {
    Session session(model, {.threads = 1});
    for (int round = 0; round < 3; ++round) into = session.run(std::span(images).subspan(i * size, size), 1).logits;
  };
  for (int i = 0; i < 4; ++i) run(i, alone[i]);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) threads.emplace_back([&, i] { run(i, together[i]); });
  for (std::thread& thread : threads) thread.join();
  CHECK(together == alone);
}

TEST_CASE("memory() grows with the batch and covers what a pass takes") {
  Session session = small_session();
  CHECK(session.memory(2) > session.memory(1));
  CHECK(session.memory(1) > Workspace::kTileBytes);
}
