#include "codec/base64.h"

#include <openssl/evp.h>

namespace flense::codec {

std::string base64(Bytes bytes) {
  // The encoder ends its text with a zero.
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

}  // namespace flense::codec
