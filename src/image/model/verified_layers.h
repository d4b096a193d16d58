// Which layers of an open image have been hashed and are what their digests say, so that who reads
// them once more need not hash them once more; and those that are still being hashed.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/result.h"

namespace flense::image {

/// For several threads.
class VerifiedLayers {
 public:
  /// Also those that are being hashed.
  bool contains(std::size_t layer) const {
    const std::lock_guard lock(mutex_);
    return layers_.contains(layer);
  }
  void add(std::size_t layer) {
    const std::lock_guard lock(mutex_);
    layers_.insert(layer);
  }
  /// Of a layer that is being hashed; `check` waits until that is done.
  void add_later(std::size_t layer, std::function<Result<void>()> check) {
    const std::lock_guard lock(mutex_);
    layers_.insert(layer);
    later_.emplace_back(layer, std::move(check));
  }
  /// Waits for them; an error for the first that is not what its digests say. Who reads with
  /// WalkOptions::late_digests calls this before anybody sees what he made of it.
  Result<void> settle() {
    const std::lock_guard lock(mutex_);
    for (const auto& [layer, check] : std::exchange(later_, {}))
      if (Result<void> checked = check(); !checked) {
        layers_.erase(layer);
        return checked;
      }
    return {};
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::size_t> layers_;
  std::vector<std::pair<std::size_t, std::function<Result<void>()>>> later_;
};

}  // namespace flense::image
