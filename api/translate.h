#pragma once
// Failures of the standard library as failures of vitq's, at the door.

#include <new>
#include <stdexcept>

#include "engine/error.h"

namespace vitq {

/// What work() returns; std::bad_alloc and std::length_error, which is how a vector says it, become Error (kMemory).
template <class Work>
auto translated_memory(Work&& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kMemory, "out of memory");
  } catch (const std::length_error&) {
    throw Error(ErrorCode::kMemory, "out of memory: more is asked for than can be addressed");
  }
}

}  // namespace vitq
