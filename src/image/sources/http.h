// The little HTTP/1.1 that container engines need: one request per connection over a local socket,
// bodies by length, chunked or to the end (RFC 9112).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"
#include "base/stream.h"

namespace flense::image {

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::unique_ptr<Source> body;                ///< owns the connection
};

struct HttpRequest {
  std::string method = "GET";
  std::string target;  ///< path with query, already percent-encoded
  std::string content_type;
  Source* body = nullptr;  ///< `body_size` bytes
  std::uint64_t body_size = 0;
};

/// "unix:///path" or "tcp://127.0.0.1:2375" (numeric addresses only; no TLS).
Result<UniqueFd> connect_engine(const std::string& address);
/// Sends the request alone.
Result<void> send_request(int connection, const HttpRequest& request);
/// Sends the request and reads the response's head.
Result<HttpResponse> http_request(UniqueFd connection, const HttpRequest& request);
/// What comes from a connection, or through whoever reads it for us.
Result<HttpResponse> read_response(UniqueFd connection);
/// Reads a response from any stream: what http_request() does after sending.
Result<HttpResponse> read_response(std::unique_ptr<Source> from);

/// Everything but unreserved characters and '/' and ':' as %XX.
std::string percent_encode(std::string_view text);

}  // namespace flense::image
