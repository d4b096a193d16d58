// Hashes a file behind the one who writes it, on a thread of its own: what was just written is read
// from the page cache, and the writer need not wait.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"

namespace flense::image {

class TrailingHash {
 public:
  /// `fd` can be read and is not owned; `name` is for errors.
  TrailingHash(int fd, std::string name);
  TrailingHash(const TrailingHash&) = delete;
  TrailingHash& operator=(const TrailingHash&) = delete;
  /// Stops early.
  ~TrailingHash();

  /// So many bytes more stand in the file.
  void grow(std::uint64_t bytes);
  std::uint64_t size() const { return size_; }
  /// "sha256:…" of the whole file. Once, at the end.
  Result<std::string> digest();

 private:
  Result<std::string> work();

  int fd_;
  std::string name_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::uint64_t size_ = 0;  ///< written by the owner alone, who may read it without the lock
  bool complete_ = false, stopped_ = false;
  Result<std::string> result_;
  std::thread thread_;
};

}  // namespace flense::image
