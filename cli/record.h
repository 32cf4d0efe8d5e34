#pragma once
// A measurement with all that is needed to repeat it: keys and values in a fixed order, printed in three ways.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace vitq {

using Record = nlohmann::ordered_json;

/// Adds what ran it and where: version, onednn, isa, cpu.
void add_system(Record& record);

/// `value` with `digits` decimals, so that figures do not claim more than they know.
double rounded(double value, int digits);

/// One line of JSON. Text that is not UTF-8 (a file's name) is replaced where it is not.
std::string to_json(const Record& record);
/// `text` as a cell of CSV: quoted where it must be (RFC 4180), else as it stands.
std::string csv_cell(const std::string& text);
/// Records with the same keys: a header and a row for each.
std::string to_csv(const std::vector<Record>& records);
/// `record` in the format "md" (a table of two columns), "csv" (a header and a row) or "json".
std::string to_format(const Record& record, const std::string& format);

}  // namespace vitq
