#include "cli/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>
#include <memory>
#include <string_view>

#include "vitq/version.h"

namespace vitq {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostRedirects = 5;

/// libcurl as a whole, ready while this lives.
class CurlLibrary {
 public:
  CurlLibrary() {
    check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, ErrorCode::kInternal, "libcurl cannot be made ready");
  }
  ~CurlLibrary() { curl_global_cleanup(); }
  CurlLibrary(const CurlLibrary&) = delete;
  CurlLibrary& operator=(const CurlLibrary&) = delete;
};

struct Release {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// One transfer, as the callbacks see it.
struct Transfer {
  CURL* handle;
  const HttpQuestion& question;
  const std::function<bool(const HttpHead&)>& wants_body;
  const std::function<void(std::span<const std::uint8_t>)>& take;

  std::array<char, CURL_ERROR_SIZE> error_text{};
  std::exception_ptr exception = nullptr;  ///< what a function of ours threw
  bool has_begun = false;
  bool is_wanted = true;
  bool is_stalled = false;
  HttpHead head{};
  curl_off_t received = -1;  ///< bytes of heads and body at the time of last_news
  Clock::time_point last_news = Clock::now();
};

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(handle, option, value);
  check(code == CURLE_OK, ErrorCode::kInternal, "libcurl refuses option ", static_cast<int>(option), ": ",
        curl_easy_strerror(code));
}

bool is_printable(std::string_view text) {
  constexpr std::size_t kMost = 256;
  return text.size() <= kMost && std::ranges::all_of(text, [](char c) { return ' ' <= c && c <= '~'; });
}

/// A field of the answer that followed `redirects` redirects, -1: of the last; empty where it is not there or odd.
std::string field(CURL* handle, const char* name, int redirects) {
  curl_header* header = nullptr;
  if (curl_easy_header(handle, name, 0, CURLH_HEADER, redirects, &header) != CURLHE_OK) return "";
  return is_printable(header->value) ? header->value : "";
}

/// The same, of the first answer that has it.
std::string first_field(CURL* handle, const char* name) {
  std::string value;
  for (int redirects = 0; value.empty() && redirects <= kMostRedirects; ++redirects) {
    value = field(handle, name, redirects);
  }
  return value;
}

std::optional<std::uint64_t> whole(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// RFC 9110, section 14.4: "bytes 5-99/100", "bytes 5-99/*" or "bytes */100".
void read_content_range(std::string_view text, HttpHead& head) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return;
  text.remove_prefix(kUnit.size());
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return;
  head.range_total = whole(text.substr(slash + 1));
  head.range_begin = whole(text.substr(0, std::min(text.find('-'), slash)));
}

HttpHead read_head(CURL* handle) {
  HttpHead head;
  long status = 0;
  curl_off_t length = -1;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  head.status = static_cast<int>(status);
  if (length >= 0) head.length = static_cast<std::uint64_t>(length);
  head.etag = field(handle, "ETag", -1);
  read_content_range(field(handle, "Content-Range", -1), head);
  head.linked_etag = first_field(handle, "X-Linked-Etag");
  head.linked_size = whole(first_field(handle, "X-Linked-Size"));
  return head;
}

void begin(Transfer& transfer) {
  if (transfer.has_begun) return;
  transfer.has_begun = true;
  transfer.head = read_head(transfer.handle);
  transfer.is_wanted = transfer.wants_body(transfer.head);
}

/// Called by C code, which no exception may cross. Any return value but the number of bytes ends the transfer.
std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t bytes = size * count;
  try {
    begin(transfer);
    if (!transfer.is_wanted) return bytes + 1;
    transfer.take({reinterpret_cast<const std::uint8_t*>(data), bytes});
  } catch (...) {
    transfer.exception = std::current_exception();
    return bytes + 1;
  }
  return bytes;
}

/// Called about once a second, more often while data comes. Not 0 ends the transfer.
int on_progress(void* user, curl_off_t /*total*/, curl_off_t body, curl_off_t /*upload*/, curl_off_t /*uploaded*/) {
  auto& transfer = *static_cast<Transfer*>(user);
  long heads = 0;
  curl_easy_getinfo(transfer.handle, CURLINFO_HEADER_SIZE, &heads);
  const Clock::time_point now = Clock::now();
  if (body + heads != transfer.received) {
    transfer.received = body + heads;
    transfer.last_news = now;
  }
  transfer.is_stalled = now - transfer.last_news >= transfer.question.timeout;
  return transfer.is_stalled ? 1 : 0;
}

void set_security(CURL* handle, const std::string& address) {
  set(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  set(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_FOLLOWLOCATION, 1L);
  set(handle, CURLOPT_MAXREDIRS, static_cast<long>(kMostRedirects));
  set(handle, CURLOPT_REDIR_PROTOCOLS_STR, address.starts_with("https:") ? "https" : "http,https");
  set(handle, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(handle, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
}

void set_callbacks(Transfer& transfer) {
  CURL* handle = transfer.handle;
  set(handle, CURLOPT_ERRORBUFFER, transfer.error_text.data());
  set(handle, CURLOPT_WRITEFUNCTION, on_body);
  set(handle, CURLOPT_WRITEDATA, &transfer);
  set(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
  set(handle, CURLOPT_XFERINFODATA, &transfer);
  set(handle, CURLOPT_NOPROGRESS, 0L);
  set(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // a proxy's head is not the server's
  set(handle, CURLOPT_NOSIGNAL, 1L);
}

bool is_tls_failure(CURLcode code) {
  constexpr std::array kCodes{
      CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM,
      CURLE_SSL_CIPHER,        CURLE_SSL_ISSUER_ERROR,         CURLE_USE_SSL_FAILED,     CURLE_SSL_INVALIDCERTSTATUS};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

/// Whether the connection broke or died after it was there.
bool is_cut(CURLcode code) {
  constexpr std::array kCodes{CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR,
                              CURLE_GOT_NOTHING,  CURLE_HTTP2,      CURLE_HTTP2_STREAM};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

[[noreturn]] void fail_with(CURLcode code, const Transfer& transfer) {
  const std::string_view own(transfer.error_text.data());
  const std::string text = own.empty() ? curl_easy_strerror(code) : std::string(own);
  if (transfer.is_stalled || code == CURLE_OPERATION_TIMEDOUT) {
    throw HttpError("nothing came for " + std::to_string(transfer.question.timeout.count()) + " s (--timeout)", true);
  }
  if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY) {
    throw HttpError(text + "; is this machine on the network?", false);
  }
  if (code == CURLE_TOO_MANY_REDIRECTS) {
    throw HttpError("more than " + std::to_string(kMostRedirects) + " redirects", false);
  }
  if (code == CURLE_UNSUPPORTED_PROTOCOL && text.starts_with("Protocol ")) {
    const bool is_https = transfer.question.address.starts_with("https:");
    throw HttpError("the server redirects to an address that is not " + std::string(is_https ? "https" : "http"),
                    false);
  }
  if (code == CURLE_LOGIN_DENIED) {
    throw HttpError("the server redirects to an address with a user name, which vitq does not send", false);
  }
  if (is_tls_failure(code)) throw HttpError("no trusted connection (TLS): " + text, false);
  if (is_cut(code)) throw HttpError("the connection was cut (" + text + ")", true);
  throw HttpError(text, false);
}

}  // namespace

HttpHead http_get(const HttpQuestion& question, const std::function<bool(const HttpHead&)>& wants_body,
                  const std::function<void(std::span<const std::uint8_t>)>& take) {
  const CurlLibrary library;
  const std::unique_ptr<CURL, Release> handle(curl_easy_init());
  check(handle != nullptr, ErrorCode::kInternal, "libcurl cannot be made ready");
  Transfer transfer{handle.get(), question, wants_body, take};
  set_security(handle.get(), question.address);
  set_callbacks(transfer);
  set(handle.get(), CURLOPT_URL, question.address.c_str());
  set(handle.get(), CURLOPT_USERAGENT, ("vitq/" + std::string(version())).c_str());
  set(handle.get(), CURLOPT_CONNECTTIMEOUT, static_cast<long>(question.timeout.count()));
  std::unique_ptr<curl_slist, Release> fields;
  if (question.begin > 0) {
    set(handle.get(), CURLOPT_RANGE, (std::to_string(question.begin) + '-').c_str());
    if (!question.if_range.empty()) {
      fields.reset(curl_slist_append(nullptr, ("If-Range: " + question.if_range).c_str()));
      check(fields != nullptr, ErrorCode::kMemory, "out of memory");
      set(handle.get(), CURLOPT_HTTPHEADER, fields.get());
    }
  }
  const CURLcode code = curl_easy_perform(handle.get());
  if (transfer.exception) std::rethrow_exception(transfer.exception);
  if (code == CURLE_OK) begin(transfer);  // an answer without a body
  if (code == CURLE_OK || (transfer.has_begun && !transfer.is_wanted)) return transfer.head;
  fail_with(code, transfer);
}

}  // namespace vitq
