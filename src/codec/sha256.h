// SHA-256 as OCI digests use it; OpenSSL's implementation (SHA-NI where the CPU has it).
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/stream.h"

namespace flense::codec {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(Bytes bytes);
  /// 64 lower-case hexadecimal digits. Ends the computation.
  std::string hex();
  /// "sha256:" + hex().
  std::string digest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_digest(Bytes bytes);
/// URL-safe base64 without padding of the raw digest, as wheel RECORD files write it.
std::string sha256_record(Bytes bytes);

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
