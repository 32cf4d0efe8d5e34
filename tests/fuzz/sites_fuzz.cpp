// The calibration report in an artifact's metadata. What is read is written so that the same is read again.

#include <cstdlib>

#include "cli/sites.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitq;
  fuzz::succeeds([&] {
    const auto sites = parse_sites(fuzz::text_of({data, size}));
    (void)site_table(sites);
    if (parse_sites(to_record(sites).dump()).size() != sites.size()) std::abort();
  });
  return 0;
}
