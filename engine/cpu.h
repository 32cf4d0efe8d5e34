#pragma once
// What machine this is, for the records that go with every figure.

#include <cstdint>
#include <string>

namespace vitq {

/// The CPU's own name, from /proc/cpuinfo; "unknown CPU" where that cannot be read.
std::string cpu_name();

/// Largest resident set of this process so far, bytes.
std::int64_t peak_rss_bytes();

}  // namespace vitq
