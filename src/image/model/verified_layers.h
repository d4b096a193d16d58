// Which layers of an open image have been hashed and are what their digests say, so that who reads
// them once more need not hash them once more.
#pragma once

#include <cstddef>
#include <mutex>
#include <set>

namespace flense::image {

/// For several threads.
class VerifiedLayers {
 public:
  bool contains(std::size_t layer) const {
    const std::lock_guard lock(mutex_);
    return layers_.contains(layer);
  }
  void add(std::size_t layer) {
    const std::lock_guard lock(mutex_);
    layers_.insert(layer);
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::size_t> layers_;
};

}  // namespace flense::image
