#pragma once
// Names read from a file are a stranger's text: before one enters an error message it is made safe to print (a terminal
// must not see an escape sequence) and short.

#include <string>
#include <string_view>

namespace vitq {

/// `name` itself where it is plain ASCII without blanks; else quoted, with every other byte as \xNN. Names longer than
/// 80 bytes are cut and their length is told.
std::string printable(std::string_view name);

}  // namespace vitq
