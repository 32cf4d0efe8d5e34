#pragma once
// A server on this machine that answers as a test wants it to, lies and failures included. One connection at a time,
// one question for each; plain HTTP/1.1.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace vitq::test {

struct HttpRequest {
  std::string target;                         ///< "/timm/..."
  std::map<std::string, std::string> fields;  ///< by name in small letters
};

struct HttpReply {
  int status = 200;
  std::map<std::string, std::string> fields{};  ///< beside Content-Length and Connection
  std::string body{};
  std::optional<std::uint64_t> claimed_length{};  ///< Content-Length; default: the truth
  bool tells_length = true;
  std::optional<std::size_t> sent{};  ///< so many bytes of the body are sent, then the connection is closed
  bool stalls = false;                ///< or, instead of being closed, left open in silence until the other side goes
};

class HttpServer {
 public:
  /// `answer` is called on the server's thread, never while synchronise() is.
  explicit HttpServer(std::function<HttpReply(const HttpRequest&)> answer);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// "127.0.0.1:PORT".
  [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  /// What has been asked so far.
  [[nodiscard]] std::vector<HttpRequest> requests() const;
  /// What the caller has done is seen by the next call of `answer`, and what that did by the caller of the next.
  void synchronise() const { const std::lock_guard lock(mutex_); }

 private:
  void serve();
  void converse(int connection);
  bool wait_for_input(int fd) const;

  std::function<HttpReply(const HttpRequest&)> answer_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> is_over_ = false;
  mutable std::mutex mutex_;
  std::vector<HttpRequest> requests_;
  std::thread thread_;  // last: it uses all the others
};

}  // namespace vitq::test
