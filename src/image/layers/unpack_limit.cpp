#include "image/layers/unpack_limit.h"

#include <algorithm>
#include <limits>

namespace flense::image {

namespace {

constexpr std::uint64_t kHeader = 512;

std::uint64_t add_up(std::uint64_t a, std::uint64_t b) {
  return checked_add(a, b).value_or(std::numeric_limits<std::uint64_t>::max());
}

}  // namespace

UnpackLimit::UnpackLimit(const Image& image, std::optional<std::uint64_t> asked)
    : asked_(asked.has_value()) {
  for (const Layer& layer : image.layers) stored_ = add_up(stored_, layer.blob.size);
  // Of a directory nothing is stored; it is what it unpacks to.
  if (stored_ == 0 && image.entries() != nullptr) return;
  most_ = asked.value_or(std::max(
      kUnpackFloor,
      checked_mul(stored_, kUnpackRatio).value_or(std::numeric_limits<std::uint64_t>::max())));
}

Result<void> UnpackLimit::add(const LayerEntry& entry) {
  const bool file = entry.member.type == codec::MemberType::kFile;
  unpacked_ = add_up(unpacked_, add_up(kHeader, file ? entry.member.size : 0));
  if (unpacked_ <= most_) return {};
  return bad_input(
             "with {} of {} the image unpacks to {} or more and stores {}; at most {} are "
             "unpacked{}",
             entry.path, human_bytes(entry.member.size), human_bytes(unpacked_),
             human_bytes(stored_), human_bytes(most_),
             asked_ ? std::string(" (FLENSE_MAX_UNPACKED)")
                    : fmt::format(" ({} times as much, or {})", kUnpackRatio,
                                  human_bytes(kUnpackFloor)))
      .hint("where the image is to be trusted, FLENSE_MAX_UNPACKED=SIZE allows more");
}

}  // namespace flense::image
