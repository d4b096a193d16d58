#include "codec/legacy_digest.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

#include <array>

#include "codec/base64.h"

namespace flense::codec {

// As in sha256.cpp: what goes through EVP brings every algorithm of OpenSSL into the program.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

struct Md5::State {
  MD5_CTX context{};
  State() { MD5_Init(&context); }
};

Md5::Md5() : state_(std::make_unique<State>()) {}
Md5::~Md5() = default;

void Md5::update(Bytes bytes) {
  MD5_Update(&state_->context, bytes.data(), bytes.size());
}

std::array<std::byte, 16> Md5::take() {
  std::array<std::byte, 16> out{};
  MD5_Final(reinterpret_cast<unsigned char*>(out.data()), &state_->context);
  return out;
}

namespace {

std::array<std::byte, SHA_DIGEST_LENGTH> sha1(Bytes bytes) {
  SHA_CTX context{};
  SHA1_Init(&context);
  SHA1_Update(&context, bytes.data(), bytes.size());
  std::array<std::byte, SHA_DIGEST_LENGTH> out{};
  SHA1_Final(reinterpret_cast<unsigned char*>(out.data()), &context);
  return out;
}

std::string hex(Bytes digest) {
  std::string out;
  for (const std::byte byte : digest) out += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return out;
}

}  // namespace

#pragma GCC diagnostic pop

std::string sha1_hex(Bytes bytes) {
  return hex(sha1(bytes));
}

std::string sha1_base64(Bytes bytes) {
  return base64(sha1(bytes));
}

std::string md5_hex(Bytes bytes) {
  Md5 hash;
  hash.update(bytes);
  return hex(hash.take());
}

}  // namespace flense::codec
