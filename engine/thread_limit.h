#pragma once
// How many threads this process should compute with, and what says so. A container's share of the CPUs is no affinity:
// more threads than it are put to sleep in the middle of their work.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitq {

struct ThreadLimit {
  int count = 1;
  std::string reason;  ///< what held it there, for people: "OMP_NUM_THREADS", "cgroup quota of 1.5 CPUs"
};

/// The least of: the CPUs of the affinity mask, OpenMP's limit of threads, the text of OMP_NUM_THREADS (null: not set),
/// and a quota of CPUs, rounded up. At least 1. Of equals the first holds. A text that is malformed holds nothing back.
ThreadLimit least_limit(int cpus, int openmp_limit, const char* openmp_threads, std::optional<double> quota);

/// The text of a file, nothing where it cannot be read.
using ReadFile = std::function<std::optional<std::string>(const std::string& path)>;

/// The least CPU quota, in CPUs, of the cgroups that the process is in; nothing where none is set. Reads
/// /proc/self/cgroup, /proc/self/mountinfo and below the mounts that this names `cpu.max` (version 2), or
/// `cpu.cfs_quota_us` and `cpu.cfs_period_us` (version 1), of the process's own group and its parents.
std::optional<double> cgroup_cpus(const ReadFile& read);

/// The same of the files of this machine.
std::optional<double> cgroup_cpus();

/// Cores behind these CPUs: hyper-threads of one core, by their `topology/thread_siblings_list`, count once. A CPU of
/// which nothing can be read is a core.
int count_cores(const std::vector<int>& cpus, const ReadFile& read);

/// Those of the CPUs that this process may run on; nothing where that cannot be told.
std::optional<int> available_cores();

/// Of the text of a version 2 `cpu.max`, "150000 100000": 1.5. Nothing for "max 100000", and for what is malformed.
std::optional<double> parse_cpu_max(std::string_view text);

/// The first number of OMP_NUM_THREADS, a list with one for each level of nesting; nothing for what OpenMP would not
/// take.
std::optional<int> parse_thread_count(std::string_view text);

}  // namespace vitq
