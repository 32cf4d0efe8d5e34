#pragma once
// Python's pickle format (docs.python.org/3/library/pickletools.html), read as data. A pickle is a program that builds
// objects and may call any function there is; here a name, a call and what is done to its result are only written down,
// whatever they are, for the reader to make sense of or to leave alone. Nothing of a pickle ever runs.

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace vitq {

/// An object of a pickle, which owns it and all that it points to. Pointers may form a circle.
struct PickleNode {
  enum class Kind : std::uint8_t {
    kNone,
    kBool,
    kInteger,
    kFloat,
    kString,
    kTuple,
    kList,
    kDict,
    kGlobal,      ///< a class or function, by name
    kCall,        ///< what a class or function would have returned
    kPersistent,  ///< something that the pickle only refers to
    kClosed,      ///< data that is not told: bytes, a set, an integer beyond 64 bits, text with escapes (protocol 0)
  };

  Kind kind = Kind::kNone;
  std::int64_t integer = 0;  ///< of kInteger; of kBool 0 or 1
  double number = 0;         ///< of kFloat
  std::string text;          ///< of kString, and of kGlobal "module.name"; a stranger's text
  /// kTuple, kList: the elements. kDict, and kCall where entries were set on the result: key, value, key, value, ...
  /// kCall begins with two more: what is called, of any kind from kGlobal on, and the arguments, a kTuple or something
  /// of those kinds. kPersistent: what it is known by, one object.
  std::vector<const PickleNode*> items;
  const PickleNode* state = nullptr;  ///< what was last set as its state (BUILD)
};

/// Move-only; nodes stay where they are when it is moved.
class Pickle {
 public:
  /// Reads all of `bytes`, protocols 0 to 5. What is appended or added to something that is neither list nor dict is
  /// dropped. Throws, beginning with `source`, on what breaks the format, on data that lies outside of the file
  /// (buffers of protocol 5), and above its limits: 64 MiB, 2^21 objects, 256 containers begun inside each other, names
  /// of 256 bytes.
  Pickle(std::span<const std::uint8_t> bytes, const std::string& source);

  [[nodiscard]] const PickleNode& root() const { return *root_; }

 private:
  std::deque<PickleNode> nodes_;
  const PickleNode* root_ = nullptr;
};

}  // namespace vitq
