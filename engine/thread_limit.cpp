#include "engine/thread_limit.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "engine/error.h"

namespace vitq {

namespace {

/// The words between the characters `separator` of `text`; empty ones too.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t end = text.find(separator);
    words.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return words;
    text.remove_prefix(end + 1);
  }
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  return begin == std::string_view::npos ? "" : text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

/// A whole number and nothing else.
std::optional<std::int64_t> whole(std::string_view text) {
  text = trimmed(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Nothing unless both are positive: -1, and 0 in some places, mean that there is no quota.
std::optional<double> cpus(std::optional<std::int64_t> quota, std::optional<std::int64_t> period) {
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

bool lists(std::string_view text, std::string_view word) {
  const auto words = split(text, ',');
  return std::ranges::find(words, word) != words.end();
}

/// Octal escapes of mountinfo: a space in a path is \040.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    const bool is_escape =
        text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr == text.data() + i + 4;
    plain += is_escape ? static_cast<char>(code) : text[i];
    if (is_escape) i += 3;
  }
  return plain;
}

/// One place where a hierarchy of cgroups can be seen.
struct Mount {
  std::string root;  ///< the group whose folder is `point`
  std::string point;
  bool is_v2 = false;
};

/// The mounts of hierarchies that can hold CPU time back. A line: id, parent, device, root, point, options, tags ...,
/// "-", type, source, options of the file system.
std::vector<Mount> cpu_mounts(std::string_view mountinfo) {
  std::vector<Mount> mounts;
  for (const std::string_view line : split(mountinfo, '\n')) {
    const auto words = split(line, ' ');
    const auto dash = std::ranges::find(words, "-");
    if (dash - words.begin() < 6 || words.end() - dash < 4) continue;
    const bool is_v2 = dash[1] == "cgroup2";
    if (is_v2 || (dash[1] == "cgroup" && lists(dash[3], "cpu"))) {
      mounts.push_back({unescaped(words[3]), unescaped(words[4]), is_v2});
    }
  }
  return mounts;
}

/// The group of the process in the hierarchy of a mount. A line: id, controllers, path; version 2 has id 0 and none.
std::optional<std::string> group_of(std::string_view cgroup, bool is_v2) {
  for (const std::string_view line : split(cgroup, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first == std::string_view::npos ? first : first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    if (is_v2 ? controllers.empty() : lists(controllers, "cpu")) return std::string(line.substr(second + 1));
  }
  return std::nullopt;
}

/// The folders of the group and of its parents, as far as the mount shows them. In a container the paths of
/// /proc/self/cgroup may be those of the host: then the mount itself is all that is known.
std::vector<std::string> folders_of(const Mount& mount, std::string group) {
  if (mount.root != "/") group = group.starts_with(mount.root) ? group.substr(mount.root.size()) : "";
  std::vector<std::string> folders;
  const bool leads_out = group.find("/..") != std::string::npos;
  while (!leads_out && group.find_first_not_of('/') != std::string::npos) {
    folders.push_back(mount.point + (group.starts_with('/') ? "" : "/") + group);
    group.resize(group.find_last_of('/') == std::string::npos ? 0 : group.find_last_of('/'));
  }
  folders.push_back(mount.point);
  return folders;
}

std::optional<double> quota_in(const std::string& folder, bool is_v2, const ReadFile& read) {
  if (is_v2) return parse_cpu_max(read(folder + "/cpu.max").value_or(""));
  return cpus(whole(read(folder + "/cpu.cfs_quota_us").value_or("")),
              whole(read(folder + "/cpu.cfs_period_us").value_or("")));
}

std::optional<std::string> read_whole_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void lower(ThreadLimit& limit, std::optional<int> count, const std::string& reason) {
  if (count && *count < limit.count) limit = {std::max(1, *count), reason};
}

}  // namespace

std::optional<double> parse_cpu_max(std::string_view text) {
  const std::string_view line = trimmed(text);
  const auto words = split(line, ' ');
  return words.size() == 2 ? cpus(whole(words[0]), whole(words[1])) : std::nullopt;
}

std::optional<int> parse_thread_count(std::string_view text) {
  constexpr std::int64_t kMost = 1 << 20;
  const auto words = split(text, ',');
  for (const std::string_view word : words) {
    const std::optional<std::int64_t> number = whole(word);
    if (!number || *number <= 0) return std::nullopt;
  }
  return static_cast<int>(std::min(*whole(words.front()), kMost));
}

std::optional<double> cgroup_cpus(const ReadFile& read) {
  const std::string cgroup = read("/proc/self/cgroup").value_or("");
  std::optional<double> least;
  for (const Mount& mount : cpu_mounts(read("/proc/self/mountinfo").value_or(""))) {
    const std::optional<std::string> group = group_of(cgroup, mount.is_v2);
    if (!group) continue;
    for (const std::string& folder : folders_of(mount, *group)) {
      const std::optional<double> quota = quota_in(folder, mount.is_v2, read);
      if (quota && (!least || *quota < *least)) least = quota;
    }
  }
  return least;
}

int count_cores(const std::vector<int>& cpus, const ReadFile& read) {
  std::set<std::string> cores;
  for (const int cpu : cpus) {
    const std::string name = "cpu" + std::to_string(cpu);
    const auto siblings = read("/sys/devices/system/cpu/" + name + "/topology/thread_siblings_list");
    cores.insert(siblings && !trimmed(*siblings).empty() ? std::string(trimmed(*siblings)) : name);
  }
  return std::max(1, static_cast<int>(cores.size()));
}

std::optional<int> available_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::vector<int> cpus;
  // It fails where there are more CPUs than the mask has room for.
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return std::nullopt;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &mask)) cpus.push_back(cpu);
  }
  return count_cores(cpus, read_whole_file);
}

std::optional<double> cgroup_cpus() { return cgroup_cpus(read_whole_file); }

ThreadLimit least_limit(int cpus, int openmp_limit, const char* openmp_threads, std::optional<double> quota) {
  ThreadLimit limit{std::max(1, cpus), "CPUs that this process may run on"};
  lower(limit, parse_thread_count(openmp_threads != nullptr ? openmp_threads : ""), "OMP_NUM_THREADS");
  lower(limit, openmp_limit, "OMP_THREAD_LIMIT");
  constexpr double kMost = 1e6;
  if (quota)
    lower(limit, static_cast<int>(std::ceil(std::min(*quota, kMost))), text_of("cgroup quota of ", *quota, " CPUs"));
  return limit;
}

}  // namespace vitq
