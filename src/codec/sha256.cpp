#include "codec/sha256.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>

namespace flense::codec {

namespace {

using RawDigest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

}  // namespace

// EVP would initialise the whole library first, which takes longer than most of our digests: 3.6 of
// the 6.6 million instructions of a container start. These functions use the same hashing code
// and read neither modules nor openssl.cnf. OpenSSL 3 deprecates them but keeps them.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

struct Sha256::State {
  SHA256_CTX context{};
  State() { SHA256_Init(&context); }
  RawDigest finish() {
    RawDigest raw{};
    SHA256_Final(raw.data(), &context);
    return raw;
  }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(Bytes bytes) {
  SHA256_Update(&state_->context, bytes.data(), bytes.size());
}

std::string Sha256::hex() {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(64);
  for (const unsigned char byte : state_->finish()) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string Sha256::digest() {
  return "sha256:" + hex();
}

std::string sha256_digest(Bytes bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.digest();
}

std::string sha256_record(Bytes bytes) {
  SHA256_CTX context{};
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  RawDigest raw{};
  SHA256_Final(raw.data(), &context);
  std::array<unsigned char, 48> text{};
  const int length = EVP_EncodeBlock(text.data(), raw.data(), static_cast<int>(raw.size()));
  std::string out(text.begin(), text.begin() + length);
  for (char& c : out) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  while (!out.empty() && out.back() == '=') out.pop_back();
  return out;
}

#pragma GCC diagnostic pop

Result<void> HashingSink::write(Bytes bytes) {
  hash_.update(bytes);
  size_ += bytes.size();
  return next_.write(bytes);
}

}  // namespace flense::codec
