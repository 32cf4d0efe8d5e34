#pragma once
// One question to a server over HTTP or HTTPS, and the way its answer comes in. What is to be done with it (go on with
// a cut file, ask again) is for others to say. http.cpp alone sees libcurl.
//
// Certificates are verified. Nothing but http and https is spoken; redirects are followed, at most five, and from https
// to https only. No password is sent anywhere. Proxies are libcurl's: $https_proxy, $http_proxy, $no_proxy.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "engine/error.h"

namespace vitq {

/// There is no whole answer. The message is a clause that names what failed; the address is for the caller to add.
class HttpError : public Error {
 public:
  HttpError(const std::string& message, bool is_transient)
      : Error(ErrorCode::kFile, message), is_transient_(is_transient) {}
  /// Whether the same question may well succeed in a moment.
  [[nodiscard]] bool is_transient() const { return is_transient_; }

 private:
  bool is_transient_;
};

struct HttpQuestion {
  std::string address;
  std::uint64_t begin = 0;           ///< first byte asked for; more than 0: `Range`
  std::string if_range{};            ///< the ETag for which that holds; empty: any
  std::chrono::seconds timeout{30};  ///< for connecting, and without any news from the server
};

/// What the last answer says before its body. A stranger's text, but etag and linked_etag are printable ASCII.
struct HttpHead {
  int status = 0;
  std::optional<std::uint64_t> length{};       ///< bytes of the body
  std::string etag{};                          ///< with its quotes; empty: none
  std::optional<std::uint64_t> range_begin{};  ///< `Content-Range`: where the body begins in the file,
  std::optional<std::uint64_t> range_total{};  ///< and how long the file is
  std::string linked_etag{};                   ///< `X-Linked-Etag`, of the hub's own answer before it redirects
  std::optional<std::uint64_t> linked_size{};  ///< `X-Linked-Size`, bytes; the same
};

/// Asks for `question.address`. `wants_body` sees the head, once; where it returns false the body is not read. `take`
/// gets the body piece by piece. Whatever these two throw ends the transfer and comes out. Returns the head, of any
/// status; throws HttpError where there is none or the body breaks off.
HttpHead http_get(const HttpQuestion& question, const std::function<bool(const HttpHead&)>& wants_body,
                  const std::function<void(std::span<const std::uint8_t>)>& take);

}  // namespace vitq
