#pragma once
// Python's pickle format (docs.python.org/3/library/pickletools.html), read as data. A pickle is a program that builds
// objects and may call any function there is; here a call is only written down, for the reader to make sense of, and a
// function that was not expected is refused by its name. Nothing of a pickle ever runs.

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
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
  };

  Kind kind = Kind::kNone;
  std::int64_t integer = 0;  ///< of kInteger; of kBool 0 or 1
  double number = 0;         ///< of kFloat
  std::string text;          ///< of kString, and of kGlobal "module.name"; a stranger's text
  /// kTuple, kList: the elements. kDict, and kCall where entries were set on the result: key, value, key, value, ...
  /// kCall begins with two more: the kGlobal that is called and the kTuple of its arguments. kPersistent: what it is
  /// known by, one object.
  std::vector<const PickleNode*> items;
};

/// Move-only; nodes stay where they are when it is moved.
class Pickle {
 public:
  /// Reads all of `bytes`, protocols 2 to 5, and the opcodes that a state dict is written with. Only `globals`
  /// ("module.name") may be named. The state that is set on an object which was called for (BUILD) is dropped. Throws,
  /// beginning with `source`, on any other global or opcode, by name, on what breaks the format, and above its limits:
  /// 64 MiB, 2^21 objects, 256 containers begun inside each other, integers of 64 bits.
  Pickle(std::span<const std::uint8_t> bytes, std::span<const std::string_view> globals, const std::string& source);

  [[nodiscard]] const PickleNode& root() const { return *root_; }

 private:
  std::deque<PickleNode> nodes_;
  const PickleNode* root_ = nullptr;
};

}  // namespace vitq
