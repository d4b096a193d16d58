// A LayerScan as bytes and back, as the cache keeps it. Paths are written as what they share with
// the path before and the rest, numbers in as few bytes as they need: a layer of 100,000 members
// takes about 3 MB and a few milliseconds.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "inventory/scan/layer_scan.h"

namespace flense::inventory {

std::string encode_scan(const LayerScan& scan);

/// nullopt when the bytes are none: any bytes are safe, and what is returned is safe to use (its
/// indices lie in its listing).
std::optional<LayerScan> decode_scan(Bytes bytes);

/// Changes with the members of the structures, so that bytes written by another build of the same
/// version are not taken for something else.
const std::string& scan_signature();

}  // namespace flense::inventory
