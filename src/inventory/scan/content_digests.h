// SHA-256 of chosen files of an image, in one more walk over the layers that hold them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/progress.h"
#include "image/layers/merged_tree.h"
#include "image/model/image.h"

namespace flense::inventory {

using ContentKey = std::pair<std::uint32_t, std::uint32_t>;  ///< layer, member
inline ContentKey key_of(image::EntryRef ref) {
  return {ref.layer, ref.index};
}

/// "sha256:…" of each wanted member; layers without any are not read. Members that are no regular
/// files are left out.
Result<std::map<ContentKey, std::string>> content_digests(const image::Image& image,
                                                          const std::set<ContentKey>& wanted,
                                                          const std::filesystem::path& scratch,
                                                          Progress* progress);

}  // namespace flense::inventory
