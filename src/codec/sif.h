// The Singularity Image Format, version 01: where Apptainer keeps the root file system. (Layout:
// the "sif" package of the project; header of 128 bytes, descriptors of 585.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::codec {

bool is_sif(Bytes first_bytes);

struct SifRoot {
  std::uint64_t offset = 0, size = 0;  ///< of the squashfs, in the file
  std::string architecture;            ///< as OCI says it ("amd64"); empty: unknown
};

/// The primary system partition. Bad input when there is none, when it is encrypted or no squashfs,
/// or when it lies outside of the file.
Result<SifRoot> find_sif_root(Bytes file, std::string_view name);

}  // namespace flense::codec
