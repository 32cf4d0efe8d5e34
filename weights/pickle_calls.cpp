#include "weights/pickle_calls.h"

#include <algorithm>
#include <array>

#include "weights/printable.h"

namespace vitq {
namespace {

using Kind = PickleNode::Kind;

constexpr std::size_t kCalleeAndArguments = 2;

/// Classes that are dicts even where nothing was set on them.
constexpr std::array<std::string_view, 5> kDicts = {"collections.OrderedDict", "collections.defaultdict",
                                                    "collections.Counter", "builtins.dict", "__builtin__.dict"};

/// Counter(dict), as Python writes it.
bool is_made_of_dict(const PickleNode& call) {
  const PickleNodes arguments = call_arguments(call);
  return is_call_of_dict(call) && arguments.size() == 1 && arguments[0]->kind == Kind::kDict;
}

bool has_entries_set(const PickleNode& call) { return call.items.size() > kCalleeAndArguments; }

}  // namespace

std::string_view called_name(const PickleNode& node) {
  const bool has_name = node.kind == Kind::kCall && node.items[0]->kind == Kind::kGlobal;
  return has_name ? std::string_view(node.items[0]->text) : std::string_view();
}

std::string_view innermost_name(const PickleNode& node) {
  constexpr int kMostCalls = 8;
  const PickleNode* call = &node;
  for (int depth = 0; depth < kMostCalls && call->kind == Kind::kCall; ++depth) {
    if (!called_name(*call).empty()) return called_name(*call);
    call = call->items[0];
  }
  return {};
}

PickleNodes call_arguments(const PickleNode& call) {
  const PickleNode& arguments = *call.items[1];
  return arguments.kind == Kind::kTuple ? PickleNodes(arguments.items) : PickleNodes();
}

bool is_call_of_dict(const PickleNode& node) { return std::ranges::find(kDicts, called_name(node)) != kDicts.end(); }

bool is_dict(const PickleNode& node) {
  return node.kind == Kind::kDict || (node.kind == Kind::kCall && (has_entries_set(node) || is_call_of_dict(node)));
}

PickleNodes dict_entries(const PickleNode& dict) {
  if (dict.kind == Kind::kDict) return dict.items;
  if (!has_entries_set(dict) && is_made_of_dict(dict)) return call_arguments(dict)[0]->items;
  return PickleNodes(dict.items).subspan(kCalleeAndArguments);
}

const PickleNode* find_entry(const PickleNode& dict, std::string_view key) {
  const PickleNodes entries = dict_entries(dict);
  for (std::size_t i = entries.size(); i > 0; i -= 2) {
    if (entries[i - 2]->kind == Kind::kString && entries[i - 2]->text == key) return entries[i - 1];
  }
  return nullptr;
}

std::string describe_node(const PickleNode& node) {
  switch (node.kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
    case Kind::kInteger:
    case Kind::kFloat:
      return "a number";
    case Kind::kString:
      return "a string";
    case Kind::kTuple:
      return "a tuple";
    case Kind::kList:
      return "a list";
    case Kind::kDict:
      return "a dict";
    case Kind::kGlobal:
      return "the name " + printable(node.text);
    case Kind::kCall:
      return innermost_name(node).empty() ? "an object" : "an object made by " + printable(innermost_name(node));
    case Kind::kPersistent:
      return "a storage";
    case Kind::kClosed:
      break;
  }
  return "bytes, a set or a large number";
}

}  // namespace vitq
