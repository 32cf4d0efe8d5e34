#include "engine/error.h"

namespace vitq {

const char* name_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kFile:
      return "file";
    case ErrorCode::kFormat:
      return "format";
    case ErrorCode::kArgument:
      return "argument";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kMemory:
      return "memory";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "unknown";
}

}  // namespace vitq
