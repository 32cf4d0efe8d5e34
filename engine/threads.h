#pragma once
// How work is spread over cores: a thread count that holds for one scope, and one parallel loop over ranges of rows.
// OpenMP stays inside threads.cpp; a row kernel handles a range on one thread and knows nothing of this file.

#include <cstdint>
#include <type_traits>

#include "engine/thread_limit.h"

namespace vitq {

/// With how many threads this process computes unless it is told otherwise, and what holds it there: the CPUs it may
/// run on (its affinity mask), OMP_THREAD_LIMIT, OMP_NUM_THREADS, or the CPU quota of its cgroup.
ThreadLimit thread_limit();

/// Its count.
int available_threads();

/// How many of `threads` a parallel region opened here would really get: no more than OMP_THREAD_LIMIT, and 1 inside
/// another region (unless OpenMP is told to nest them). oneDNN divides its work by the number it asks for: what fewer
/// threads leave over would be missing from the result, without a word.
int granted_threads(int threads);

/// How many threads a parallel region opened here would use.
int current_threads();

/// While it lives, parallel regions opened by the calling thread, oneDNN's included, use granted_threads(threads)
/// threads, neither more nor less (OMP_DYNAMIC is off). The count is per calling thread, so that several models in
/// several threads do not disturb each other.
class ThreadScope {
 public:
  explicit ThreadScope(int threads);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int previous_;
  bool was_dynamic_;
};

namespace detail {
using RangeFunction = void (*)(void* context, int lane, std::int64_t begin, std::int64_t end);
void parallel_ranges(std::int64_t count, std::int64_t grain, RangeFunction function, void* context);
}  // namespace detail

/// Calls work(lane, begin, end) on contiguous ranges that cover [0, count), at most one range per thread, none smaller
/// than `grain` (but the only one); lanes are numbered from 0 and less than current_threads(). Called from within such
/// a range, it is one range, on the same thread. Nothing is allocated. What a range throws is thrown here when all have
/// ended; of several the first.
template <class Work>
void parallel_lanes(std::int64_t count, std::int64_t grain, Work&& work) {
  detail::parallel_ranges(
      count, grain,
      [](void* context, int lane, std::int64_t begin, std::int64_t end) {
        (*static_cast<std::remove_reference_t<Work>*>(context))(lane, begin, end);
      },
      &work);
}

/// The same for work(begin, end).
template <class Work>
void parallel_for(std::int64_t count, std::int64_t grain, Work&& work) {
  parallel_lanes(count, grain, [&work](int /*lane*/, std::int64_t begin, std::int64_t end) { work(begin, end); });
}

}  // namespace vitq
