// Random sequences of calls of the C API: models, sessions and pictures are made, used, mixed and freed in any order,
// with NULL and nonsense among the arguments. Only what no library can see is left out: freed handles, and memory that
// is smaller than announced. A call may succeed or fail with a text; all else is a finding.

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "models/describe.h"
#include "quant/calibrate.h"
#include "tests/fuzz/fuzz.h"
#include "tests/random.h"
#include "vitq/vitq.h"
#include "weights/artifact.h"

namespace vitq::fuzz {
namespace {

// Two models of four classes and 8 pixels, as bytes of files: one of floats, one quantized.
std::vector<std::string> make_files() {
  ModelConfig config;
  config.image_size = 8;
  config.patch = 4;
  config.classes = 4;
  config.body = VitConfig{.blocks = {.depth = 1, .dim = 8, .heads = 2, .hidden = 8}};
  const Checkpoint seeded = Checkpoint::seeded(expected_tensors(config), 1);
  const std::map<std::string, std::string> metadata = {
      {"format", "vitq"}, {"heads", "2"}, {"image_size", "8"}, {"patch_size", "4"}};
  std::vector<std::string> files(2);
  const auto read_back = [](const std::filesystem::path& path, std::string& into) {
    const SafetensorsFile file(path);
    into.resize(file.file_size());
    FILE* stream = std::fopen(path.c_str(), "rb");
    if (stream == nullptr || std::fread(into.data(), 1, into.size(), stream) != into.size()) std::abort();
    (void)std::fclose(stream);
  };
  const auto folder = std::filesystem::temp_directory_path();
  const auto path = folder / ("vitq_c_api_fuzz_" + std::to_string(::getpid()) + ".safetensors");
  save_checkpoint(path, seeded, metadata);
  read_back(path, files[0]);
  const Checkpoint floats = Checkpoint::open(path);
  const auto images = test::random_floats(2 * 3 * 8 * 8, 1);
  const QuantizedModel quantized = quantize_model(floats, describe(floats), images, 2, {});
  std::filesystem::remove(path);
  quantized.artifact.write(path);
  read_back(path, files[1]);
  std::filesystem::remove(path);
  return files;
}

// The input, byte by byte; zeros behind its end.
class Choices {
 public:
  explicit Choices(Bytes bytes) : bytes_(bytes) {}
  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t value = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return value;
  }
  [[nodiscard]] bool done() const { return bytes_.empty(); }
  /// One of `values`.
  template <class T>
  T of(std::initializer_list<T> values) {
    return values.begin()[byte() % values.size()];
  }

 private:
  Bytes bytes_;
};

class Caller {
 public:
  explicit Caller(Choices& choices) : choices_(choices) {}
  ~Caller() {
    for (vitq_image* image : images_) vitq_image_free(image);
    for (vitq_model* model : models_) vitq_model_free(model);
    for (vitq_session* session : sessions_) vitq_session_free(session);
  }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  void call() {
    switch (choices_.byte() % 12) {
      case 0:
        open();
        break;
      case 1:
        create_session();
        break;
      case 2:
      case 3:
        run_pictures();
        break;
      case 4:
      case 5:
        run_floats();
        break;
      case 6:
        ask_model();
        break;
      case 7:
        rank();
        break;
      case 8:
        decode();
        break;
      case 9:
        free_something();
        break;
      case 10:
        quantize();
        break;
      default:
        ask_session();
    }
  }

 private:
  // A failure has a text; success does not touch what the last one said.
  static bool ok(vitq_status status) {
    if (status < VITQ_OK || status > VITQ_INTERNAL || status == VITQ_INTERNAL) std::abort();
    if (status != VITQ_OK && std::strlen(vitq_last_error()) == 0) std::abort();
    return status == VITQ_OK;
  }

  template <class T>
  T* one_of(const std::vector<T*>& handles) {
    if (handles.empty() || choices_.byte() % 16 == 0) return nullptr;
    return handles[choices_.byte() % handles.size()];
  }

  void open() {
    static const std::vector<std::string> kFiles = make_files();
    std::string file = kFiles[choices_.byte() % kFiles.size()];
    if (choices_.byte() % 4 == 0) {  // a damaged one
      const std::size_t at = (choices_.byte() * 256U + choices_.byte()) % file.size();
      file[at] = static_cast<char>(choices_.byte());
      if (choices_.byte() % 4 == 0) file.resize(at);
    }
    vitq_model* model = nullptr;
    const std::uint32_t flags = choices_.of<std::uint32_t>({0, 0, 0, VITQ_BF16, 2, 0xffffffff});
    const char* name = choices_.byte() % 16 == 0 ? nullptr : "some bytes";
    const void* bytes = choices_.byte() % 16 == 0 ? nullptr : file.data();
    vitq_model** out = choices_.byte() % 32 == 0 ? nullptr : &model;
    if (models_.size() >= 4) return;
    if (ok(vitq_model_open_bytes(bytes, file.size(), name, flags, out))) models_.push_back(model);
    if (ok(vitq_model_open(choices_.of<const char*>({nullptr, "", "/", "deit_x", "no/file"}), flags, out)))
      std::abort();
  }

  void create_session() {
    if (sessions_.size() >= 4) return;
    vitq_session* session = nullptr;
    const std::int32_t threads = choices_.of<std::int32_t>({1, 1, 0, 2, -1, std::numeric_limits<std::int32_t>::min()});
    if (ok(vitq_session_create(one_of(models_), threads, choices_.byte() % 32 == 0 ? nullptr : &session))) {
      sessions_.push_back(session);
    }
  }

  // Room for up to `most` pictures of any model here, of which any part may be announced.
  vitq_outputs room(std::int64_t count, std::vector<float>& memory) {
    constexpr std::size_t kEach = 4 + 8 + 5 * 8;
    memory.assign(static_cast<std::size_t>(count > 0 ? count : 1) * kEach, 0.0F);
    vitq_outputs outputs{};
    const auto n = static_cast<std::size_t>(count > 0 ? count : 0);
    const std::uint8_t which = choices_.byte();
    const std::size_t off = choices_.byte() % 8 == 0 ? 1 : 0;
    if ((which & 1) != 0) outputs.logits = memory.data(), outputs.logits_size = n * 4 - (n > 0 ? off : 0);
    if ((which & 2) != 0) outputs.embedding = memory.data() + n * 4, outputs.embedding_size = n * 8 - (n > 0 ? off : 0);
    if ((which & 4) != 0) outputs.tokens = memory.data() + n * 12, outputs.tokens_size = n * 40 - (n > 0 ? off : 0);
    if ((which & 8) != 0) outputs.logits = nullptr;
    if ((which & 16) != 0) outputs.tokens_size = 0;
    return outputs;
  }

  vitq_view view(std::vector<std::uint8_t>& memory) {
    vitq_view result{};
    result.format = choices_.of<std::int32_t>({0, 1, 2, 3, 4, 5, -1, 1000});
    result.width = choices_.of<std::int32_t>({8, 9, 1, 40, 200, 0, -3, std::numeric_limits<std::int32_t>::max()});
    result.height = choices_.of<std::int32_t>({8, 8, 7, 30, 300, 0, -1, std::numeric_limits<std::int32_t>::min()});
    result.stride = choices_.of<std::ptrdiff_t>({0, 0, 1000, 3, -24, std::numeric_limits<std::ptrdiff_t>::min()});
    constexpr std::size_t kMost = std::size_t{1000} * 300;  // the largest that is valid above
    memory.resize(kMost);
    if (!memory.empty()) memory[choices_.byte()] = choices_.byte();
    result.data = choices_.byte() % 16 == 0 ? nullptr : memory.data();
    return result;
  }

  void run_pictures() {
    std::vector<std::vector<std::uint8_t>> pixels(3);
    std::vector<vitq_view> views;
    for (auto& memory : pixels) views.push_back(choices_.byte() % 2 == 0 ? of_image() : view(memory));
    const auto count = choices_.of<std::size_t>({1, 2, 3, 0});
    std::vector<float> memory;
    const vitq_outputs outputs = room(static_cast<std::int64_t>(count), memory);
    ok(vitq_session_run(one_of(sessions_), choices_.byte() % 32 == 0 ? nullptr : views.data(), count,
                        choices_.byte() % 32 == 0 ? nullptr : &outputs));
  }

  vitq_view of_image() { return vitq_image_view(one_of(images_)); }

  void run_floats() {
    const auto count = choices_.of<std::size_t>({1, 2, 3, 0, std::numeric_limits<std::size_t>::max(), 1 << 20});
    std::vector<float> values(std::size_t{3} * 3 * 8 * 8);
    const float fill = choices_.of<float>(
        {0.5F, -1e30F, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()});
    for (float& value : values) value = fill;
    const std::size_t announced = choices_.byte() % 4 == 0 ? choices_.byte() : (count % 4) * 3 * 8 * 8;
    std::vector<float> memory;
    const vitq_outputs outputs = room(count <= 3 ? static_cast<std::int64_t>(count) : 1, memory);
    ok(vitq_session_run_floats(one_of(sessions_), choices_.byte() % 32 == 0 ? nullptr : values.data(),
                               announced <= values.size() ? announced : values.size(), count, &outputs));
  }

  void ask_model() {
    const vitq_model* model = one_of(models_);
    if (vitq_model_name(model) == nullptr || vitq_model_precision(model) == nullptr) std::abort();
    const std::int64_t classes = vitq_model_classes(model);
    if ((model == nullptr) != (classes == 0)) std::abort();
    (void)vitq_model_image_height(model);
    (void)vitq_model_image_width(model);
    (void)vitq_model_embedding_size(model);
    (void)vitq_model_tokens(model);
    (void)vitq_model_token_size(model);
    (void)vitq_model_prefix_tokens(model);
    (void)vitq_model_has_class_token(model);
    const auto index = choices_.of<std::int64_t>(
        {0, 3, 4, -1, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()});
    const bool is_there = index >= 0 && index < classes;
    if ((vitq_model_class_name(model, index) != nullptr) != is_there) std::abort();
  }

  void rank() {
    std::vector<float> logits(4);
    for (float& logit : logits) {
      logit = choices_.of<float>({0, 1, -1, 1e38F, std::numeric_limits<float>::quiet_NaN(),
                                  std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()});
    }
    std::vector<vitq_prediction> best(8);
    const auto count = choices_.of<std::size_t>({1, 4, 0, 5, std::numeric_limits<std::size_t>::max()});
    const auto announced = choices_.of<std::size_t>({4, 4, 3, 0});
    const vitq_model* model = one_of(models_);
    if (!ok(vitq_model_top(model, logits.data(), announced, count,
                           choices_.byte() % 32 == 0 ? nullptr : best.data()))) {
      return;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (!std::isfinite(best[i].probability) || best[i].name == nullptr) std::abort();
    }
  }

  void decode() {
    if (images_.size() >= 4) return;
    std::string ppm =
        "P6 " + std::to_string(1 + choices_.byte() % 20) + " " + std::to_string(1 + choices_.byte() % 20) + " 255\n";
    ppm.resize(ppm.size() + std::size_t{3} * 20 * 20, static_cast<char>(choices_.byte()));
    vitq_image* image = nullptr;
    if (ok(vitq_image_decode_with(choices_.byte() % 32 == 0 ? nullptr : ppm.data(), ppm.size(),
                                  choices_.byte() % 32 == 0 ? nullptr : "a picture",
                                  choices_.of<std::uint32_t>({0, VITQ_AS_STORED, 2, 0xffffffff}), &image))) {
      images_.push_back(image);
    }
    if (ok(vitq_image_load(choices_.of<const char*>({nullptr, "", "no/picture"}), &image))) std::abort();
  }

  template <class T, class Free>
  void free_one(std::vector<T*>& handles, const Free& free) {
    if (handles.empty()) return;
    const std::size_t i = choices_.byte() % handles.size();
    free(handles[i]);
    handles.erase(handles.begin() + static_cast<std::ptrdiff_t>(i));
  }

  void free_something() {
    switch (choices_.byte() % 4) {
      case 0:
        free_one(models_, vitq_model_free);  // its sessions live on
        break;
      case 1:
        free_one(sessions_, vitq_session_free);
        break;
      case 2:
        free_one(images_, vitq_image_free);
        break;
      default:
        vitq_model_free(nullptr);
        vitq_session_free(nullptr);
        vitq_image_free(nullptr);
    }
  }

  void quantize() {
    std::vector<std::uint8_t> memory;
    const vitq_view one = view(memory);
    if (ok(vitq_quantize(choices_.of<const char*>({nullptr, "no/model", ""}), &one, choices_.of<std::size_t>({0, 1}),
                         choices_.byte() % 12, choices_.byte() % 12, choices_.byte() % 12,
                         choices_.of<const char*>({nullptr, "/no/out"}), nullptr, nullptr))) {
      std::abort();
    }
  }

  void ask_session() {
    const vitq_session* session = one_of(sessions_);
    if ((session == nullptr) != (vitq_session_threads(session) == 0)) std::abort();
    const auto batch = choices_.of<std::int64_t>({1, 8, 0, -1, std::numeric_limits<std::int64_t>::max()});
    const std::int64_t bytes = vitq_session_memory(session, batch);
    if (session == nullptr && bytes != -1) std::abort();
    if (bytes < -1) std::abort();
  }

  Choices& choices_;
  std::vector<vitq_model*> models_;
  std::vector<vitq_session*> sessions_;
  std::vector<vitq_image*> images_;
};

}  // namespace
}  // namespace vitq::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMost = 2000;
  vitq::fuzz::Choices choices({data, size < kMost ? size : kMost});
  vitq::fuzz::Caller caller(choices);
  while (!choices.done()) caller.call();
  return 0;
}
