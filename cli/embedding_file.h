#pragma once
// What `vitq embed` writes: NAME.npy, a row for each picture, and NAME.csv beside it, which says whose row it is.
// Both grow as part files, batch by batch, and are put in place when complete. A run that was cut, however it ended, is
// gone on with where its last whole batch ended.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "cli/npy.h"
#include "cli/part_file.h"
#include "cli/record.h"

namespace vitq {

struct EmbeddingLayout {
  std::vector<std::int64_t> shape;  ///< of the whole array: the first is the number of pictures, at least one
  NpyType type = NpyType::kFloat32;
  std::size_t batch = 1;  ///< rows that are computed together
};

class EmbeddingFile {
 public:
  /// Begins `npy`, or, where `resumes` is set and there is a part, goes on with that. belongs_to: all that makes the
  /// bytes, by name; a part of anything else is refused with an Error that names the first difference. Throws Error as
  /// PartFile. Call check_output_file() of both names first.
  EmbeddingFile(const std::filesystem::path& npy, const EmbeddingLayout& layout, const Record& belongs_to,
                bool resumes);

  /// NAME.csv of NAME.npy.
  static std::filesystem::path csv_of(const std::filesystem::path& npy);

  /// Rows that are there already, a multiple of the batch or all; the next add() is of the picture after them.
  [[nodiscard]] std::size_t rows() const { return rows_; }
  /// How many of all rows are of unreadable pictures.
  [[nodiscard]] std::size_t unreadable() const { return unreadable_; }

  /// The next row. Throws Error where a value does not fit the type.
  void add(const std::filesystem::path& picture, std::span<const float> values);
  /// The next row is NaN, for this reason.
  void add_unreadable(const std::filesystem::path& picture, const std::string& reason);
  /// Writes what was added. Throws Error; what was written before is kept for another run.
  void end_batch();
  /// Puts both files in place, the table first. Call once, last, when all rows are there.
  void commit();

 private:
  void go_on(const Record& belongs_to);
  void list(const std::filesystem::path& picture, const std::string& reason);
  [[nodiscard]] std::size_t row_values() const;
  [[nodiscard]] std::size_t row_bytes() const { return row_values() * size_of(layout_.type); }

  EmbeddingLayout layout_;
  std::string header_;
  PartFile npy_;
  PartFile csv_;
  std::size_t rows_ = 0;
  std::size_t unreadable_ = 0;
  std::vector<std::uint8_t> waiting_rows_;
  std::string waiting_lines_;
};

}  // namespace vitq
