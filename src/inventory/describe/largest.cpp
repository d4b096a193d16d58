#include "inventory/describe/largest.h"

#include <algorithm>
#include <utility>

namespace flense::inventory {

namespace {

bool larger(const SizedPath& a, const SizedPath& b) {
  return a.bytes != b.bytes ? a.bytes > b.bytes : a.path < b.path;
}

}  // namespace

void TopList::offer(std::string_view path, std::uint64_t bytes, std::uint64_t layer) {
  if (count_ == 0 || bytes == 0) return;
  if (heap_.size() == count_ && heap_.front().bytes >= bytes) return;
  heap_.push_back({std::string(path), bytes, layer});
  std::push_heap(heap_.begin(), heap_.end(), larger);
  if (heap_.size() <= count_) return;
  std::pop_heap(heap_.begin(), heap_.end(), larger);
  heap_.pop_back();
}

std::vector<SizedPath> TopList::take() {
  std::sort(heap_.begin(), heap_.end(), larger);
  return std::move(heap_);
}

void DirectorySizes::add(std::string_view path, std::uint64_t bytes) {
  const std::size_t slash = path.rfind('/');
  const std::string_view directory =
      slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
  // Depth of the common ancestor of the open directories and this one.
  std::size_t depth = 0;
  while (depth < open_.size()) {
    const std::size_t length = open_[depth].length;
    const bool inside =
        directory.size() >= length &&
        directory.substr(0, length) == std::string_view(current_).substr(0, length) &&
        (directory.size() == length || directory[length] == '/');
    if (!inside) break;
    ++depth;
  }
  close_to(depth);
  std::size_t at = depth == 0 ? 0 : open_.back().length + 1;
  while (at < directory.size()) {
    std::size_t end = directory.find('/', at);
    if (end == std::string_view::npos) end = directory.size();
    open_.push_back({end, 0, 0});
    at = end + 1;
  }
  current_ = directory;
  if (!open_.empty()) open_.back().bytes += bytes;
}

void DirectorySizes::close_to(std::size_t depth) {
  while (open_.size() > depth) {
    const Open done = open_.back();
    open_.pop_back();
    const bool wrapper = done.largest_child > done.bytes - done.bytes / 10;
    if (!wrapper) top_.offer(std::string_view(current_).substr(0, done.length), done.bytes, 0);
    if (open_.empty()) continue;
    open_.back().bytes += done.bytes;
    open_.back().largest_child = std::max(open_.back().largest_child, done.bytes);
  }
}

std::vector<SizedPath> DirectorySizes::take() {
  close_to(0);
  return top_.take();
}

}  // namespace flense::inventory
