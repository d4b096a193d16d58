#include "slim/job/room.h"

#include <sys/statvfs.h>

#include <algorithm>

#include "base/format.h"
#include "base/staging.h"
#include "image/model/reference.h"

namespace flense::slim {

namespace {

std::uint64_t rewritten_bytes(const Plan& plan) {
  std::uint64_t out = 0;
  for (const LayerPlan& layer : plan.layers)
    for (const auto& [position, edit] : layer.edits)
      if (edit.action == Action::kRewrite) out += edit.bytes_after;
  return out;
}

/// Layers that stay as they are; those that lie in files of their own may be linked.
std::uint64_t copied_bytes(const Slimming& slimming) {
  const Packing& packing = slimming.options.packing;
  if (packing.squash || packing.compression || packing.lazy || packing.split_bytes > 0) return 0;
  const image::Image& image = slimming.image();
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < image.layers.size(); ++i)
    if (slimming.plan.layers[i].edits.empty() && !image.layer_file(i) && image.entries() == nullptr)
      out += image.layers[i].blob.size;
  return out;
}

}  // namespace

std::uint64_t room_needed(const Slimming& slimming, const Destination& to) {
  if (!to.in_place.empty()) return rewritten_bytes(slimming.plan);
  if (!to.push_to.empty() || to.output.empty() || to.is_file_system()) return 0;
  if (!to.is_tree() && slimming.input.image->entries() == nullptr) return copied_bytes(slimming);
  const std::uint64_t held = slimming.input.inventory.file_bytes;
  return held - std::min(held, slimming.plan.bytes_given_back());
}

Result<void> check_room(const std::filesystem::path& place, std::uint64_t needed) {
  std::filesystem::path at = place;
  struct statvfs disk{};
  while (::statvfs(at.c_str(), &disk) != 0) {
    const std::filesystem::path above = parent_of(at);
    if (above == at) return {};
    at = above;
  }
  const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  // Zeros become holes, and file systems may compress: only what clearly does not fit is refused.
  if (needed / 2 <= free) return {};
  return fail(Code::kEnvironment, "not enough space: {} are needed in {}, and {} are free",
              human_bytes(needed), at.string(), human_bytes(free))
      .hint("make room there, or write elsewhere; nothing was changed");
}

}  // namespace flense::slim
