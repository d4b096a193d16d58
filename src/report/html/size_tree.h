// Where the bytes of an image are: layers, directories, files, device code by architecture, as a
// tree whose leaves are bytes that stay or go for one reason. The data of the HTML report.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inventory/scan/contents.h"
#include "report/images/file_parts.h"
#include "report/images/member_fates.h"

namespace flense::report {

enum class NodeKind : std::uint8_t {
  kImage,
  kLayer,
  kDirectory,
  kFile,
  kCode,     ///< device code of one architecture in the file above
  kPart,     ///< another part of the file above
  kGroup,    ///< small files of the directory above, of one reason
  kArchive,  ///< headers and padding of the layer's tar
};

struct SizeNode {
  std::string name;  ///< raw bytes; of a directory that only wraps another one both: "usr/lib"
  std::uint32_t parent = 0;
  NodeKind kind = NodeKind::kFile;
  std::uint32_t reason = 0;  ///< of leaves
  std::uint64_t bytes = 0;   ///< of leaves; those above are sums
  std::uint64_t files = 0;   ///< of groups
};

struct SizeReason {
  PartVerdict verdict = PartVerdict::kStays;
  std::string id;         ///< of the cut; of what stays: why, empty for files as such
  std::string held_back;  ///< why it stays although it could go
  auto operator<=>(const SizeReason&) const = default;
};

struct SizeTree {
  std::vector<SizeNode> nodes;  ///< parents before children; the first is the image, its own parent
  std::vector<SizeReason> reasons;
  std::uint64_t grouped_below = 0;  ///< files smaller than this are in groups; 0: none is
  std::uint64_t bytes = 0;          ///< of the leaves: all layers as unpacked
  std::uint64_t given_back = 0;     ///< of the leaves that go
};

struct SizeTreeOptions {
  bool layers = true;  ///< false: what lies in the only layer stands right below the image
  std::size_t most_files = 50'000;  ///< beyond, the smallest are grouped
  /// By layer: bytes of tar headers and padding that go with the dropped members; may be empty.
  std::vector<std::uint64_t> archive_given_back;
};

SizeTree size_tree(const inventory::Contents& contents, const MemberFates& fates,
                   const SizeTreeOptions& options);

}  // namespace flense::report
