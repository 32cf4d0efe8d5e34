// How many threads a process should use: what a container's files say of its share of the CPUs.

#include "engine/thread_limit.h"

#include <doctest/doctest.h>
#include <sched.h>

#include <climits>
#include <map>

#include "engine/threads.h"

using namespace vitq;

namespace {

/// The files of a machine that is not there.
std::optional<double> cpus_of(const std::map<std::string, std::string>& files) {
  return cgroup_cpus([&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    return found != files.end() ? std::optional(found->second) : std::nullopt;
  });
}

const std::string kV2Mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const std::string kV1Mount =
    "25 20 0:22 / /sys rw shared:7 - sysfs sysfs rw\n"
    "33 25 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "34 25 0:31 / /sys/fs/cgroup/cpuset rw,relatime shared:10 - cgroup cgroup rw,cpuset\n";

}  // namespace

TEST_CASE("threads: cpu.max and OMP_NUM_THREADS, well-formed and not") {
  CHECK(parse_cpu_max("150000 100000\n") == 1.5);
  CHECK(parse_cpu_max("5000 100000") == 0.05);
  for (const char* text : {"", "max", "max 100000\n", "150000", "150000 0", "0 100000", "-1 100000", "1 2 3", "a b",
                           "150000  100000", "99999999999999999999 100000", "1.5 1", "\n\n"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_cpu_max(text));
  }
  CHECK(parse_thread_count("3") == 3);
  CHECK(parse_thread_count(" 4,2 ") == 4);
  CHECK(parse_thread_count("9000000000") == 1 << 20);
  for (const char* text : {"", " ", "0", "-1", "two", "3x", "2,", ",2", "1.5", "99999999999999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_thread_count(text));
  }
}

TEST_CASE("threads: the least limit counts and says what it is") {
  const auto told = [](const ThreadLimit& limit) { return std::to_string(limit.count) + ' ' + limit.reason; };
  CHECK(told(least_limit(8, INT_MAX, nullptr, std::nullopt)) == "8 CPUs that this process may run on");
  CHECK(told(least_limit(8, INT_MAX, "8", 8.0)) == "8 CPUs that this process may run on");
  CHECK(told(least_limit(8, INT_MAX, "16", 7.5)) == "8 CPUs that this process may run on");
  CHECK(told(least_limit(8, INT_MAX, "1", std::nullopt)) == "1 OMP_NUM_THREADS");
  CHECK(told(least_limit(8, 3, "4", std::nullopt)) == "3 OMP_THREAD_LIMIT");
  CHECK(told(least_limit(8, 3, "4", 1.5)) == "2 cgroup quota of 1.5 CPUs");
  CHECK(told(least_limit(8, INT_MAX, "nonsense", 0.01)) == "1 cgroup quota of 0.01 CPUs");
  CHECK(least_limit(0, 0, "0", 1e300).count == 1);
  CHECK(least_limit(INT_MAX, INT_MAX, nullptr, 1e300).count == 1000000);
}

TEST_CASE("threads: the quota of a version 2 group and of those above it") {
  std::map<std::string, std::string> files = {{"/proc/self/mountinfo", kV2Mount},
                                              {"/proc/self/cgroup", "0::/pods/burst/one\n"}};
  CHECK_FALSE(cpus_of(files));
  files["/sys/fs/cgroup/pods/burst/one/cpu.max"] = "max 100000\n";
  CHECK_FALSE(cpus_of(files));
  files["/sys/fs/cgroup/pods/cpu.max"] = "250000 100000\n";
  CHECK(cpus_of(files) == 2.5);
  files["/sys/fs/cgroup/pods/burst/one/cpu.max"] = "300000 100000\n";
  CHECK(cpus_of(files) == 2.5);
  files["/sys/fs/cgroup/pods/burst/cpu.max"] = "50000 100000\n";
  CHECK(cpus_of(files) == 0.5);
  files["/sys/fs/cgroup/pods/burst/cpu.max"] = "nonsense\n";
  CHECK(cpus_of(files) == 2.5);
}

TEST_CASE("threads: the quota of a version 1 group, in a container and outside") {
  std::map<std::string, std::string> files = {
      {"/proc/self/mountinfo", kV1Mount}, {"/proc/self/cgroup", "5:cpuset:/a\n4:cpu,cpuacct:/docker/ab:c\n0::/b\n"}};
  const std::string folder = "/sys/fs/cgroup/cpu,cpuacct";
  files[folder + "/cpu.cfs_quota_us"] = "-1\n";
  files[folder + "/cpu.cfs_period_us"] = "100000\n";
  CHECK_FALSE(cpus_of(files));
  files[folder + "/docker/ab:c/cpu.cfs_quota_us"] = "120000\n";
  CHECK_FALSE(cpus_of(files));  // no period
  files[folder + "/docker/ab:c/cpu.cfs_period_us"] = "100000\n";
  CHECK(cpus_of(files) == 1.2);
  // In a container the mount shows the group itself, whose path is still the host's.
  const std::string mount = "33 25 0:30 /docker/ab:c /cg\\040roup/cpu rw - cgroup cgroup rw,cpu\n";
  CHECK(cpus_of({{"/proc/self/mountinfo", mount},
                 {"/proc/self/cgroup", "4:cpu,cpuacct:/docker/ab:c\n"},
                 {"/cg roup/cpu/cpu.cfs_quota_us", "80000"},
                 {"/cg roup/cpu/cpu.cfs_period_us", "40000"}}) == 2.0);
}

TEST_CASE("threads: odd files of cgroups hold nothing back") {
  CHECK_FALSE(cpus_of({}));
  const std::map<std::string, std::string> quota = {{"/sys/fs/cgroup/cpu.max", "100000 100000"}};
  for (const std::string& mountinfo :
       {std::string(), std::string("\n\n"), std::string("- cgroup2"), std::string(" - - - -"), kV2Mount.substr(0, 40),
        std::string("1 2 3 4 5 6 - cgroup2 x"), kV2Mount}) {
    for (const std::string& cgroup :
         {std::string(), std::string(":"), std::string("::"), std::string("0::/../.."), std::string("0::\n"),
          std::string("0:/"), std::string("x:y:z"), std::string(9000, '/')}) {
      CAPTURE(mountinfo);
      CAPTURE(cgroup);
      std::map<std::string, std::string> files = quota;
      files["/proc/self/mountinfo"] = mountinfo;
      files["/proc/self/cgroup"] = cgroup;
      const std::optional<double> cpus = cpus_of(files);
      if (cpus) CHECK(*cpus == 1.0);
    }
  }
  // Out of what this process can see there is still the mount itself.
  std::map<std::string, std::string> outside = quota;
  outside["/proc/self/mountinfo"] = kV2Mount;
  outside["/proc/self/cgroup"] = "0::/../../other\n";
  CHECK(cpus_of(outside) == 1.0);
}

TEST_CASE("threads: this process has a limit with a reason") {
  CHECK(thread_limit().count >= 1);
  CHECK(thread_limit().count == available_threads());
  CHECK_FALSE(thread_limit().reason.empty());
}

TEST_CASE("threads: CPUs that share a core count once") {
  const std::map<std::string, std::string> files = {
      {"/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,4\n"},
      {"/sys/devices/system/cpu/cpu4/topology/thread_siblings_list", "0,4\n"},
      {"/sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1,5\n"},
      {"/sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "\n"},
  };
  const auto read = [&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    return found != files.end() ? std::optional(found->second) : std::nullopt;
  };
  CHECK(count_cores({0, 4}, read) == 1);
  CHECK(count_cores({0, 1, 4}, read) == 2);
  CHECK(count_cores({0, 1, 2, 3, 4}, read) == 4);  // nothing is known of 2 and 3
  CHECK(count_cores({}, read) == 1);
  CHECK(available_cores().value_or(1) >= 1);
  CHECK(available_cores().value_or(1) <= CPU_SETSIZE);
}
