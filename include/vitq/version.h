#pragma once

namespace vitq {

/// "0.1.0", of the library that runs.
[[gnu::visibility("default")]] const char* version() noexcept;

}  // namespace vitq
