#include "weights/pickle.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string_view>
#include <system_error>
#include <utility>

#include "engine/error.h"
#include "weights/pickle_bytes.h"
#include "weights/pickle_stack.h"
#include "weights/printable.h"

namespace vitq {
namespace {

using Kind = PickleNode::Kind;

constexpr std::size_t kMaxBytes = std::size_t{1} << 26;
constexpr std::size_t kMaxGlobalLength = 256;
constexpr int kNewestProtocol = 5;

/// Whether nobody knows what Python would have here: what can be done to it cannot be said to be wrong.
bool may_be_anything(const PickleNode& node) { return node.kind >= Kind::kGlobal; }

/// The stack machine that a pickle is a program for, without the part that calls.
class PickleReader {
 public:
  PickleReader(std::span<const std::uint8_t> bytes, const std::string& source, std::deque<PickleNode>& nodes)
      : bytes_(bytes, source), stack_(nodes, bytes_) {}

  const PickleNode* read() {
    while (bytes_.take_opcode() != Opcode::kStop) {
      const bool is_known = read_plain() || read_number_line() || read_text() || read_closed() || read_container() ||
                            read_addition() || read_stack() || read_memo() || read_object();
      if (!is_known) bytes_.refuse("holds the opcode ", name(), ", which no file of PyTorch's has");
    }
    const PickleNode* root = stack_.take_last();
    if (bytes_.left() != 0) bytes_.refuse("ends, but ", bytes_.left(), " bytes follow");
    return root;
  }

 private:
  [[nodiscard]] std::string name() const { return opcode_name(bytes_.opcode()); }

  /// None, truth, binary numbers, and what says nothing.
  bool read_plain() {
    switch (bytes_.opcode()) {
      case Opcode::kProto: {
        if (!bytes_.is_first()) bytes_.refuse("a second PROTO");
        const std::uint64_t protocol = bytes_.take_number(1);
        if (protocol > kNewestProtocol) bytes_.refuse("protocol ", protocol, ", expected at most ", kNewestProtocol);
        return true;
      }
      case Opcode::kFrame: {
        const std::uint64_t size = bytes_.take_number(sizeof(std::uint64_t));
        if (size > bytes_.left()) bytes_.refuse("a frame of ", size, " bytes, found ", bytes_.left());
        return true;
      }
      case Opcode::kNone:
        stack_.push_new(Kind::kNone);
        return true;
      case Opcode::kNewTrue:
      case Opcode::kNewFalse:
        stack_.push_new(Kind::kBool).integer = bytes_.opcode() == Opcode::kNewTrue ? 1 : 0;
        return true;
      case Opcode::kBinInt:
        stack_.push_new(Kind::kInteger).integer = bytes_.take_signed(4);
        return true;
      case Opcode::kBinInt1:
        stack_.push_new(Kind::kInteger).integer = static_cast<std::int64_t>(bytes_.take_number(1));
        return true;
      case Opcode::kBinInt2:
        stack_.push_new(Kind::kInteger).integer = static_cast<std::int64_t>(bytes_.take_number(2));
        return true;
      case Opcode::kLong1:
        push_long(bytes_.take_number(1));
        return true;
      case Opcode::kLong4:
        push_long(bytes_.take_number(4));
        return true;
      case Opcode::kBinFloat:
        stack_.push_new(Kind::kFloat).number = bytes_.take_double();
        return true;
      default:
        return false;
    }
  }

  void push_long(std::uint64_t size) {
    if (size <= sizeof(std::int64_t)) {
      stack_.push_new(Kind::kInteger).integer = bytes_.take_signed(size);
    } else {
      push_closed(size);
    }
  }

  void push_closed(std::uint64_t size) {
    bytes_.take(size);
    stack_.push_new(Kind::kClosed);
  }

  /// Numbers as protocols 0 and 1 have them: digits up to the end of the line.
  bool read_number_line() {
    switch (bytes_.opcode()) {
      case Opcode::kInt: {
        const std::string line = bytes_.take_line();
        if (line == "00" || line == "01") {
          stack_.push_new(Kind::kBool).integer = line == "01" ? 1 : 0;
        } else {
          push_digits(line);
        }
        return true;
      }
      case Opcode::kLong: {
        const std::string line = bytes_.take_line();
        push_digits(std::string_view(line).substr(0, line.size() - (line.ends_with('L') ? 1 : 0)));
        return true;
      }
      case Opcode::kFloat: {
        const std::string line = bytes_.take_line();
        push_parsed(std::string_view(line), stack_.push_new(Kind::kFloat).number);
        return true;
      }
      default:
        return false;
    }
  }

  void push_digits(std::string_view digits) {
    PickleNode& node = stack_.push_new(Kind::kInteger);
    push_parsed(digits, node.integer);
  }

  /// Reads `value`, which belongs to the node on top.
  template <class Number>
  void push_parsed(std::string_view digits, Number& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc::invalid_argument || end != digits.data() + digits.size()) {
      bytes_.refuse(name(), " with ", printable(digits), ", which is no number");
    }
    if (error == std::errc::result_out_of_range) stack_.top()->kind = Kind::kClosed;
  }

  bool read_text() {
    switch (bytes_.opcode()) {
      case Opcode::kShortBinUnicode:
      case Opcode::kShortBinString:
        stack_.push_new(Kind::kString).text = bytes_.take_text(bytes_.take_number(1));
        return true;
      case Opcode::kBinUnicode:
      case Opcode::kBinString:
        stack_.push_new(Kind::kString).text = bytes_.take_text(bytes_.take_number(4));
        return true;
      case Opcode::kBinUnicode8:
        stack_.push_new(Kind::kString).text = bytes_.take_text(bytes_.take_number(8));
        return true;
      case Opcode::kUnicode:
        push_escaped(bytes_.take_line());
        return true;
      case Opcode::kString: {
        const std::string line = bytes_.take_line();
        const bool is_quoted = line.size() >= 2 && line.front() == line.back() && (line[0] == '\'' || line[0] == '"');
        if (!is_quoted) bytes_.refuse("STRING without quotes");
        push_escaped(line.substr(1, line.size() - 2));
        return true;
      }
      default:
        return false;
    }
  }

  /// Text in which a backslash begins an escape, and other bytes than ASCII are in an encoding that nobody names.
  void push_escaped(std::string text) {
    const bool is_plain = std::ranges::all_of(text, [](char c) { return c >= 0 && c != '\\'; });
    PickleNode& node = stack_.push_new(is_plain ? Kind::kString : Kind::kClosed);
    if (is_plain) node.text = std::move(text);
  }

  /// Data that is skipped.
  bool read_closed() {
    switch (bytes_.opcode()) {
      case Opcode::kShortBinBytes:
        push_closed(bytes_.take_number(1));
        return true;
      case Opcode::kBinBytes:
        push_closed(bytes_.take_number(4));
        return true;
      case Opcode::kBinBytes8:
      case Opcode::kByteArray8:
        push_closed(bytes_.take_number(8));
        return true;
      case Opcode::kEmptySet:
        stack_.push_new(Kind::kClosed);
        return true;
      case Opcode::kFrozenSet:
        stack_.pop_marked();
        stack_.push_new(Kind::kClosed);
        return true;
      default:
        return false;
    }
  }

  /// Tuples, lists, dicts.
  bool read_container() {
    switch (bytes_.opcode()) {
      case Opcode::kMark:
        stack_.push_mark();
        return true;
      case Opcode::kEmptyTuple:
        stack_.push_new(Kind::kTuple);
        return true;
      case Opcode::kEmptyList:
        stack_.push_new(Kind::kList);
        return true;
      case Opcode::kEmptyDict:
        stack_.push_new(Kind::kDict);
        return true;
      case Opcode::kTuple:
        stack_.push_new(Kind::kTuple, stack_.pop_marked());
        return true;
      case Opcode::kTuple1:
        stack_.push_new(Kind::kTuple, stack_.pop_many(1));
        return true;
      case Opcode::kTuple2:
        stack_.push_new(Kind::kTuple, stack_.pop_many(2));
        return true;
      case Opcode::kTuple3:
        stack_.push_new(Kind::kTuple, stack_.pop_many(3));
        return true;
      case Opcode::kList:
        stack_.push_new(Kind::kList, stack_.pop_marked());
        return true;
      case Opcode::kDict: {
        const PickleItems items = stack_.pop_marked();
        stack_.push_new(Kind::kDict);
        set_items(items);
        return true;
      }
      default:
        return false;
    }
  }

  /// Where something is put into what is there already.
  bool read_addition() {
    switch (bytes_.opcode()) {
      case Opcode::kAppend:
        append(stack_.pop_many(1));
        return true;
      case Opcode::kAppends:
        append(stack_.pop_marked());
        return true;
      case Opcode::kSetItem:
        set_items(stack_.pop_many(2));
        return true;
      case Opcode::kSetItems:
        set_items(stack_.pop_marked());
        return true;
      case Opcode::kAddItems:
        stack_.pop_marked();
        if (!may_be_anything(*stack_.top())) bytes_.refuse("ADDITEMS on something that is no set");
        return true;
      default:
        return false;
    }
  }

  void append(const PickleItems& items) {
    PickleNode* list = stack_.top();
    if (may_be_anything(*list)) return;
    if (list->kind != Kind::kList) bytes_.refuse(name(), " on something that is no list");
    list->items.insert(list->items.end(), items.begin(), items.end());
  }

  void set_items(const PickleItems& items) {
    if (items.size() % 2 != 0) bytes_.refuse(name(), " with a key that has no value");
    PickleNode* dict = stack_.top();
    if (dict->kind == Kind::kDict || dict->kind == Kind::kCall) {
      dict->items.insert(dict->items.end(), items.begin(), items.end());
    } else if (!may_be_anything(*dict)) {
      bytes_.refuse(name(), " on something that is no dict");
    }
  }

  bool read_stack() {
    switch (bytes_.opcode()) {
      case Opcode::kPop:  // an object or, where there is none above it, a mark
        if (stack_.has_object()) {
          stack_.pop();
        } else {
          stack_.pop_marked();
        }
        return true;
      case Opcode::kPopMark:
        stack_.pop_marked();
        return true;
      case Opcode::kDup:
        stack_.push(stack_.top());
        return true;
      default:
        return false;
    }
  }

  /// What is met again is stored under a number.
  bool read_memo() {
    switch (bytes_.opcode()) {
      case Opcode::kBinPut:
        stack_.remember(bytes_.take_number(1));
        return true;
      case Opcode::kLongBinPut:
        stack_.remember(bytes_.take_number(4));
        return true;
      case Opcode::kPut:
        stack_.remember(take_index());
        return true;
      case Opcode::kMemoize:
        stack_.remember();
        return true;
      case Opcode::kBinGet:
        stack_.recall(bytes_.take_number(1));
        return true;
      case Opcode::kLongBinGet:
        stack_.recall(bytes_.take_number(4));
        return true;
      case Opcode::kGet:
        stack_.recall(take_index());
        return true;
      default:
        return false;
    }
  }

  std::uint64_t take_index() {
    const std::string line = bytes_.take_line();
    std::uint64_t index = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), index);
    if (error != std::errc() || end != line.data() + line.size()) {
      bytes_.refuse(name(), " with ", printable(line), ", which is no number");
    }
    return index;
  }

  /// Where a pickle names functions and would have them called.
  bool read_object() {
    switch (bytes_.opcode()) {
      case Opcode::kGlobal:
        push_global(take_global());
        return true;
      case Opcode::kStackGlobal: {
        const PickleItems names = stack_.pop_many(2);
        const bool are_strings = std::ranges::all_of(names, [](auto* node) { return node->kind == Kind::kString; });
        if (!are_strings) bytes_.refuse("STACK_GLOBAL without two strings");
        push_global(names[0]->text + '.' + names[1]->text);
        return true;
      }
      case Opcode::kExt1:
        push_extension(1);
        return true;
      case Opcode::kExt2:
        push_extension(2);
        return true;
      case Opcode::kExt4:
        push_extension(4);
        return true;
      case Opcode::kBuild: {
        const PickleNode* state = stack_.pop();
        stack_.top()->state = state;
        return true;
      }
      case Opcode::kBinPersId:
        stack_.push_new(Kind::kPersistent, stack_.pop_many(1));
        return true;
      case Opcode::kPersId:
        stack_.push_new(Kind::kString).text = bytes_.take_line();
        stack_.push_new(Kind::kPersistent, stack_.pop_many(1));
        return true;
      default:
        return read_call();
    }
  }

  bool read_call() {
    switch (bytes_.opcode()) {
      case Opcode::kReduce:
      case Opcode::kNewObj:
        push_call(stack_.pop_many(2));
        return true;
      case Opcode::kNewObjEx: {
        PickleItems parts = stack_.pop_many(3);
        const PickleNode* named = parts.back();
        parts.pop_back();
        const bool has_named = named->kind != Kind::kDict || !named->items.empty();
        if (has_named) parts[1] = closed_arguments();
        push_call(std::move(parts));
        return true;
      }
      case Opcode::kInst: {
        PickleItems arguments = stack_.pop_marked();
        push_global(take_global());
        stack_.push_new(Kind::kTuple, std::move(arguments));
        push_call(stack_.pop_many(2));
        return true;
      }
      case Opcode::kObj: {
        PickleItems arguments = stack_.pop_marked();
        if (arguments.empty()) bytes_.refuse("OBJ of nothing");
        const PickleNode* callee = arguments.front();
        arguments.erase(arguments.begin());
        stack_.push_new(Kind::kTuple, std::move(arguments));
        push_call({callee, stack_.pop()});
        return true;
      }
      default:
        return false;
    }
  }

  /// Arguments with names: nothing that a state dict is made of has such.
  const PickleNode* closed_arguments() {
    stack_.push_new(Kind::kClosed);
    return stack_.pop();
  }

  /// Callee and arguments.
  void push_call(PickleItems parts) {
    if (!may_be_anything(*parts[0])) bytes_.refuse(name(), " of something that is no class or function");
    if (parts[1]->kind != Kind::kTuple && !may_be_anything(*parts[1])) {
      bytes_.refuse(name(), " with arguments that are no tuple");
    }
    stack_.push_new(Kind::kCall, std::move(parts));
  }

  /// Two lines, module and name.
  std::string take_global() {
    const std::string module = bytes_.take_line();
    return module + '.' + bytes_.take_line();
  }

  void push_global(std::string full) {
    if (full.size() > kMaxGlobalLength) {
      bytes_.refuse("names ", printable(full), ", expected at most ", kMaxGlobalLength, " bytes");
    }
    stack_.push_new(Kind::kGlobal).text = std::move(full);
  }

  /// A number that a program has given to a class of its own (copyreg.add_extension).
  void push_extension(std::size_t size) {
    push_global("copyreg extension " + std::to_string(bytes_.take_number(size)));
  }

  PickleBytes bytes_;
  PickleStack stack_;
};

}  // namespace

Pickle::Pickle(std::span<const std::uint8_t> bytes, const std::string& source) {
  check(bytes.size() <= kMaxBytes, ErrorCode::kFormat, source, ": has ", bytes.size(), " bytes, expected at most ",
        kMaxBytes);
  root_ = PickleReader(bytes, source, nodes_).read();
}

}  // namespace vitq
