#include "engine/threads.h"

#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <exception>

namespace vitq {

ThreadLimit thread_limit() {
  return least_limit(omp_get_num_procs(), omp_get_thread_limit(), std::getenv("OMP_NUM_THREADS"), cgroup_cpus());
}

int available_threads() { return thread_limit().count; }

int granted_threads(int threads) {
  const bool is_nested_too_deep = omp_in_parallel() != 0 && omp_get_active_level() >= omp_get_max_active_levels();
  return is_nested_too_deep ? 1 : std::max(1, std::min(threads, omp_get_thread_limit()));
}

int current_threads() { return std::max(1, omp_get_max_threads()); }

ThreadScope::ThreadScope(int threads) : previous_(omp_get_max_threads()), was_dynamic_(omp_get_dynamic() != 0) {
  omp_set_dynamic(0);
  omp_set_num_threads(granted_threads(threads));
}

ThreadScope::~ThreadScope() {
  omp_set_num_threads(previous_);
  omp_set_dynamic(was_dynamic_ ? 1 : 0);
}

namespace detail {

void parallel_ranges(std::int64_t count, std::int64_t grain, RangeFunction function, void* context) {
  const std::int64_t most = std::max<std::int64_t>(1, count / std::max<std::int64_t>(1, grain));
  const int threads =
      omp_in_parallel() != 0 ? 1 : static_cast<int>(std::min<std::int64_t>(omp_get_max_threads(), most));
  if (threads == 1) {
    if (count > 0) function(context, 0, 0, count);
    return;
  }
  std::exception_ptr failure;
#pragma omp parallel num_threads(threads)
  {
    // The runtime may grant fewer threads than asked for: divide by what is there.
    const std::int64_t team = omp_get_num_threads();
    const int lane = omp_get_thread_num();
    const std::int64_t begin = count * lane / team;
    const std::int64_t end = count * (lane + 1) / team;
    try {
      if (begin < end) function(context, lane, begin, end);
    } catch (...) {
#pragma omp critical
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace detail
}  // namespace vitq
