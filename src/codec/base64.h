// Base64 with padding (RFC 4648, section 4).
#pragma once

#include <string>

#include "base/bytes.h"

namespace flense::codec {

/// At most 1 GiB of `bytes`.
std::string base64(Bytes bytes);

}  // namespace flense::codec
