// A command line: the words of the input, one a line, are what follows `vitq`. Nothing is done by it: words name only
// files of an empty folder, and commands that need no file get one word more that none of them accepts, so that they
// end with the parsing.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "cli/args.h"
#include "cli/commands.h"
#include "tests/fuzz/fuzz.h"
#include "tests/temporary_folder.h"

namespace vitq::fuzz {
namespace {

/// While it lives, this process works in an empty folder of its own.
class EmptyFolder {
 public:
  EmptyFolder() : before_(::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    static const test::TemporaryFolder kFolder;
    const bool is_set = ::setenv("VITQ_HOME", kFolder.path().c_str(), 1) == 0 && ::setenv("VITQ_OFFLINE", "1", 1) == 0;
    if (before_ < 0 || !is_set || ::chdir(kFolder.path().c_str()) != 0) std::abort();
  }
  ~EmptyFolder() {
    if (::fchdir(before_) != 0) std::abort();
    ::close(before_);
  }
  EmptyFolder(const EmptyFolder&) = delete;
  EmptyFolder& operator=(const EmptyFolder&) = delete;

 private:
  int before_;
};

/// As the system hands it over, and naming nothing outside the folder.
std::string harmless(const std::string& line) {
  std::string word = line.substr(0, line.find('\0'));
  std::ranges::replace(word, '/', '_');
  for (std::size_t at = word.find(".."); at != std::string::npos; at = word.find("..")) word.replace(at, 2, "__");
  return word;
}

Arguments words_of(Bytes input) {
  constexpr std::size_t kMost = 64;
  std::istringstream stream{std::string(text_of(input))};
  Arguments words;
  for (std::string word; words.size() < kMost && std::getline(stream, word);) {
    words.push_back(harmless(word));
  }
  const bool needs_files = words.empty() || (words[0] != "seed" && words[0] != "pull" && words[0] != "bench");
  if (!needs_files) words.emplace_back("--no-such-option");
  return words;
}

/// Help and the like are not for here.
int silence() {
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  return nowhere < 0 ? -1 : ::dup2(nowhere, STDOUT_FILENO);
}

}  // namespace
}  // namespace vitq::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitq;
  static const int kIsSilent = fuzz::silence();
  if (kIsSilent < 0) std::abort();
  const Arguments words = fuzz::words_of({data, size});
  const fuzz::EmptyFolder folder;
  try {
    (void)run_program(words);
  } catch (const UsageError&) {
  } catch (const Error&) {  // names paths as they were given; log() makes them safe to print
  }
  return 0;
}
