// The heaviest files and directories of the merged view.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/describe/inventory.h"

namespace flense::inventory {

/// Keeps the `count` largest of what is offered.
class TopList {
 public:
  explicit TopList(std::size_t count) : count_(count) {}
  void offer(std::string_view path, std::uint64_t bytes, std::uint64_t layer);
  /// Largest first, equal sizes by path.
  std::vector<SizedPath> take();

 private:
  std::size_t count_;
  std::vector<SizedPath> heap_;
};

/// Sums sizes over directories while files arrive in path order. A directory that only wraps
/// another one (which holds nine tenths of it) gives way to that one.
class DirectorySizes {
 public:
  explicit DirectorySizes(std::size_t count) : top_(count) {}
  void add(std::string_view path, std::uint64_t bytes);
  std::vector<SizedPath> take();

 private:
  struct Open {
    std::size_t length = 0;  ///< of the directory's path within current_
    std::uint64_t bytes = 0;
    std::uint64_t largest_child = 0;
  };
  void close_to(std::size_t depth);

  std::string current_;
  std::vector<Open> open_;
  TopList top_;
};

}  // namespace flense::inventory
