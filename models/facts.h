#pragma once
// What is known of a model, and who says so. A guess is never shown as a fact.

#include <cstdint>
#include <string>
#include <vector>

namespace vitq {

enum class Source : std::uint8_t {
  kCaller,    ///< whoever opened the model
  kFile,      ///< the file's metadata, under vitq's mark
  kConfig,    ///< a config.json beside the file
  kTensors,   ///< shapes and names of the weights
  kRow,       ///< a published model: named by the caller, or the only one of these shapes
  kFileName,  ///< what the file is called: a guess
  kAssumed,   ///< what is usual: a guess
};

constexpr bool is_guess(Source source) { return source == Source::kFileName || source == Source::kAssumed; }

struct Fact {
  std::string what;   ///< "heads", "mean": the names of metadata_of
  std::string value;  ///< for people
  Source source = Source::kAssumed;
  std::string from;  ///< the source in words: "metadata", "row deit_t", "assumed"
};

/// "mean 0.5,0.5,0.5 (the file's name)".
inline std::string to_string(const Fact& fact) { return fact.what + ' ' + fact.value + " (" + fact.from + ')'; }

using Facts = std::vector<Fact>;

}  // namespace vitq
