// A cache of what a tree has answered so far. One start asks a machine the same things many times
// over (each probe looks at the PCI devices for itself), and each answer costs a few system calls.
// Safe to use from several threads.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"

namespace flense::host {

class TreeMemory {
 public:
  using Place = std::optional<std::string>;  ///< as Tree::resolve()
  using Names = std::vector<std::string>;
  /// Bytes, roughly; beyond them nothing more is remembered.
  static constexpr std::size_t kMost = 16u << 20;
  static constexpr std::size_t kMaxText = 4u << 10;  ///< bytes: a page, as large as sysfs answers

  enum class Recall : bool { kNone, kKeep };  ///< kNone: every question is asked again

  TreeMemory(UniqueFd top, Recall recall) : top_(std::move(top)), recall_(recall) {}

  int top() const { return top_.get(); }  ///< the tree's directory; negative without one
  /// Where it lies, as the kernel says; empty when it does not.
  std::string top_place();

  std::optional<Place> place(const std::string& path);
  void keep_place(const std::string& path, const Place& place);
  std::optional<std::string> text(const std::string& path);
  void keep_text(const std::string& path, const std::string& text);
  std::optional<Names> names(const std::string& path);
  void keep_names(const std::string& path, const Names& names);
  /// The memory of the tree below a directory, made when first asked for; its top is `where`.
  std::shared_ptr<TreeMemory> below(const std::string& where);

 private:
  template <class Answer>
  using Answers = std::unordered_map<std::string, Answer>;
  template <class Answer>
  std::optional<Answer> find(const Answers<Answer>& answers, const std::string& path);
  template <class Answer>
  void keep(Answers<Answer>& answers, const std::string& path, const Answer& answer,
            std::size_t size);

  const UniqueFd top_;
  const Recall recall_;
  std::mutex mutex_;
  std::size_t kept_ = 0;  ///< bytes
  std::optional<std::string> top_place_;
  Answers<Place> places_;
  Answers<std::string> texts_;
  Answers<Names> names_;
  std::map<std::string, std::shared_ptr<TreeMemory>> below_;
};

/// Where an open file lies, as the kernel says; empty when it does not.
std::string place_of(int fd);

}  // namespace flense::host
