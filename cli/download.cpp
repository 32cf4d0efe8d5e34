#include "cli/download.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>
#include <thread>

#include "cli/http.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "engine/error.h"

namespace vitq {
namespace {

constexpr int kOk = 200;
constexpr int kPartial = 206;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;
constexpr int kRequestTimeout = 408;
constexpr int kGone = 410;
constexpr int kRangeNotSatisfiable = 416;
constexpr int kTooManyRequests = 429;
constexpr int kServerError = 500;

/// RFC 9110, section 13.1.5: only a strong ETag may go with a range.
std::string strong(const std::string& etag) { return etag.starts_with('"') ? etag : ""; }

/// The origin of a whole file that begins with `head`.
PartOrigin origin_of(const HttpHead& head, const std::string& address) {
  return {.address = address,
          .etag = strong(head.etag),
          .sha256 = sha256_of_etag(head.linked_etag),
          .total = head.length ? head.length : head.linked_size};
}

/// Whether the body that `head` announces is the rest of `part`.
bool continues(const HttpHead& head, const DownloadPart& part) {
  const PartOrigin& origin = part.origin();
  const bool is_same_tag = origin.etag.empty() || strong(head.etag) == origin.etag;
  const bool is_same_hash = origin.sha256.empty() || sha256_of_etag(head.linked_etag) == origin.sha256;
  const bool is_same_length = !origin.total || head.range_total == origin.total;
  return head.range_begin == part.size() && is_same_tag && is_same_hash && is_same_length;
}

[[noreturn]] void refuse_status(int status) {
  const std::string text = "the server answers " + std::to_string(status);
  if (status == kNotFound || status == kGone) throw HttpError(text + ": there is no such file", false);
  if (status == kUnauthorized || status == kForbidden) {
    throw HttpError(text + ": access is denied: it is not there, or for those who send a token, as vitq does not",
                    false);
  }
  if (status == kTooManyRequests) throw HttpError(text + ": too many requests, try later", true);
  if (status == kRequestTimeout || status >= kServerError) throw HttpError(text + ": it has failed", true);
  throw HttpError(text + ", expected 200", false);
}

/// One try: goes on with `part` where that can be, else asks for the whole.
class Attempt {
 public:
  Attempt(const Download& download, DownloadPart& part) : download_(download), part_(part) {}

  void run() {
    const bool can_go_on = part_.is_resumable() && part_.origin().address == download_.address;
    if (can_go_on && part_.origin().total == part_.size()) return;  // it was all there already
    int status = ask(can_go_on ? part_.size() : 0);
    if (can_go_on && (is_other_ || status == kRangeNotSatisfiable)) {
      part_.restart({});
      is_other_ = false;
      status = ask(0);
    }
    if (status != kOk && status != kPartial) refuse_status(status);
    if (is_other_) throw HttpError("the server sends another part than was asked for", false);
    const auto total = part_.origin().total;
    if (total && *total != part_.size()) {
      throw HttpError("the connection was cut after " + megabytes(part_.size()) + " of " + megabytes(*total), true);
    }
  }

 private:
  int ask(std::uint64_t begin) {
    begin_ = begin;
    const HttpQuestion question{.address = download_.address,
                                .begin = begin,
                                .if_range = begin > 0 ? part_.origin().etag : "",
                                .timeout = download_.timeout};
    const HttpHead head = http_get(
        question, [this](const HttpHead& answer) { return accept(answer); },
        [this](std::span<const std::uint8_t> bytes) { take(bytes); });
    return head.status;
  }

  /// Whether the body is wanted, which then goes to the end of the part.
  bool accept(const HttpHead& head) {
    if (head.status == kPartial) {
      is_other_ = begin_ == 0 || !continues(head, part_);
      if (is_other_) return false;
    } else if (head.status == kOk) {
      check_length(head);
      part_.restart(origin_of(head, download_.address));
    } else {
      return false;
    }
    progress_.emplace(download_.what, part_.origin().total.value_or(0), true, Progress::Unit::kBytes);
    progress_->skip(part_.size());
    return true;
  }

  void check_length(const HttpHead& head) const {
    const bool is_odd = head.length && head.linked_size && *head.length != *head.linked_size;
    if (is_odd) {
      throw HttpError("the server sends " + std::to_string(*head.length) + " bytes, but says that the file has " +
                          std::to_string(*head.linked_size),
                      false);
    }
    if (std::max(head.length.value_or(0), head.linked_size.value_or(0)) > download_.most_bytes) refuse_size();
  }

  void take(std::span<const std::uint8_t> bytes) {
    const std::uint64_t size = part_.size() + bytes.size();
    if (size > download_.most_bytes) refuse_size();
    const auto total = part_.origin().total;
    if (total && size > *total) {
      part_.restart({});
      throw HttpError("the server sends more than the " + std::to_string(*total) + " bytes that it says the file has",
                      false);
    }
    part_.append(bytes);
    progress_->advance(bytes.size());
  }

  [[noreturn]] void refuse_size() const {
    part_.restart({});
    throw HttpError("the file has more than " + megabytes(download_.most_bytes) + ", which this model cannot need",
                    false);
  }

  const Download& download_;
  DownloadPart& part_;
  std::optional<Progress> progress_;
  std::uint64_t begin_ = 0;  ///< of what was asked for
  bool is_other_ = false;    ///< the answer is no continuation of the part
};

std::string kept(const Download& download, const DownloadPart& part) {
  if (!part.is_resumable() || part.origin().address != download.address) return "";
  return "; the " + megabytes(part.size()) + " that came are kept, the same command goes on from there";
}

}  // namespace

void download(const Download& download, DownloadPart& part) {
  std::chrono::milliseconds pause{500};
  for (int retries = 0;; ++retries) {
    try {
      Attempt(download, part).run();
      return;
    } catch (const HttpError& error) {
      const bool is_last = !error.is_transient() || retries == download.retries;
      check(!is_last, ErrorCode::kFile, download.what, " cannot be downloaded from ", download.address, ": ",
            error.what(), kept(download, part));
      log("vitq: " + download.what + ": " + error.what() + "; trying again");
    }
    std::this_thread::sleep_for(pause);
    constexpr std::chrono::seconds kLongest{30};
    pause = std::min<std::chrono::milliseconds>(2 * pause, kLongest);
  }
}

std::string sha256_of_etag(std::string_view etag) {
  constexpr std::size_t kDigits = 64;
  if (etag.size() != kDigits + 2 || !etag.starts_with('"') || !etag.ends_with('"')) return "";
  std::string digits(etag.substr(1, kDigits));
  for (char& c : digits) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return "";
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return digits;
}

}  // namespace vitq
