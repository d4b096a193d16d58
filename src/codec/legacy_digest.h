// Digests that package managers still record. For their lists only, never for trust.
#pragma once

#include <string>

#include "base/bytes.h"

namespace flense::codec {

std::string md5_hex(Bytes bytes);
/// Standard base64 with padding of the SHA-1, as apk writes after "Q1".
std::string sha1_base64(Bytes bytes);

}  // namespace flense::codec
