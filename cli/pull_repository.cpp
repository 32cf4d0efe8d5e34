#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "cli/download.h"
#include "cli/download_part.h"
#include "cli/folder_lock.h"
#include "cli/hub_listing.h"
#include "cli/pull.h"
#include "cli/sha256.h"
#include "engine/error.h"
#include "models/hub_folder.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

constexpr const char* kListing = "hub.json";

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  check(!error, ErrorCode::kFile, folder.string(), ": the folder cannot be made: ", error.message());
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

void move_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  check(!error, ErrorCode::kFile, to.string(), ": cannot be put in place: ", error.message());
}

/// A repository on its way into a folder that is locked.
class Gathering {
  /// `work` on what the hub says; an Error tells which repository it is about.
  decltype(auto) of_hub(const auto& work) const {
    try {
      return work();
    } catch (const Error& error) {
      fail(error.code(), address_of(id_), ": ", error.what());
    }
  }

 public:
  Gathering(const HubId& id, const fs::path& folder, const PullOptions& options)
      : id_(id), folder_(folder), options_(options) {}

  Pulled run() {
    ask_for_listing();
    const std::vector<std::string> names = listing_.names();
    const auto weights = weights_among(names);
    check(weights.has_value(), ErrorCode::kUnsupported, address_of(id_),
          ": has no weights that vitq reads, expected model.safetensors in it");
    for (const std::string& name : descriptions_among(names)) get(name);
    get(*weights);
    if (weights->ends_with(".index.json")) {
      for (const std::string& part : of_hub([&] { return parts_of_index(content_of(folder_ / *weights)); })) get(part);
    }
    return {.path = folder_, .bytes = bytes_, .is_verified = is_verified_};
  }

 private:
  [[nodiscard]] Download question(const std::string& what, const std::string& path, std::uint64_t most) const {
    return {.what = what,
            .address = hub_address() + '/' + path,
            .most_bytes = most,
            .timeout = options_.timeout,
            .retries = options_.retries};
  }

  /// The list of now; what is there of another commit, or of nobody knows which, goes.
  void ask_for_listing() {
    constexpr std::uint64_t kMostBytes = std::uint64_t{16} << 20;
    const fs::path file = folder_ / kListing;
    const std::string before = content_of(file);
    DownloadPart part(file);
    part.restart({});
    download(question(id_.text(), listing_path(id_), kMostBytes), part);
    const std::string text = content_of(part.path());
    try {
      listing_ = of_hub([&] { return parse_listing(text); });
    } catch (const Error&) {
      part.restart({});
      throw;
    }
    if (commit_of(before) != listing_.commit) forget(part.path());
    part.commit();
  }

  static std::string commit_of(const std::string& text) {
    try {
      return parse_listing(text).commit;
    } catch (const Error&) {
      return "";
    }
  }

  /// Removes all but `kept` and its note.
  void forget(const fs::path& kept) const {
    std::vector<fs::path> others;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (!entry.path().string().starts_with(kept.string())) others.push_back(entry.path());
    }
    std::error_code ignored;
    for (const fs::path& other : others) fs::remove_all(other, ignored);
  }

  /// The file `name`, unless an earlier run has it whole: it takes its name only when it is verified.
  void get(const std::string& name) {
    const HubFile& file = of_hub([&]() -> const HubFile& { return listing_.file(name); });
    const bool is_weights = !name.ends_with(".json");
    bytes_ += file.size;
    if (is_weights && file.sha256.empty()) is_verified_ = false;
    const fs::path target = folder_ / name;
    std::error_code ignored;
    if (fs::exists(target, ignored)) return;
    DownloadPart part(target);
    const Download what = question(id_.text() + '/' + name, file_path(id_, listing_.commit, name), file.size);
    download(what, part);
    verify(part, file, what.address);
    part.commit();
  }

  static void verify(DownloadPart& part, const HubFile& file, const std::string& address) {
    try {
      check(part.size() == file.size, ErrorCode::kFormat, "it has ", part.size(), " bytes, expected ", file.size);
      std::set<std::string> expected{file.sha256, part.origin().sha256};
      expected.erase("");
      const std::string found = expected.empty() ? "" : sha256_of_file(part.path());
      for (const std::string& one : expected) {
        check(found == one, ErrorCode::kFormat, "its SHA-256 is ", found, ", expected ", one);
      }
    } catch (const Error& error) {
      part.restart({});
      fail(error.code(), "what came from ", address, " is not what the hub lists, and was thrown away: ", error.what());
    }
  }

  const HubId& id_;
  const fs::path& folder_;
  const PullOptions& options_;
  HubListing listing_{};
  std::uint64_t bytes_ = 0;
  bool is_verified_ = true;
};

}  // namespace

Pulled pull(const HubId& id, const PullOptions& options) {
  const fs::path folder = hub_folder(id);
  if (!options.force && is_folder(folder)) return {.path = folder};
  // No repository's name begins with a dot, so none is opened by this one.
  const std::string name = folder.filename().string();
  const fs::path gathered = folder.parent_path() / ('.' + name + ".part");
  const fs::path replaced = folder.parent_path() / ('.' + name + ".old");
  make_folder(folder.parent_path());
  const FolderLock lock(gathered, "`vitq pull`");
  if (!options.force && is_folder(folder)) {  // another pull has finished before we had the lock
    std::error_code error;
    fs::remove(gathered, error);  // where we have just made it: it is empty
    return {.path = folder};
  }
  std::error_code ignored;
  Pulled pulled;
  try {
    pulled = Gathering(id, gathered, options).run();
  } catch (...) {
    // What came is kept; folders that are empty are of no use (and no others are removed by this).
    fs::remove(gathered, ignored);
    fs::remove(folder.parent_path(), ignored);
    throw;
  }
  fs::remove_all(replaced, ignored);
  if (is_folder(folder)) move_folder(folder, replaced);
  move_folder(gathered, folder);
  fs::remove_all(replaced, ignored);
  pulled.path = folder;
  return pulled;
}

}  // namespace vitq
