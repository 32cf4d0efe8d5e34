#pragma once
// What a pickle's opcodes work on: a stack of objects, marks in it, and a memo of what is met again. Nothing is taken
// that is not there, and there is a limit to all three.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "weights/pickle.h"
#include "weights/pickle_bytes.h"

namespace vitq {

using PickleItems = std::vector<const PickleNode*>;

class PickleStack {
 public:
  /// Objects are made in `nodes`; errors are those of `bytes`, at its opcode. Both must outlive it.
  PickleStack(std::deque<PickleNode>& nodes, const PickleBytes& bytes) : nodes_(nodes), bytes_(bytes) {}

  /// Puts a new object on top.
  PickleNode& push_new(PickleNode::Kind kind);
  PickleNode& push_new(PickleNode::Kind kind, PickleItems items);
  /// An object that is there already, again.
  void push(PickleNode* node);
  void push_mark();

  /// Whether there is an object above the last mark.
  [[nodiscard]] bool has_object() const { return stack_.size() > (marks_.empty() ? 0 : marks_.back()); }
  PickleNode* top();
  PickleNode* pop();
  /// The last so many, in the order in which they were put there.
  PickleItems pop_many(std::size_t count);
  /// All above the last mark, which goes too.
  PickleItems pop_marked();

  /// Stores what is on top under a number, or under the next one.
  void remember(std::uint64_t index);
  void remember() { remember(memo_.size()); }
  void recall(std::uint64_t index);

  /// The one object that is left.
  PickleNode* take_last();

 private:
  std::deque<PickleNode>& nodes_;
  const PickleBytes& bytes_;
  std::size_t values_ = 0;  ///< pushed so far
  std::vector<PickleNode*> stack_;
  std::vector<std::size_t> marks_;  ///< heights of the stack
  std::vector<PickleNode*> memo_;
};

}  // namespace vitq
