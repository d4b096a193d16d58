#include "codec/sha256.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <string_view>

namespace flense::codec {

// EVP would initialise the whole library first, which takes longer than most of our digests: 3.6 of
// the 6.6 million instructions of a container start. These functions use the same hashing code
// and read neither modules nor openssl.cnf. OpenSSL 3 deprecates them but keeps them.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

struct Sha256::State {
  SHA256_CTX context{};
  State() { SHA256_Init(&context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(Bytes bytes) {
  SHA256_Update(&state_->context, bytes.data(), bytes.size());
}

Sha256Bytes Sha256::take() {
  static_assert(sizeof(Sha256Bytes) == SHA256_DIGEST_LENGTH);
  Sha256Bytes out{};
  SHA256_Final(reinterpret_cast<unsigned char*>(out.data()), &state_->context);
  return out;
}

#pragma GCC diagnostic pop

std::string Sha256::hex() {
  return hex_text(take());
}

std::string Sha256::digest() {
  return "sha256:" + hex();
}

std::string sha256_digest(Bytes bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.digest();
}

std::string hex_text(const Sha256Bytes& digest) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(2 * digest.size());
  for (const std::byte byte : digest) {
    out += kDigits[std::to_integer<unsigned>(byte) >> 4];
    out += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return out;
}

std::string record_text(const Sha256Bytes& digest) {
  std::array<unsigned char, 48> text{};
  const int length =
      EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(digest.data()),
                      static_cast<int>(digest.size()));
  std::string out(text.begin(), text.begin() + length);
  for (char& c : out) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  while (!out.empty() && out.back() == '=') out.pop_back();
  return out;
}

std::string sha256_record(Bytes bytes) {
  Sha256 hash;
  hash.update(bytes);
  return record_text(hash.take());
}

Result<void> HashingSink::write(Bytes bytes) {
  hash_.update(bytes);
  size_ += bytes.size();
  return next_.write(bytes);
}

}  // namespace flense::codec
