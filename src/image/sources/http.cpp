#include "image/sources/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "base/ascii.h"

namespace flense::image {

namespace {

constexpr std::size_t kMaxHead = 65536;
constexpr std::size_t kMaxChunkLine = 4096;

/// A socket as a Source that owns it.
class SocketSource final : public Source {
 public:
  explicit SocketSource(UniqueFd fd) : fd_(std::move(fd)), source_(fd_.get(), "the engine") {}
  Result<Bytes> next(std::size_t max) override { return source_.next(max); }

 private:
  UniqueFd fd_;
  FdSource source_;
};

class BodySource final : public Source {
 public:
  enum class Kind { kLength, kChunked, kToEnd };
  BodySource(std::unique_ptr<Source> from, Kind kind, std::uint64_t length)
      : from_(std::move(from)), kind_(kind), left_(length) {}

  Result<Bytes> next(std::size_t max) override {
    if (kind_ == Kind::kToEnd) return from_->next(max);
    if (left_ == 0 && kind_ == Kind::kChunked && !done_) TRY_DO(next_chunk());
    if (left_ == 0) return Bytes();
    TRY(const Bytes out,
        from_->next(static_cast<std::size_t>(std::min<std::uint64_t>(max, left_))));
    if (out.empty()) return fail(Code::kEnvironment, "the engine closed the connection early");
    left_ -= out.size();
    return out;
  }

 private:
  Result<std::string> read_line() {
    std::string line;
    while (true) {
      TRY(const Bytes byte, from_->next(1));
      if (byte.empty()) return fail(Code::kEnvironment, "the engine closed the connection early");
      const char c = static_cast<char>(byte.front());
      if (c == '\n') break;
      line += c;
      if (line.size() > kMaxChunkLine) return bad_input("the engine sent an endless chunk header");
    }
    if (line.ends_with('\r')) line.pop_back();
    return line;
  }
  Result<void> next_chunk() {
    if (!first_) {
      TRY(const std::string blank, read_line());
      if (!blank.empty()) return bad_input("the engine sent a broken chunk");
    }
    first_ = false;
    TRY(const std::string line, read_line());
    const std::string_view digits = std::string_view(line).substr(0, line.find(';'));
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), left_, 16);
    if (parsed.ec != std::errc()) {
      return bad_input("the engine sent a broken chunk size \"{}\"", line);
    }
    done_ = left_ == 0;
    return {};
  }

  std::unique_ptr<Source> from_;
  Kind kind_;
  std::uint64_t left_;
  bool first_ = true, done_ = false;
};

Result<void> send_all(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return system_error(errno, "cannot send to the engine");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

template <class Address>
Result<UniqueFd> connect_to(int family, const Address& address, const std::string& shown) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return system_error(errno, "cannot create a socket");
  sockaddr_storage storage{};
  static_assert(sizeof(Address) <= sizeof storage);
  std::memcpy(&storage, &address, sizeof address);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), sizeof address) != 0) {
    return system_error(errno, "cannot reach the engine at " + shown);
  }
  return fd;
}

Result<UniqueFd> connect_tcp(std::string_view host_port, const std::string& shown) {
  const auto colon = host_port.rfind(':');
  unsigned port = 2375;
  std::string host(host_port.substr(0, colon));
  if (colon != std::string_view::npos) {
    const std::string_view digits = host_port.substr(colon + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (parsed.ec != std::errc() || port == 0 || port > 65535) {
      return fail(Code::kUsage, "\"{}\" has no valid port", shown);
    }
  }
  if (host == "localhost") host = "127.0.0.1";
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    return fail(Code::kEnvironment,
                "cannot reach the engine at {}: only local "
                "sockets and numeric addresses are supported",
                shown)
        .hint("save the image there with `docker save` and give the file");
  }
  return connect_to(AF_INET, address, shown);
}

}  // namespace

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain =
        is_alphanumeric(c) || std::string_view("-._~/:").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<UniqueFd> connect_engine(const std::string& address) {
  if (address.starts_with("tcp://")) {
    return connect_tcp(std::string_view(address).substr(6), address);
  }
  if (!address.starts_with("unix://")) {
    return fail(Code::kEnvironment,
                "cannot reach the engine at {}: only unix:// and "
                "tcp:// are supported",
                address)
        .hint("save the image there with `docker save` and give the file");
  }
  const std::string path = address.substr(7);
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  if (path.size() >= sizeof local.sun_path) {
    return fail(Code::kUsage, "the socket path {} is too long", path);
  }
  std::memcpy(&local.sun_path, path.c_str(), path.size() + 1);
  return connect_to(AF_UNIX, local, path);
}

Result<HttpResponse> read_response(std::unique_ptr<Source> from) {
  std::string head;
  while (!head.ends_with("\r\n\r\n") && !head.ends_with("\n\n")) {
    TRY(const Bytes byte, from->next(1));
    if (byte.empty()) return fail(Code::kEnvironment, "the engine closed the connection early");
    head += static_cast<char>(byte.front());
    if (head.size() > kMaxHead) return bad_input("the engine's response has an endless head");
  }
  HttpResponse out;
  const std::string_view view = head;
  const std::size_t first_end = view.find('\n');
  const std::string_view first = view.substr(0, first_end);
  if (!first.starts_with("HTTP/1.") || first.size() < 12) {
    return bad_input("the engine does not speak HTTP/1.1");
  }
  const auto parsed = std::from_chars(first.data() + 9, first.data() + 12, out.status);
  if (parsed.ec != std::errc()) return bad_input("the engine sent no status code");
  for (std::size_t at = first_end + 1; at < view.size();) {
    const std::size_t end = std::min(view.find('\n', at), view.size());
    const std::string_view line = view.substr(at, end - at);
    at = end + 1;
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    out.headers.insert_or_assign(to_lower(trim(line.substr(0, colon))),
                                 std::string(trim(line.substr(colon + 1))));
  }
  auto kind = BodySource::Kind::kToEnd;
  std::uint64_t length = 0;
  if (const auto coding = out.headers.find("transfer-encoding");
      coding != out.headers.end() && to_lower(coding->second) == "chunked") {
    kind = BodySource::Kind::kChunked;
  } else if (const auto stated = out.headers.find("content-length"); stated != out.headers.end()) {
    kind = BodySource::Kind::kLength;
    const std::string& digits = stated->second;
    const auto number = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (number.ec != std::errc()) return bad_input("the engine sent a broken Content-Length");
  }
  out.body = std::make_unique<BodySource>(std::move(from), kind, length);
  return out;
}

Result<void> send_request(int connection, const HttpRequest& request) {
  std::string head = fmt::format(
      "{} {} HTTP/1.1\r\nHost: docker\r\nUser-Agent: flense\r\n"
      "Connection: close\r\n",
      request.method, request.target);
  if (request.method != "GET") {
    head += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n", request.content_type,
                        request.body_size);
  }
  head += "\r\n";
  TRY_DO(send_all(connection, as_bytes(head)));
  if (request.body != nullptr) {
    while (true) {
      TRY(const Bytes chunk, request.body->next(1u << 20));
      if (chunk.empty()) break;
      TRY_DO(send_all(connection, chunk));
    }
  }
  return {};
}

Result<HttpResponse> read_response(UniqueFd connection) {
  return read_response(std::make_unique<SocketSource>(std::move(connection)));
}

Result<HttpResponse> http_request(UniqueFd connection, const HttpRequest& request) {
  TRY_DO(send_request(connection.get(), request));
  return read_response(std::move(connection));
}

}  // namespace flense::image
