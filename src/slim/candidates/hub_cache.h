// The cache of the Hugging Face hub: `models--ORG--NAME/snapshots/REVISION/FILE` is a symbolic link
// to `../../blobs/DIGEST` (huggingface_hub, "Understand caching"). A copy that does not keep links
// makes it a second file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inventory/scan/contents.h"
#include "slim/candidates/equal_files.h"

namespace flense::slim {

/// A snapshot file with the content of a blob of the same repository and layer.
struct HubCopy {
  image::EntryRef entry;
  std::string path, blob, link_text;
  std::uint64_t bytes = 0;
};

/// By the digests of the scan, so that files of less than kMinCompared bytes are left out.
std::vector<HubCopy> find_hub_copies(const inventory::Contents& contents, const Stays& stays);

}  // namespace flense::slim
