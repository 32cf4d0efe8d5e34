#include "weights/torch_pickle.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "engine/error.h"
#include "weights/pickle.h"
#include "weights/pickle_calls.h"
#include "weights/printable.h"

namespace vitq {
namespace {

using Kind = PickleNode::Kind;

/// From the outermost dict to the one that holds the tensors.
using Path = std::vector<const PickleNode*>;

/// Where training code puts a state dict; the first that holds tensors is taken.
constexpr std::array<std::string_view, 2> kWrappers = {"state_dict", "model"};
constexpr int kMostWrappers = 4;

bool is_weight(const PickleNode& key, const PickleNode& value) {
  return key.kind == Kind::kString && is_torch_tensor(value);
}

bool holds_weights(const PickleNode& dict) {
  const PickleNodes entries = dict_entries(dict);
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    if (is_weight(*entries[i], *entries[i + 1])) return true;
  }
  return false;
}

/// Looks for weights through all wrappers, into no dict twice: dicts may hold each other, and many one.
class WeightsFinder {
 public:
  /// From `dict` to the dict with tensors that its wrappers lead to, or to itself; empty where there are no tensors.
  Path find(const PickleNode& dict) {
    Path path;
    extend(dict, kMostWrappers, path);
    return path;
  }

 private:
  /// False, and `path` as it was, where there are no tensors.
  bool extend(const PickleNode& dict, int wrappers_left, Path& path) {
    if (!is_dict(dict) || !seen_.insert(&dict).second) return false;
    path.push_back(&dict);
    for (const std::string_view wrapper : kWrappers) {
      const PickleNode* inner = wrappers_left > 0 ? find_entry(dict, wrapper) : nullptr;
      if (inner != nullptr && extend(*inner, wrappers_left - 1, path)) return true;
    }
    if (holds_weights(dict)) return true;
    path.pop_back();
    return false;
  }

  std::set<const PickleNode*> seen_;
};

std::string name_of(const PickleNode& key) {
  if (key.kind == Kind::kString) return key.text;
  return key.kind == Kind::kInteger ? std::to_string(key.integer) : "(unnamed)";
}

/// "args(argparse.Namespace)".
std::string label(const PickleNode& key, const PickleNode& value) {
  const std::string_view unknown = unknown_name(value);
  return unknown.empty() ? name_of(key) : text_of(name_of(key), '(', unknown, ')');
}

/// So many entries a message looks into. Training code writes some ten.
constexpr std::size_t kMostToldOf = 32;

PickleNodes first_entries(const PickleNode& dict) {
  const PickleNodes entries = dict_entries(dict);
  return entries.first(std::min(entries.size(), 2 * kMostToldOf));
}

/// "epoch, args(argparse.Namespace)", for an error message: the entries for whose value `is_wanted` holds.
template <class Predicate>
std::string list_entries(const PickleNode& dict, const Predicate& is_wanted) {
  constexpr std::size_t kMost = 8;
  std::string text;
  std::size_t count = 0;
  const PickleNodes entries = first_entries(dict);
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    if (!is_wanted(*entries[i + 1])) continue;
    if (++count > kMost) return text + ", ...";
    text += (text.empty() ? "" : ", ") + printable(label(*entries[i], *entries[i + 1]));
  }
  return text;
}

std::string list_entries(const PickleNode& dict) {
  const std::string entries = list_entries(dict, [](const PickleNode&) { return true; });
  return entries.empty() ? "nothing" : entries;
}

/// Whether it is an object of torch.nn.Module, by the attribute that each has.
bool is_whole_model(const PickleNode& node) {
  const auto has_modules = [](const PickleNode& attributes) {
    return is_dict(attributes) && find_entry(attributes, "_modules") != nullptr;
  };
  if (node.kind != Kind::kCall) return false;
  if (node.state != nullptr && has_modules(*node.state)) return true;
  const PickleNodes arguments = call_arguments(node);  // torch.fx hands the attributes to the function that it calls
  return !arguments.empty() && has_modules(*arguments[0]);
}

void refuse_whole_model(const PickleNode& node, const std::string& where) {
  check(
      !is_whole_model(node), ErrorCode::kUnsupported, where, "is a whole model, ", describe_node(node),
      ", expected its state dict; nothing of the file was run. Where it is to be trusted, load it in PyTorch and save "
      "its state_dict()");
}

/// Where a state dict was looked for: below the wrappers that are there.
const PickleNode& innermost_wrapped(const PickleNode& dict) {
  const PickleNode* inner = &dict;
  for (int depth = 0; depth < kMostWrappers; ++depth) {
    for (const std::string_view wrapper : kWrappers) {
      const PickleNode* wrapped = find_entry(*inner, wrapper);
      if (wrapped == nullptr || !is_dict(*wrapped)) continue;
      inner = wrapped;
      break;
    }
  }
  return *inner;
}

/// `finder` has found nothing from `dict`.
[[noreturn]] void refuse_dict(const PickleNode& dict, WeightsFinder& finder, bool is_key_open,
                              const std::string& source) {
  const std::string nothing = source + ": holds no tensors that vitq knows where a state dict was expected";
  const auto leads_to_weights = [&finder](const PickleNode& value) { return !finder.find(value).empty(); };
  const std::string others = is_key_open ? list_entries(dict, leads_to_weights) : "";
  if (!others.empty()) {
    throw NoStateDict(ErrorCode::kFormat,
                      text_of(nothing, "; there are some in ", others, "; name the entry that holds the weights"));
  }
  const PickleNodes entries = first_entries(dict);
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    refuse_whole_model(*entries[i + 1], source + ": its entry " + printable(name_of(*entries[i])) + ' ');
  }
  fail(ErrorCode::kFormat, nothing, ", found ", list_entries(innermost_wrapped(dict)));
}

Path path_to_weights(const PickleNode& root, const std::string& key, const std::string& source) {
  refuse_whole_model(root, source + ": ");
  check(is_dict(root), ErrorCode::kFormat, source, ": holds no dict but ",
        is_torch_tensor(root) ? "a tensor" : describe_node(root),
        ", expected a state dict or a dict with one; nothing of the file was run");
  const PickleNode* dict = &root;
  if (!key.empty()) {
    dict = find_entry(root, key);
    if (dict != nullptr) refuse_whole_model(*dict, source + ": its entry " + printable(key) + ' ');
    check(dict != nullptr && is_dict(*dict), source, ": has no dict ", printable(key), ", found ", list_entries(root));
  }
  WeightsFinder finder;
  Path path = finder.find(*dict);
  if (path.empty()) refuse_dict(*dict, finder, key.empty(), source);
  if (!key.empty()) path.insert(path.begin(), &root);
  return path;
}

/// The labels of all entries that `is_wanted` holds for. Throws where a name comes twice: Python's dicts have none
/// such, and of a long name, which a pickle may refer to again and again, many copies would be made.
template <class Predicate>
std::vector<std::string> labels(const PickleNode& dict, const std::string& source, const Predicate& is_wanted) {
  std::vector<std::string> found;
  std::set<std::string_view> names;
  const PickleNodes entries = dict_entries(dict);
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    const PickleNode& name = *entries[i];
    const bool is_new = name.kind != Kind::kString || names.insert(name.text).second;
    check(is_new, ErrorCode::kFormat, source, ": entry ", printable(name.text), " comes twice");
    if (is_wanted(name, *entries[i + 1])) found.push_back(label(name, *entries[i + 1]));
  }
  return found;
}

std::vector<TorchTensor> read_tensors(const PickleNode& dict, const std::string& source) {
  std::vector<TorchTensor> tensors;
  const PickleNodes entries = dict_entries(dict);
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    if (!is_weight(*entries[i], *entries[i + 1])) continue;
    const std::string& name = entries[i]->text;
    tensors.push_back(read_torch_tensor(*entries[i + 1], source + ": tensor " + printable(name) + ": "));
    tensors.back().name = name;
  }
  return tensors;
}

}  // namespace

TorchStateDict read_torch_pickle(std::span<const std::uint8_t> bytes, const std::string& key,
                                 const std::string& source) {
  const Pickle pickle(bytes, source + ": data.pkl");
  Path path = path_to_weights(pickle.root(), key, source);
  TorchStateDict state;
  const PickleNode* dict = path.back();
  state.others =
      labels(*dict, source, [](const PickleNode& name, const PickleNode& value) { return !is_weight(name, value); });
  state.tensors = read_tensors(*dict, source);
  for (path.pop_back(); !path.empty(); path.pop_back()) {
    const auto is_around = [dict](const PickleNode&, const PickleNode& value) { return &value != dict; };
    std::ranges::move(labels(*path.back(), source, is_around), std::back_inserter(state.around));
    dict = path.back();
  }
  return state;
}

}  // namespace vitq
