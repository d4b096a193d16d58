// How one layer becomes several of about a given size, so that engines pull and unpack them in
// parallel. Pure: members in, parts out. Applied in order, the parts give the tree that the layer
// gave (OCI image-spec v1.1 layer.md):
//   - names of one content stay together: extractors that fill a directory for each layer
//     (overlay2 of Docker, containers/storage) cannot link into a lower one;
//   - every part repeats the directories above its members, since a directory that is only implied
//     would get an owner, mode and time of its own;
//   - whiteouts come with the first part: they hide what lies below their layer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codec/tar/tar.h"

namespace flense::slim {

/// A member of the layer, in archive order.
struct SplitMember {
  std::string path;  ///< normalised
  std::string link;  ///< of hard links: normalised target
  codec::MemberType type = codec::MemberType::kFile;
  std::uint64_t bytes = 0;  ///< in the archive: headers, content, padding
  /// Why no table of contents can speak of it ("is sparse"); else null.
  const char* unlisted = nullptr;
};

struct SplitPlan {
  /// Positions of members by part, ascending; directories may stand in several parts.
  std::vector<std::vector<std::uint32_t>> parts;
  std::string whole;  ///< why the layer stays one, though it is larger than the limit; else empty
};

/// Why the order of the members matters beyond links and the directories above them; else empty.
std::string order_obstacle(const std::vector<SplitMember>& members);

/// The members that are names of one content, each group of two or more ascending. For members that
/// order_obstacle() lets pass.
std::vector<std::vector<std::uint32_t>> link_groups(const std::vector<SplitMember>& members);

/// One part for a layer that is not larger than `limit` bytes. A file larger than that has a part
/// of its own.
SplitPlan plan_split(const std::vector<SplitMember>& members, std::uint64_t limit);

}  // namespace flense::slim
