// Which layers of an open image have been hashed and are what their digests say, so that who reads
// them once more need not hash them once more; and those that are still being hashed.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/result.h"

namespace flense::image {

/// For several threads.
class VerifiedLayers {
  struct Later {
    Later(std::size_t of, std::function<Result<void>()> by) : layer(of), check(std::move(by)) {}
    std::size_t layer;
    std::function<Result<void>()> check;
    std::once_flag once;
    Result<void> result;
  };

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
    later_.push_back(std::make_shared<Later>(layer, std::move(check)));
  }
  /// Waits for them; an error for the first that is not what its digests say, each time. Who reads
  /// with WalkOptions::late_digests calls this before anybody sees what he made of it, and before
  /// he links a file of the image, which changes its times.
  Result<void> settle() {
    std::vector<std::shared_ptr<Later>> all;
    {
      const std::lock_guard lock(mutex_);
      all = later_;
    }
    Result<void> out;
    // Others read on meanwhile.
    for (const std::shared_ptr<Later>& one : all) {
      std::call_once(one->once, [&one] { one->result = std::exchange(one->check, nullptr)(); });
      if (one->result) continue;
      const std::lock_guard lock(mutex_);
      layers_.erase(one->layer);
      if (out) out = one->result;
    }
    return out;
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::size_t> layers_;
  std::vector<std::shared_ptr<Later>> later_;
};

}  // namespace flense::image
