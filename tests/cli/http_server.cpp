#include "tests/cli/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace vitq::test {
namespace {

/// Up to the empty line; what a client that goes away has sent.
std::string read_head(int connection) {
  std::string text;
  std::array<char, 4096> buffer{};
  while (text.find("\r\n\r\n") == std::string::npos) {
    const ssize_t count = ::recv(connection, buffer.data(), buffer.size(), 0);
    if (count <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (!text.starts_with("GET ")) break;  // TLS, say
  }
  return text;
}

HttpRequest parse(const std::string& head) {
  std::istringstream lines(head);
  HttpRequest request;
  std::string method;
  lines >> method >> request.target;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && line != "\r") {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    request.fields[name] = line.substr(colon + 2, line.size() - colon - 3);
  }
  return request;
}

void send_all(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;  // the client has gone: that is its business
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

HttpServer::HttpServer(std::function<HttpReply(const HttpRequest&)> answer) : answer_(std::move(answer)) {
  // Not inherited by the program under test: a connection would stay open with it.
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  constexpr int kBacklog = 8;
  if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, kBacklog) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("cannot start a server");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

HttpServer::~HttpServer() {
  is_over_ = true;
  thread_.join();
  ::close(listener_);
}

std::vector<HttpRequest> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

/// False when the server is to end.
bool HttpServer::wait_for_input(int fd) const {
  constexpr int kPause = 20;  // ms
  pollfd watched{fd, POLLIN, 0};
  while (!is_over_) {
    if (::poll(&watched, 1, kPause) > 0) return true;
  }
  return false;
}

void HttpServer::serve() {
  while (wait_for_input(listener_)) {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    if (wait_for_input(connection)) converse(connection);
    ::close(connection);
  }
}

void HttpServer::converse(int connection) {
  const std::string head = read_head(connection);
  if (!head.starts_with("GET ")) return send_all(connection, "HTTP/1.1 400 Not Understood\r\n\r\n");
  const HttpRequest request = parse(head);
  HttpReply reply;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    reply = answer_(request);
  }
  std::ostringstream text;
  text << "HTTP/1.1 " << reply.status << " As Ordered\r\nConnection: close\r\n";
  if (reply.tells_length) text << "Content-Length: " << reply.claimed_length.value_or(reply.body.size()) << "\r\n";
  for (const auto& [name, value] : reply.fields) text << name << ": " << value << "\r\n";
  text << "\r\n";
  send_all(connection, text.str());
  send_all(connection, std::string_view(reply.body).substr(0, reply.sent.value_or(reply.body.size())));
  if (reply.stalls) wait_for_input(connection);  // the end of the other side is input
}

}  // namespace vitq::test
