// The beginning of a member that is read as text.
#pragma once

#include <cstdint>
#include <string>

#include "base/stream.h"
#include "image/layers/layer_walk.h"

namespace flense::inventory {

/// The first `limit` bytes, or all where there are fewer.
inline Result<std::string> begin_of(image::EntryContent& content, std::uint64_t limit) {
  std::string text;
  Source& source = content.stream();
  while (text.size() < limit) {
    TRY(const Bytes bytes, source.next(static_cast<std::size_t>(limit - text.size())));
    if (bytes.empty()) break;
    text += as_text(bytes);
  }
  return text;
}

}  // namespace flense::inventory
