#pragma once
// What the nodes of a pickle would be to Python, as far as a state dict goes: which of them are dicts, and what has
// been called for the rest. Everything else stays closed.

#include <span>
#include <string>
#include <string_view>

#include "weights/pickle.h"

namespace vitq {

using PickleNodes = std::span<const PickleNode* const>;

/// "module.name" of what is called; empty where `node` is no call, or of something without a name.
std::string_view called_name(const PickleNode& node);
/// The same for a message: where what is called is a call's own result, the name behind that.
std::string_view innermost_name(const PickleNode& node);
/// Of a call; empty where they are not told.
PickleNodes call_arguments(const PickleNode& call);

/// Whether it is an object of one of Python's own classes of dicts that pickles make by a call.
bool is_call_of_dict(const PickleNode& node);
/// A dict, or what stands for one: an OrderedDict, defaultdict or Counter, or what any class has made (a subclass of
/// dict) and entries were set on.
bool is_dict(const PickleNode& node);
/// Of a dict: key, value, key, value, ...
PickleNodes dict_entries(const PickleNode& dict);
/// The last value of that key, as in Python; null where there is none.
const PickleNode* find_entry(const PickleNode& dict, std::string_view key);

/// "a list", "an object made by argparse.Namespace", for a message. Safe to print.
std::string describe_node(const PickleNode& node);

}  // namespace vitq
