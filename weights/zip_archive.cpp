#include "weights/zip_archive.h"

#include <zip.h>

#include <algorithm>
#include <utility>

#include "engine/error.h"
#include "weights/printable.h"

namespace vitq {
namespace {

constexpr std::int64_t kMaxEntries = 65536;  // a checkpoint has one for each tensor

struct CloseEntry {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

/// libzip's error and its text, which it allocates.
class ZipError {
 public:
  ZipError() { zip_error_init(&error_); }
  ~ZipError() { zip_error_fini(&error_); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
  zip_error_t* get() { return &error_; }
  std::string text() { return zip_error_strerror(&error_); }

 private:
  zip_error_t error_{};
};

}  // namespace

struct ZipArchive::Handle {
  explicit Handle(zip_t* opened) : archive(opened) {}
  ~Handle() { zip_discard(archive); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  zip_t* archive;
};

bool ZipArchive::begins_like_one(std::span<const std::uint8_t> bytes) {
  constexpr std::uint8_t kLocalHeader[] = {'P', 'K', 3, 4};
  return bytes.size() >= sizeof(kLocalHeader) &&
         std::equal(std::begin(kLocalHeader), std::end(kLocalHeader), bytes.begin());
}

ZipArchive::ZipArchive(std::span<const std::uint8_t> bytes, std::string source) : source_(std::move(source)) {
  ZipError error;
  zip_source_t* input = zip_source_buffer_create(bytes.data(), bytes.size(), 0, error.get());
  check(input != nullptr, ErrorCode::kMemory, source_, ": cannot be read as a zip: ", error.text());
  zip_t* archive = zip_open_from_source(input, ZIP_RDONLY, error.get());
  if (archive == nullptr) zip_source_free(input);
  check(archive != nullptr, ErrorCode::kFormat, source_, ": begins as a zip but cannot be read as one: ", error.text(),
        "; the file is cut short or damaged");
  handle_ = std::make_unique<Handle>(archive);

  const std::int64_t count = zip_get_num_entries(archive, 0);
  check(count <= kMaxEntries, ErrorCode::kFormat, source_, ": the zip has ", count, " entries, expected at most ",
        kMaxEntries);
  for (std::int64_t i = 0; i < count; ++i) add_entry(static_cast<std::uint64_t>(i));
  // No entry is compressed, so together they fit; else some share their bytes, and reading would take for ever.
  std::uint64_t left = bytes.size();
  for (const auto& [name, entry] : entries_) {
    check(!entry.is_plain || entry.size <= left, ErrorCode::kFormat, source_,
          ": the zip's entries claim more bytes than the ", bytes.size(), " of the file; it is cut short or damaged");
    if (entry.is_plain) left -= entry.size;
  }
}

ZipArchive::~ZipArchive() = default;
ZipArchive::ZipArchive(ZipArchive&& other) noexcept = default;
ZipArchive& ZipArchive::operator=(ZipArchive&& other) noexcept = default;

void ZipArchive::add_entry(std::uint64_t index) {
  constexpr std::uint64_t kNeeded =
      ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  zip_stat_t facts{};
  const bool is_known = zip_stat_index(handle_->archive, index, ZIP_FL_ENC_RAW, &facts) == 0;
  check(is_known && (facts.valid & kNeeded) == kNeeded, ErrorCode::kFormat, source_,
        ": the zip does not tell about its entry ", index);
  const bool is_plain =
      facts.comp_method == ZIP_CM_STORE && facts.encryption_method == ZIP_EM_NONE && facts.comp_size == facts.size;
  const bool is_new = entries_.try_emplace(facts.name, Entry{index, facts.size, is_plain}).second;
  check(is_new, ErrorCode::kFormat, source_, ": the zip's entry ", printable(facts.name), " comes twice");
}

std::vector<std::string> ZipArchive::names() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

const ZipArchive::Entry& ZipArchive::plain_entry(const std::string& name) const {
  const auto found = entries_.find(name);
  check(found != entries_.end(), ErrorCode::kFormat, source_, ": the zip has no entry ", printable(name));
  check(found->second.is_plain, ErrorCode::kUnsupported, source_, ": the zip's entry ", printable(name),
        " is compressed or encrypted, expected stored bytes, as torch.save writes them");
  return found->second;
}

std::uint64_t ZipArchive::size(const std::string& name) const { return plain_entry(name).size; }

std::vector<std::uint8_t> ZipArchive::read(const std::string& name) const {
  const Entry& entry = plain_entry(name);
  const auto refuse = [&](const std::string& why) {
    fail(ErrorCode::kFormat, source_, ": the zip's entry ", printable(name), " cannot be read: ", why,
         "; the file is damaged");
  };
  const std::unique_ptr<zip_file_t, CloseEntry> file(zip_fopen_index(handle_->archive, entry.index, 0));
  if (file == nullptr) refuse(zip_strerror(handle_->archive));
  std::vector<std::uint8_t> bytes(entry.size);
  std::size_t done = 0;
  // Once more than there are bytes: libzip compares the checksum when it meets the end.
  for (std::int64_t count = 1; count > 0; done += static_cast<std::size_t>(count)) {
    std::uint8_t beyond = 0;
    const bool is_whole = done == bytes.size();
    count = zip_fread(file.get(), is_whole ? &beyond : bytes.data() + done, is_whole ? 1 : bytes.size() - done);
    if (count < 0) refuse(zip_file_strerror(file.get()));
    if (is_whole && count > 0) refuse("it is longer than the directory tells");
  }
  if (done != bytes.size())
    refuse("it ends after " + std::to_string(done) + " of " + std::to_string(entry.size) + " bytes");
  return bytes;
}

}  // namespace vitq
