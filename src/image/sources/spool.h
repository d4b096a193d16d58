// Streams that must be read more than once: into an unlinked scratch file, mapped.
#pragma once

#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "base/stream.h"

namespace flense::image {

/// Spools to the end; a gzip or zstd stream is decompressed on the way.
Result<MappedFile> spool(Source& from, const std::string& name,
                         const std::filesystem::path& scratch);

}  // namespace flense::image
