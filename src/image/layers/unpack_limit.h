// How much may be unpacked of an image: holes and compression let few bytes stand for many.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "image/layers/layer_walk.h"
#include "image/model/image.h"

namespace flense::image {

/// Layers of programs and libraries unpack to 2 to 10 times what they store, a layer of text to 20;
/// what is beyond is zeros. Small images may hold a file of them all the same.
inline constexpr std::uint64_t kUnpackRatio = 100, kUnpackFloor = 1ull << 30;

class UnpackLimit {
 public:
  /// No limit.
  UnpackLimit() = default;
  /// Of the image's stored bytes, or what was asked for instead.
  UnpackLimit(const Image& image, std::optional<std::uint64_t> asked);

  /// Counts a member with its header, and its holes as what a copy would write. Bad input when that
  /// is too much.
  Result<void> add(const LayerEntry& entry);

 private:
  std::uint64_t stored_ = 0, most_ = UINT64_MAX, unpacked_ = 0;
  bool asked_ = false;
};

}  // namespace flense::image
