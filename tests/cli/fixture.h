#pragma once
// What the tests of the command line work on: a folder with a model small enough to run in no time, pictures, and the
// check that a refusal is a decent one.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/cli/process.h"
#include "tests/temporary_folder.h"

namespace vitq::test {

/// A binary PPM of smooth colours that differ with `seed`.
std::string ppm(int width, int height, std::uint64_t seed);

/// All that small.safetensors states of itself.
std::map<std::string, std::string> small_metadata();

/// A folder of its own with small.safetensors (ViT, 32 x 32 pixels, 10 classes) and cat.ppm.
class Workplace {
 public:
  Workplace();
  virtual ~Workplace() = default;
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] std::string operator()(const std::string& name) const { return path(name).string(); }
  std::string write(const std::string& name, std::string_view bytes) const { return folder_.write(name, bytes); }
  [[nodiscard]] std::string model() const { return (*this)("small.safetensors"); }
  [[nodiscard]] std::string picture() const { return (*this)("cat.ppm"); }
  /// headless.safetensors, made on first use: the same without a head (dim 64, 16 patches, a class token); or `name`,
  /// with a class token or without, seeded by `seed`.
  [[nodiscard]] std::string headless(const std::string& name = "headless.safetensors", bool class_token = true,
                                     std::uint64_t seed = 3) const;
  /// projecting.safetensors, made on first use: the same with a projection of the class token to 24 values (CLIP).
  [[nodiscard]] std::string projecting() const;
  /// The bytes of small.safetensors.
  [[nodiscard]] std::string model_bytes() const;
  /// The folder `calib` with eight pictures, made on first use.
  [[nodiscard]] std::string calibration_pictures() const;
  /// The file `name` of the folder, an artifact of the model made of all of those; `more` options go to `vitq
  /// quantize`.
  std::string quantized(const std::string& name, const std::vector<std::string>& more = {}) const;
  /// `text` with the folder's path taken out, for people.
  [[nodiscard]] std::string shortened(std::string text) const;

  /// run_vitq with a VITQ_HOME that lies in the folder, and VITQ_OFFLINE unless `setting` says otherwise: no test turns
  /// to a server that is not its own.
  Outcome run(const std::vector<std::string>& args, Setting setting = {}) const;

  /// Runs `args` and checks that they are refused decently: this exit code, nothing on standard output, on standard
  /// error one line that begins "vitq: error: " and holds all `words` (one more with the usage is allowed where the
  /// exit code is 2), nothing that a terminal would obey, no signal, no waiting. With VITQ_PRINT_TABLE=1 in the
  /// environment a row of a Markdown table is printed.
  void refuses(const std::vector<std::string>& args, int exit_code, const std::vector<std::string>& words,
               const Setting& setting = {}) const;
  /// Runs `args` and checks exit code 0 and an empty standard error (but for the warning that integers run at seven
  /// bits on a CPU without VNNI). Returns standard output.
  std::string accepts(const std::vector<std::string>& args, const Setting& setting = {}) const;

 private:
  /// Called before and after each run. For what works beside the test's thread: the program between the two is another
  /// process, through which no sanitizer sees an order.
  virtual void synchronise() const {}
  void tell(const std::vector<std::string>& args, const Outcome& outcome) const;

  TemporaryFolder folder_;
};

/// The lines of `text`.
std::vector<std::string> lines_of(const std::string& text);

}  // namespace vitq::test
