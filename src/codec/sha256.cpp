#include "codec/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>

namespace flense::codec {

namespace {

using RawDigest = std::array<unsigned char, 32>;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

/// A digest needs nothing of openssl.cnf, reading it takes longer than most digests, and it may
/// name modules to load.
void skip_configuration() {
  static const int kDone = OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  static_cast<void>(kDone);
}

EVP_MD_CTX* new_context() {
  skip_configuration();
  return EVP_MD_CTX_new();
}

}  // namespace

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, FreeContext> context{new_context()};
  State() { EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr); }
  RawDigest finish() {
    RawDigest raw{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context.get(), raw.data(), &size);
    return raw;
  }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(Bytes bytes) {
  EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size());
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
  RawDigest raw{};
  unsigned size = 0;
  skip_configuration();
  EVP_Digest(bytes.data(), bytes.size(), raw.data(), &size, EVP_sha256(), nullptr);
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

Result<void> HashingSink::write(Bytes bytes) {
  hash_.update(bytes);
  size_ += bytes.size();
  return next_.write(bytes);
}

}  // namespace flense::codec
