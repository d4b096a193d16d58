#include "codec/legacy_digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <span>

#include "codec/base64.h"

namespace flense::codec {

namespace {

struct Raw {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
};

/// A digest needs nothing of openssl.cnf, which may name modules to load.
void skip_configuration() {
  static const int kDone = OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  static_cast<void>(kDone);
}

Raw digest(Bytes bytes, const EVP_MD* kind) {
  Raw raw;
  skip_configuration();
  EVP_Digest(bytes.data(), bytes.size(), raw.bytes.data(), &raw.size, kind, nullptr);
  return raw;
}

}  // namespace

std::string md5_hex(Bytes bytes) {
  const Raw raw = digest(bytes, EVP_md5());
  std::string out;
  for (unsigned i = 0; i < raw.size; ++i) out += fmt::format("{:02x}", raw.bytes[i]);
  return out;
}

struct Md5::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() { EVP_DigestInit_ex(context, EVP_md5(), nullptr); }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Md5::Md5() : state_(std::make_unique<State>()) {}
Md5::~Md5() = default;

void Md5::update(Bytes bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::array<std::byte, 16> Md5::take() {
  std::array<std::byte, 16> out{};
  EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(out.data()), nullptr);
  return out;
}

std::string sha1_base64(Bytes bytes) {
  const Raw raw = digest(bytes, EVP_sha1());
  return base64(std::as_bytes(std::span(raw.bytes).first(raw.size)));
}

}  // namespace flense::codec
