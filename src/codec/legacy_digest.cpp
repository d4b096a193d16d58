#include "codec/legacy_digest.h"

#include <openssl/evp.h>

#include <array>

namespace flense::codec {

namespace {

struct Raw {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
};

Raw digest(Bytes bytes, const EVP_MD* kind) {
  Raw raw;
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

std::string sha1_base64(Bytes bytes) {
  const Raw raw = digest(bytes, EVP_sha1());
  std::array<unsigned char, 64> text{};
  const int size = EVP_EncodeBlock(text.data(), raw.bytes.data(), static_cast<int>(raw.size));
  return {text.begin(), text.begin() + size};
}

}  // namespace flense::codec
