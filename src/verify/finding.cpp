#include "verify/finding.h"

#include <algorithm>
#include <tuple>

namespace flense::verify {

void Findings::differ(Difference one) {
  const std::lock_guard lock(mutex_);
  if (++difference_count_ <= kMostKept) differences_.push_back(std::move(one));
}

void Findings::unknown(std::string path, std::string why) {
  const std::lock_guard lock(mutex_);
  if (++unknown_count_ <= kMostKept) unknowns_.push_back({std::move(path), std::move(why)});
}

void Findings::count(const char* what, std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto at = std::ranges::find(counts_, what, &Counted::what);
  if (at == counts_.end()) {
    counts_.push_back({what, number});
  } else {
    at->number += number;
  }
}

std::vector<Difference> Findings::differences() const {
  const std::lock_guard lock(mutex_);
  std::vector<Difference> out = differences_;
  std::ranges::stable_sort(out, [](const Difference& a, const Difference& b) {
    return std::tie(a.path, a.what, a.where) < std::tie(b.path, b.what, b.where);
  });
  return out;
}

std::vector<Unknown> Findings::unknowns() const {
  const std::lock_guard lock(mutex_);
  std::vector<Unknown> out = unknowns_;
  std::ranges::sort(out, {}, [](const Unknown& one) { return std::tie(one.path, one.why); });
  return out;
}

std::vector<Findings::Counted> Findings::counts() const {
  const std::lock_guard lock(mutex_);
  std::vector<Counted> out = counts_;
  std::ranges::sort(out, {}, &Counted::what);
  return out;
}

std::uint64_t Findings::difference_count() const {
  const std::lock_guard lock(mutex_);
  return difference_count_;
}

std::uint64_t Findings::unknown_count() const {
  const std::lock_guard lock(mutex_);
  return unknown_count_;
}

}  // namespace flense::verify
