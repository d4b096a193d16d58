// SHA-256 as OCI digests use it; OpenSSL's implementation (SHA-NI where the CPU has it).
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/stream.h"

namespace flense::codec {

using Sha256Bytes = std::array<std::byte, 32>;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(Bytes bytes);
  /// The raw digest. Ends the computation, as those below do.
  Sha256Bytes take();
  /// 64 lower-case hexadecimal digits.
  std::string hex();
  /// "sha256:" + hex().
  std::string digest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_digest(Bytes bytes);
/// URL-safe base64 without padding, as wheel RECORD files write it.
std::string record_text(const Sha256Bytes& digest);
std::string sha256_record(Bytes bytes);
std::string hex_text(const Sha256Bytes& digest);

/// Passes everything through and hashes it.
class HashingSink final : public Sink {
 public:
  explicit HashingSink(Sink& next) : next_(next) {}
  Result<void> write(Bytes bytes) override;
  Result<void> finish() override { return next_.finish(); }
  std::string digest() { return hash_.digest(); }
  std::uint64_t size() const { return size_; }

 private:
  Sink& next_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

}  // namespace flense::codec
