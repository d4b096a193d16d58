#include "slim/job/room.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <vector>

#include "base/format.h"
#include "base/staging.h"
#include "image/output/writer.h"
#include "slim/job/input.h"

namespace flense::slim {

namespace {

Room exactly(std::uint64_t bytes) {
  return {bytes, bytes};
}

std::uint64_t rewritten_bytes(const Plan& plan) {
  std::uint64_t out = 0;
  for (const LayerPlan& layer : plan.layers)
    for (const auto& [position, edit] : layer.edits)
      if (edit.action == Action::kRewrite) out += edit.bytes_after;
  return out;
}

std::uint64_t given_back(const LayerPlan& layer) {
  std::uint64_t out = 0;
  for (const auto& [position, edit] : layer.edits)
    out += edit.bytes_before - std::min(edit.bytes_before, edit.bytes_after);
  return out;
}

/// What a layer takes that is written anew. How well it will pack is not known.
Room written(std::uint64_t unpacked, const LayerPlan& plan, codec::Compression packed) {
  const std::uint64_t tar = unpacked - std::min(unpacked, given_back(plan));
  return {packed == codec::Compression::kNone ? tar : 0, tar};
}

/// Layers of an image; an archive is put together from new layers that lie beside it first.
Room of_layers(const Slimming& slimming, image::OutputForm form) {
  const Packing& packing = slimming.options.packing;
  const image::Image& image = slimming.image();
  const std::vector<std::uint64_t> unpacked = unpacked_sizes(slimming.contents());
  const bool archive = form != image::OutputForm::kOciLayout;
  Room out;
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const image::Layer& layer = image.layers[i];
    const LayerPlan& plan = slimming.plan.layers[i];
    const codec::Compression wanted = packing.compression.value_or(layer.compression);
    const bool kept =
        i < packing.kept_layers || (plan.edits.empty() && !packing.squash && !packing.lazy &&
                                    packing.split_bytes == 0 && wanted == layer.compression);
    if (kept && (archive || !image.layer_file(i))) out += exactly(layer.blob.size);
    if (kept) continue;
    const Room one = written(unpacked[i], plan, wanted);
    out += one;
    if (archive) out += one;
  }
  return out;
}

}  // namespace

Result<Room> room_needed(const Slimming& slimming, const Destination& to) {
  if (!to.in_place.empty()) return exactly(rewritten_bytes(slimming.plan));
  if (!to.push_to.empty() || to.output.empty() || to.is_file_system()) return Room{};
  if (!to.is_tree() && slimming.input.image->entries() == nullptr) {
    TRY(const image::OutputSpec spec, image::parse_output(to.output, to.tag));
    return of_layers(slimming, spec.form);
  }
  // What later layers hide is no part of the tree.
  std::uint64_t left = slimming.input.inventory.file_bytes;
  for (const PassTotal& pass : slimming.plan.passes)
    if (pass.pass != kShadowedFiles) left -= std::min(left, pass.bytes);
  return exactly(left);
}

Result<void> check_room(const std::filesystem::path& place, const Room& needed) {
  std::filesystem::path at = place;
  struct statvfs disk{};
  while (::statvfs(at.c_str(), &disk) != 0) {
    const std::filesystem::path above = parent_of(at);
    if (above == at) return {};
    at = above;
  }
  const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  // Zeros become holes, and file systems may compress: only what clearly does not fit is refused.
  if (needed.certain / 2 <= free) return {};
  return fail(Code::kEnvironment, "not enough space: {} are needed in {}, and {} are free",
              human_bytes(needed.certain), at.string(), human_bytes(free))
      .hint("make room there, or write elsewhere; nothing was changed");
}

}  // namespace flense::slim
