#include "slim/plan/cuts.h"

#include <algorithm>
#include <map>

namespace flense::slim {

namespace {

constexpr std::size_t kExamples = 5;

/// Each copy has its own reason, which slim says.
std::string_view reason_of(const LeftAlone& file) {
  return file.pass == kCudaCopies ? "something may load them; slim says for each what does"
                                  : std::string_view(file.why);
}

class Rows {
 public:
  void add(Pass pass, std::string_view held_back, const std::string& path, std::uint64_t bytes,
           std::uint64_t layer) {
    const auto [at, fresh] = rows_.try_emplace({pass, held_back}, Cut{pass, 0, 0, {}, {}});
    Cut& cut = at->second;
    if (fresh) cut.held_back = held_back;
    ++cut.files;
    cut.bytes += bytes;
    auto& largest = cut.largest;
    if (bytes == 0 || (largest.size() == kExamples && largest.back().bytes >= bytes)) return;
    const auto place = std::ranges::upper_bound(largest, bytes, std::ranges::greater(),
                                                &inventory::SizedPath::bytes);
    largest.insert(place, {path, bytes, layer});
    if (largest.size() > kExamples) largest.pop_back();
  }

  std::vector<Cut> take() {
    std::vector<Cut> out;
    for (auto& [key, cut] : rows_) out.push_back(std::move(cut));
    std::ranges::stable_sort(out, [](const Cut& a, const Cut& b) {
      if (a.held_back.empty() != b.held_back.empty()) return a.held_back.empty();
      return a.bytes > b.bytes;
    });
    return out;
  }

 private:
  std::map<std::pair<Pass, std::string_view>, Cut> rows_;
};

}  // namespace

std::vector<Cut> cuts_of(const Plan& plan) {
  Rows rows;
  for (std::size_t layer = 0; layer < plan.layers.size(); ++layer)
    for (const auto& [position, edit] : plan.layers[layer].edits)
      edit.for_each_share([&, &path = edit.path](Pass pass, std::uint64_t bytes) {
        rows.add(pass, {}, path, bytes, layer);
      });
  for (const auto* files : {&plan.left_alone, &plan.held_back})
    for (const LeftAlone& file : *files)
      rows.add(file.pass, reason_of(file), file.path, file.bytes, file.entry.layer);
  return rows.take();
}

}  // namespace flense::slim
