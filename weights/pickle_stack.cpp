#include "weights/pickle_stack.h"

#include <utility>

namespace vitq {
namespace {

constexpr std::size_t kMaxValues = std::size_t{1} << 21;
constexpr std::size_t kMaxMarks = 256;

}  // namespace

void PickleStack::push(PickleNode* node) {
  if (++values_ > kMaxValues) bytes_.refuse("holds more than ", kMaxValues, " objects");
  stack_.push_back(node);
}

PickleNode& PickleStack::push_new(PickleNode::Kind kind) {
  push(&nodes_.emplace_back());
  nodes_.back().kind = kind;
  return nodes_.back();
}

PickleNode& PickleStack::push_new(PickleNode::Kind kind, PickleItems items) {
  PickleNode& node = push_new(kind);
  node.items = std::move(items);
  return node;
}

void PickleStack::push_mark() {
  if (marks_.size() == kMaxMarks) bytes_.refuse("begins more than ", kMaxMarks, " containers inside each other");
  marks_.push_back(stack_.size());
}

PickleNode* PickleStack::top() {
  if (!has_object()) bytes_.refuse(opcode_name(bytes_.opcode()), " needs an object, found none");
  return stack_.back();
}

PickleNode* PickleStack::pop() {
  PickleNode* node = top();
  stack_.pop_back();
  return node;
}

PickleItems PickleStack::pop_many(std::size_t count) {
  PickleItems items(count);
  for (std::size_t i = count; i > 0; --i) items[i - 1] = pop();
  return items;
}

PickleItems PickleStack::pop_marked() {
  if (marks_.empty()) bytes_.refuse(opcode_name(bytes_.opcode()), " needs a mark, found none");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  PickleItems items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleStack::remember(std::uint64_t index) {
  if (index >= kMaxValues) {
    bytes_.refuse("stores an object as number ", index, ", expected less than ", kMaxValues);
  }
  PickleNode* node = top();
  if (index >= memo_.size()) memo_.resize(index + 1, nullptr);
  memo_[index] = node;
}

void PickleStack::recall(std::uint64_t index) {
  if (index >= memo_.size() || memo_[index] == nullptr) {
    bytes_.refuse("asks for the stored object ", index, ", which there is none of");
  }
  push(memo_[index]);
}

PickleNode* PickleStack::take_last() {
  if (!marks_.empty() || stack_.size() != 1) bytes_.refuse("ends with ", stack_.size(), " objects, expected 1");
  return pop();
}

}  // namespace vitq
