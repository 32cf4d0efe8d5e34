// The program's entry, and the one place that turns a failure into a message and an exit code.

#include <exception>
#include <new>
#include <string>

#include "cli/args.h"
#include "cli/bus_error.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/wait_policy.h"
#include "vitq/error.h"

namespace {
constexpr int kFailure = 1;
constexpr int kUsageFailure = 2;
constexpr const char* kMemoryHint = "; a smaller --batch or fewer --threads may help";
}  // namespace

int main(int argc, char** argv) {
  vitq::choose_wait_policy(argv);
  vitq::prepare_streams();
  vitq::explain_bus_errors();
  try {
    return vitq::run_program(vitq::Arguments(argv + (argc > 0 ? 1 : 0), argv + argc));
  } catch (const vitq::UsageError& error) {
    vitq::log_error(error.what());
    if (!error.usage().empty()) vitq::log(error.usage());
    return kUsageFailure;
  } catch (const vitq::BrokenPipe&) {
    return 0;
  } catch (const std::bad_alloc&) {
    vitq::log_error(std::string("out of memory") + kMemoryHint);
  } catch (const vitq::Error& error) {
    vitq::log_error(error.what() + std::string(error.code() == vitq::ErrorCode::kMemory ? kMemoryHint : ""));
  } catch (const std::exception& error) {
    vitq::log_error(error.what());
  }
  return kFailure;
}
