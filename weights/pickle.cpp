#include "weights/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <optional>

#include "engine/error.h"
#include "weights/pickle_opcodes.h"
#include "weights/printable.h"

namespace vitq {
namespace {

using Kind = PickleNode::Kind;

constexpr std::size_t kMaxBytes = std::size_t{1} << 26;
constexpr std::size_t kMaxValues = std::size_t{1} << 21;
constexpr std::size_t kMaxMarks = 256;
constexpr std::size_t kMaxGlobalLength = 256;
constexpr int kNewestProtocol = 5;

/// The stack machine that a pickle is a program for, without the part that calls.
class PickleReader {
 public:
  PickleReader(std::span<const std::uint8_t> bytes, std::span<const std::string_view> globals, std::string source,
               std::deque<PickleNode>& nodes)
      : bytes_(bytes), globals_(globals), source_(std::move(source)), nodes_(nodes) {}

  const PickleNode* read() {
    check(bytes_.size() <= kMaxBytes, ErrorCode::kFormat, source_, ": has ", bytes_.size(), " bytes, expected at most ",
          kMaxBytes);
    check(!bytes_.empty() && bytes_[0] == static_cast<std::uint8_t>(Opcode::kProto), ErrorCode::kFormat, source_,
          ": does not begin as a pickle of protocol 2 or newer");
    for (;;) {
      at_ = next_;
      opcode_ = static_cast<Opcode>(take(1)[0]);
      if (opcode_ == Opcode::kStop) break;
      const bool is_known = read_plain() || read_text() || read_container() || read_memo() || read_object();
      if (!is_known) refuse("holds the opcode ", opcode_name(opcode_), ", which no state dict needs");
    }
    if (!marks_.empty() || stack_.size() != 1) refuse("ends with ", stack_.size(), " objects, expected 1");
    if (next_ != bytes_.size()) refuse("ends, but ", bytes_.size() - next_, " bytes follow");
    return stack_.back();
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kFormat, source_, ": byte ", at_, ": ", parts...);
  }

  std::span<const std::uint8_t> take(std::uint64_t count) {
    const std::size_t left = bytes_.size() - next_;
    if (count > left) {
      refuse(at_ == next_ ? "expected an opcode" : "expected " + std::to_string(count) + " bytes more", ", found ",
             left, "; it is cut short or damaged");
    }
    next_ += count;
    return bytes_.subspan(next_ - count, count);
  }

  /// An unsigned number of `size` bytes, at most 8, little-endian.
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    std::memcpy(&value, take(size).data(), size);
    return value;
  }

  /// The same in two's complement.
  std::int64_t signed_number(std::size_t size) {
    if (size == 0) return 0;
    const auto unused = static_cast<int>(8 * (sizeof(std::uint64_t) - size));
    return static_cast<std::int64_t>(number(size) << unused) >> unused;
  }

  std::string text(std::uint64_t size) {
    const auto bytes = take(size);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// Up to the next newline, which is skipped.
  std::string line() {
    const auto rest = bytes_.subspan(next_);
    const auto end = std::find(rest.begin(), rest.end(), static_cast<std::uint8_t>('\n'));
    if (end == rest.end()) refuse("expected a line, found no end of it; it is cut short or damaged");
    std::string found = text(static_cast<std::uint64_t>(end - rest.begin()));
    take(1);
    return found;
  }

  void push(PickleNode* node) {
    if (++values_ > kMaxValues) refuse("holds more than ", kMaxValues, " objects");
    stack_.push_back(node);
  }

  PickleNode& push_new(Kind kind) {
    push(&nodes_.emplace_back());
    nodes_.back().kind = kind;
    return nodes_.back();
  }

  PickleNode* pop() {
    const std::size_t floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() <= floor) refuse(opcode_name(opcode_), " needs an object, found none");
    PickleNode* node = stack_.back();
    stack_.pop_back();
    return node;
  }

  PickleNode* top() {
    PickleNode* node = pop();
    stack_.push_back(node);
    return node;
  }

  /// All above the last mark, which goes too.
  std::vector<const PickleNode*> pop_marked() {
    if (marks_.empty()) refuse(opcode_name(opcode_), " needs a mark, found none");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<const PickleNode*> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  /// None, truth, numbers, and what says nothing.
  bool read_plain() {
    switch (opcode_) {
      case Opcode::kProto: {
        const std::uint64_t protocol = number(1);
        if (at_ != 0) refuse("a second PROTO");
        if (protocol < 2 || protocol > kNewestProtocol) refuse("protocol ", protocol, ", expected 2 to 5");
        return true;
      }
      case Opcode::kFrame: {
        const std::uint64_t size = number(sizeof(std::uint64_t));
        if (size > bytes_.size() - next_) refuse("a frame of ", size, " bytes, found ", bytes_.size() - next_);
        return true;
      }
      case Opcode::kNone:
        push_new(Kind::kNone);
        return true;
      case Opcode::kNewTrue:
      case Opcode::kNewFalse:
        push_new(Kind::kBool).integer = opcode_ == Opcode::kNewTrue ? 1 : 0;
        return true;
      case Opcode::kBinInt:
        push_new(Kind::kInteger).integer = signed_number(4);
        return true;
      case Opcode::kBinInt1:
      case Opcode::kBinInt2:
        push_new(Kind::kInteger).integer = static_cast<std::int64_t>(number(opcode_ == Opcode::kBinInt1 ? 1 : 2));
        return true;
      case Opcode::kLong1: {
        const std::uint64_t size = number(1);
        if (size > sizeof(std::int64_t)) refuse("an integer of ", size, " bytes, expected at most 8");
        push_new(Kind::kInteger).integer = signed_number(size);
        return true;
      }
      case Opcode::kBinFloat: {  // the one big-endian number of the format
        std::array<std::uint8_t, sizeof(double)> reversed{};
        std::ranges::reverse_copy(take(sizeof(double)), reversed.begin());
        push_new(Kind::kFloat).number = std::bit_cast<double>(reversed);
        return true;
      }
      default:
        return false;
    }
  }

  bool read_text() {
    switch (opcode_) {
      case Opcode::kShortBinUnicode:
        push_new(Kind::kString).text = text(number(1));
        return true;
      case Opcode::kBinUnicode:
        push_new(Kind::kString).text = text(number(4));
        return true;
      case Opcode::kBinUnicode8:
        push_new(Kind::kString).text = text(number(8));
        return true;
      default:
        return false;
    }
  }

  /// Tuples, lists, dicts.
  bool read_container() {
    switch (opcode_) {
      case Opcode::kMark:
        if (marks_.size() == kMaxMarks) refuse("begins more than ", kMaxMarks, " containers inside each other");
        marks_.push_back(stack_.size());
        return true;
      case Opcode::kEmptyTuple:
        push_new(Kind::kTuple);
        return true;
      case Opcode::kEmptyList:
        push_new(Kind::kList);
        return true;
      case Opcode::kEmptyDict:
        push_new(Kind::kDict);
        return true;
      case Opcode::kTuple: {
        std::vector<const PickleNode*> items = pop_marked();
        push_new(Kind::kTuple).items = std::move(items);
        return true;
      }
      case Opcode::kTuple1:
        make_tuple(1);
        return true;
      case Opcode::kTuple2:
        make_tuple(2);
        return true;
      case Opcode::kTuple3:
        make_tuple(3);
        return true;
      case Opcode::kAppend:
        append({pop()});
        return true;
      case Opcode::kAppends:
        append(pop_marked());
        return true;
      case Opcode::kSetItem: {
        const PickleNode* value = pop();
        set_items({pop(), value});
        return true;
      }
      case Opcode::kSetItems:
        set_items(pop_marked());
        return true;
      default:
        return false;
    }
  }

  void make_tuple(std::size_t size) {
    std::vector<const PickleNode*> items(size);
    for (std::size_t i = size; i > 0; --i) items[i - 1] = pop();
    push_new(Kind::kTuple).items = std::move(items);
  }

  void append(const std::vector<const PickleNode*>& items) {
    PickleNode* list = top();
    if (list->kind != Kind::kList) refuse(opcode_name(opcode_), " on something that is no list");
    list->items.insert(list->items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<const PickleNode*>& items) {
    PickleNode* dict = top();
    if (dict->kind != Kind::kDict && dict->kind != Kind::kCall) {
      refuse(opcode_name(opcode_), " on something that is no dict");
    }
    if (items.size() % 2 != 0) refuse(opcode_name(opcode_), " with a key that has no value");
    dict->items.insert(dict->items.end(), items.begin(), items.end());
  }

  /// What is met again is stored under a number.
  bool read_memo() {
    switch (opcode_) {
      case Opcode::kBinPut:
        remember(number(1));
        return true;
      case Opcode::kLongBinPut:
        remember(number(4));
        return true;
      case Opcode::kMemoize:
        remember(memo_.size());
        return true;
      case Opcode::kBinGet:
        recall(number(1));
        return true;
      case Opcode::kLongBinGet:
        recall(number(4));
        return true;
      default:
        return false;
    }
  }

  void remember(std::uint64_t index) {
    if (index >= kMaxValues) refuse("stores an object as number ", index, ", expected less than ", kMaxValues);
    PickleNode* node = top();
    if (index >= memo_.size()) memo_.resize(index + 1, nullptr);
    memo_[index] = node;
  }

  void recall(std::uint64_t index) {
    if (index >= memo_.size() || memo_[index] == nullptr) {
      refuse("asks for the stored object ", index, ", which there is none of");
    }
    push(memo_[index]);
  }

  /// Where a pickle names functions and would have them called.
  bool read_object() {
    switch (opcode_) {
      case Opcode::kGlobal: {
        const std::string module = line();
        name_global(module, line());
        return true;
      }
      case Opcode::kStackGlobal: {
        const PickleNode* name = pop();
        const PickleNode* module = pop();
        if (name->kind != Kind::kString || module->kind != Kind::kString) refuse("STACK_GLOBAL without two strings");
        name_global(module->text, name->text);
        return true;
      }
      case Opcode::kReduce:
      case Opcode::kNewObj: {
        const PickleNode* arguments = pop();
        const PickleNode* callee = pop();
        if (callee->kind != Kind::kGlobal) refuse(opcode_name(opcode_), " of something that is no class or function");
        if (arguments->kind != Kind::kTuple) refuse(opcode_name(opcode_), " with arguments that are no tuple");
        push_new(Kind::kCall).items = {callee, arguments};
        return true;
      }
      case Opcode::kBuild:
        pop();
        if (top()->kind != Kind::kCall) refuse("BUILD on something that was not called for");
        return true;
      case Opcode::kBinPersId: {
        const PickleNode* id = pop();
        push_new(Kind::kPersistent).items = {id};
        return true;
      }
      default:
        return false;
    }
  }

  void name_global(const std::string& module, const std::string& name) {
    const std::string full = module + '.' + name;
    if (full.size() > kMaxGlobalLength || std::ranges::find(globals_, std::string_view(full)) == globals_.end()) {
      refuse("asks for ", printable(full),
             ", which no state dict needs; nothing of the file was run. If it is a whole model, save its state_dict()");
    }
    push_new(Kind::kGlobal).text = full;
  }

  std::span<const std::uint8_t> bytes_;
  std::span<const std::string_view> globals_;
  std::string source_;
  std::deque<PickleNode>& nodes_;
  std::size_t at_ = 0;    ///< where the opcode stands
  std::size_t next_ = 0;  ///< what is read next
  Opcode opcode_ = Opcode::kStop;
  std::size_t values_ = 0;  ///< pushed so far
  std::vector<PickleNode*> stack_;
  std::vector<std::size_t> marks_;  ///< heights of the stack
  std::vector<PickleNode*> memo_;
};

}  // namespace

Pickle::Pickle(std::span<const std::uint8_t> bytes, std::span<const std::string_view> globals,
               const std::string& source) {
  root_ = PickleReader(bytes, globals, source, nodes_).read();
}

}  // namespace vitq
