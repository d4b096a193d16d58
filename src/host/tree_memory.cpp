#include "host/tree_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "base/format.h"

namespace flense::host {

std::string place_of(int fd) {
  std::array<char, PATH_MAX> text{};
  const ssize_t size =
      ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), text.data(), text.size());
  if (size <= 0 || static_cast<std::size_t>(size) == text.size()) return {};
  return {text.data(), static_cast<std::size_t>(size)};
}

template <class Answer>
std::optional<Answer> TreeMemory::find(const Answers<Answer>& answers, const std::string& path) {
  const std::scoped_lock lock(mutex_);
  const auto found = answers.find(path);
  return found == answers.end() ? std::nullopt : std::optional<Answer>(found->second);
}

template <class Answer>
void TreeMemory::keep(Answers<Answer>& answers, const std::string& path, const Answer& answer,
                      std::size_t size) {
  constexpr std::size_t kNode = 128;  // memory that a map needs for an answer
  const std::scoped_lock lock(mutex_);
  size += path.size() + kNode;
  if (recall_ == Recall::kNone || size > kMost - kept_) return;
  if (answers.try_emplace(path, answer).second) kept_ += size;
}

std::string TreeMemory::top_place() {
  const std::scoped_lock lock(mutex_);
  if (!top_place_ || recall_ == Recall::kNone) top_place_ = place_of(top());
  return *top_place_;
}

std::optional<TreeMemory::Place> TreeMemory::place(const std::string& path) {
  return find(places_, path);
}

void TreeMemory::keep_place(const std::string& path, const Place& place) {
  keep(places_, path, place, place ? place->size() : 0);
}

std::optional<std::string> TreeMemory::text(const std::string& path) {
  return find(texts_, path);
}

void TreeMemory::keep_text(const std::string& path, const std::string& text) {
  if (text.size() <= kMaxText) keep(texts_, path, text, text.size());
}

std::optional<TreeMemory::Names> TreeMemory::names(const std::string& path) {
  return find(names_, path);
}

void TreeMemory::keep_names(const std::string& path, const Names& names) {
  std::size_t size = 0;
  for (const std::string& name : names) size += name.size() + sizeof(std::string);
  keep(names_, path, names, size);
}

std::shared_ptr<TreeMemory> TreeMemory::below(const std::string& where) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = below_.find(where); found != below_.end()) return found->second;
  auto made = std::make_shared<TreeMemory>(
      UniqueFd(::open(where.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), recall_);
  if (recall_ == Recall::kKeep) below_.emplace(where, made);
  return made;
}

}  // namespace flense::host
