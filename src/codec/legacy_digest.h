// Digests that package managers and file formats still record. Only for those fields, never for
// trust.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace flense::codec {

std::string md5_hex(Bytes bytes);

/// MD5 of a stream.
class Md5 {
 public:
  Md5();
  ~Md5();
  Md5(const Md5&) = delete;
  Md5& operator=(const Md5&) = delete;
  void update(Bytes bytes);
  /// Ends the computation.
  std::array<std::byte, 16> take();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha1_hex(Bytes bytes);
/// Standard base64 with padding of the SHA-1, as apk writes after "Q1".
std::string sha1_base64(Bytes bytes);

}  // namespace flense::codec
