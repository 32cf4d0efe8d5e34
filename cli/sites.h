#pragma once
// The report of a calibration, site by site: as `quantize` prints it, stores it in the artifact's metadata, and as
// `info` reads it back, where it is a stranger's text.

#include <string>
#include <string_view>
#include <vector>

#include "cli/record.h"
#include "quant/calibrate.h"

namespace vitq {

/// An array with an object per site: name, weight_bits, input_bits (0: float), sqnr_db (null: not finite), tanq_a,
/// tanq_c, scale_spread; is_flat (true) where that is so.
Record to_record(const std::vector<SiteReport>& sites);

/// The inverse. Throws Error, saying what is wrong, for anything else: at most 1 MiB, 4096 sites, bits from 0 to 8.
std::vector<SiteReport> parse_sites(std::string_view json);

/// A table for people.
std::string site_table(const std::vector<SiteReport>& sites);

}  // namespace vitq
