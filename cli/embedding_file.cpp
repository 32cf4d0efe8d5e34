#include "cli/embedding_file.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>

#include "cli/output.h"
#include "engine/error.h"
#include "weights/printable.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

constexpr const char* kWorker = "`vitq embed`";
constexpr std::string_view kHeading = "row,file,error\n";

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// The lines of a table below its heading, as far as they are whole and at most `most`.
struct Lines {
  std::size_t count = 0;
  std::size_t with_error = 0;  ///< whose last cell is not empty
  std::uint64_t end = 0;       ///< bytes up to there, the heading included
};

/// A line break inside of quotes ends no line.
Lines lines_in(const fs::path& csv, std::size_t most) {
  Lines lines;
  std::ifstream file(csv, std::ios::binary);
  std::string heading(kHeading.size(), '\0');
  if (!file.read(heading.data(), static_cast<std::streamsize>(heading.size())) || heading != kHeading) return lines;
  lines.end = kHeading.size();
  std::array<char, 1 << 16> buffer{};
  std::uint64_t at = lines.end;
  bool is_quoted = false;
  char previous = '\n';
  while (lines.count < most && (file.read(buffer.data(), buffer.size()), file.gcount() > 0)) {
    for (std::streamsize i = 0; i < file.gcount() && lines.count < most; ++i) {
      const char c = buffer[static_cast<std::size_t>(i)];
      ++at;
      if (c == '"') is_quoted = !is_quoted;
      if (c == '\n' && !is_quoted) {
        ++lines.count;
        lines.with_error += previous == ',' ? 0 : 1;
        lines.end = at;
      }
      previous = c;
    }
  }
  return lines;
}

/// A value of a note, which is a stranger's text.
std::string shown(const Record& value) {
  if (value.is_string()) return printable(value.get<std::string>());
  return value.is_primitive() ? value.dump() : "a list";
}

/// Throws Error unless `part` was begun for the same as `expected` says.
void check_same(const PartFile& part, const Record& expected) {
  const Record found = Record::parse(part.note(), nullptr, false);
  check(found.is_object(), ErrorCode::kFormat, part.path().string(),
        ": does not say what it is a part of; without --resume it is begun anew");
  for (const auto& [name, value] : expected.items()) {
    const auto there = found.find(name);
    const bool is_said = there != found.end();
    check(is_said && *there == value, ErrorCode::kArgument, part.path().string(), ": is of another work: ", name,
          " is ", is_said ? shown(*there) : "not said", " there and ", shown(value),
          " here; without --resume it is begun anew");
  }
}

}  // namespace

fs::path EmbeddingFile::csv_of(const fs::path& npy) { return fs::path(npy).replace_extension(".csv"); }

EmbeddingFile::EmbeddingFile(const fs::path& npy, const EmbeddingLayout& layout, const Record& belongs_to, bool resumes)
    : layout_(layout), header_(npy_header(layout.type, layout.shape)), npy_(npy, kWorker), csv_(csv_of(npy), kWorker) {
  if (resumes && npy_.is_resumable() && csv_.is_resumable()) go_on(belongs_to);
  if (rows_ > 0) return;
  const std::string note = to_json(belongs_to);
  npy_.restart(note);
  csv_.restart(note);
  // With the first batch: until then there is nothing to be left behind.
  waiting_lines_ = kHeading;
  waiting_rows_.assign(header_.begin(), header_.end());
}

void EmbeddingFile::go_on(const Record& belongs_to) {
  // As it is read back.
  const Record expected = Record::parse(to_json(belongs_to));
  check_same(npy_, expected);
  check_same(csv_, expected);
  const auto total = static_cast<std::size_t>(layout_.shape.front());
  const std::uint64_t bytes = std::max<std::uint64_t>(npy_.size(), header_.size()) - header_.size();
  const std::size_t written = std::min<std::size_t>({bytes / row_bytes(), lines_in(csv_.path(), total).count, total});
  rows_ = written == total ? total : written - written % layout_.batch;
  const Lines lines = lines_in(csv_.path(), rows_);
  unreadable_ = lines.with_error;
  if (rows_ == 0) return;
  npy_.shorten(header_.size() + rows_ * row_bytes());
  csv_.shorten(lines.end);
}

std::size_t EmbeddingFile::row_values() const {
  std::size_t values = 1;
  for (std::size_t axis = 1; axis < layout_.shape.size(); ++axis) values *= layout_.shape[axis];
  return values;
}

void EmbeddingFile::list(const fs::path& picture, const std::string& reason) {
  waiting_lines_ += std::to_string(rows_) + ',' + csv_cell(picture.string()) + ',' + csv_cell(one_line(reason)) + '\n';
  ++rows_;
}

void EmbeddingFile::add(const fs::path& picture, std::span<const float> values) {
  append_npy(waiting_rows_, values, layout_.type, picture.string());
  list(picture, "");
}

void EmbeddingFile::add_unreadable(const fs::path& picture, const std::string& reason) {
  const std::vector<float> nothing(row_values(), std::numeric_limits<float>::quiet_NaN());
  append_npy(waiting_rows_, nothing, layout_.type, picture.string());
  list(picture, reason);
  ++unreadable_;
}

void EmbeddingFile::end_batch() {
  csv_.append(bytes_of(waiting_lines_));
  npy_.append(waiting_rows_);
  waiting_lines_.clear();
  waiting_rows_.clear();
}

void EmbeddingFile::commit() {
  csv_.commit();
  npy_.commit();
}

}  // namespace vitq
