// A command line: the words of the input, one a line, are what follows `vitq`. Nothing is done by it: while the program
// runs it may open neither file nor socket, and commands that could do without get one word more that none of them
// accepts, so that they end with the parsing.

#include <fcntl.h>
#include <sys/resource.h>

#include <cstdlib>
#include <sstream>

#include "cli/args.h"
#include "cli/commands.h"
#include "tests/fuzz/fuzz.h"

namespace vitq::fuzz {
namespace {

/// While it lives, this process can open nothing.
class NoDescriptors {
 public:
  NoDescriptors() {
    if (::getrlimit(RLIMIT_NOFILE, &before_) != 0) std::abort();
    const rlimit none = {0, before_.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &none) != 0) std::abort();
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

Arguments words_of(Bytes input) {
  constexpr std::size_t kMost = 64;
  std::istringstream stream{std::string(text_of(input))};
  Arguments words;
  for (std::string word; words.size() < kMost && std::getline(stream, word);) {
    words.push_back(word.substr(0, word.find('\0')));  // as the system hands it over
  }
  const bool is_harmless = words.empty() || (words[0] != "seed" && words[0] != "pull" && words[0] != "bench");
  if (!is_harmless) words.emplace_back("--no-such-option");
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
  static const int is_silent = fuzz::silence();
  if (is_silent < 0) std::abort();
  const Arguments words = fuzz::words_of({data, size});
  fuzz::succeeds([&] {
    const fuzz::NoDescriptors guard;
    try {
      (void)run_program(words);
    } catch (const UsageError& error) {
      if (std::string_view(error.what()).empty()) std::abort();
    }
  });
  return 0;
}
