#include "compat/facts/visible_gpus.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/format.h"
#include "base/numbers.h"
#include "compat/facts/facts.h"

namespace flense::compat {

namespace {

using Gpus = std::vector<const host::Gpu*>;

std::vector<std::string_view> words_of(std::string_view list) {
  std::vector<std::string_view> out;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    out.push_back(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return out;
}

/// In the order of CUDA's indexes. By default the fastest comes first, and how fast CUDA takes a
/// GPU to be nobody tells.
std::optional<Gpus> in_order(const needs::Needs& image, Gpus gpus) {
  if (variable(image, "CUDA_DEVICE_ORDER") != "PCI_BUS_ID" ||
      !std::ranges::all_of(gpus, [](const host::Gpu* gpu) { return !!gpu->pci_address.value; }))
    return std::nullopt;
  std::ranges::sort(gpus, {}, [](const host::Gpu* gpu) { return *gpu->pci_address.value; });
  return gpus;
}

/// The GPUs that a list leaves: those named, as far as it is told, and how many in all.
struct Left {
  std::set<const host::Gpu*> named;
  std::size_t count = 0;
};

/// The first word that names no GPU ends the list. Null: a list of another kind (MIG devices).
std::optional<Left> left_by(std::string_view list, const Gpus& gpus,
                            const std::optional<Gpus>& order) {
  Left out;
  std::set<std::string_view> words;
  for (const std::string_view word : words_of(list)) {
    if (word.starts_with("GPU-")) {
      const auto is_it = [&](const host::Gpu* gpu) {
        return gpu->uuid.value && gpu->uuid.value->starts_with(word);
      };
      const auto found = std::ranges::find_if(gpus, is_it);
      if (found != gpus.end())
        out.named.insert(*found);
      else if (std::ranges::all_of(gpus, [](const host::Gpu* gpu) { return !!gpu->uuid.value; }))
        break;
    } else {
      const auto index = parse_number(word);
      if (!index && word != "-1") return std::nullopt;
      if (!index || *index >= gpus.size()) break;
      if (order) out.named.insert((*order)[*index]);
    }
    if (words.insert(word).second) ++out.count;
  }
  return out;
}

host::Profile with_only(const host::Profile& host, const std::set<const host::Gpu*>& kept) {
  host::Profile out = host;
  out.gpus.clear();
  for (const host::Gpu& gpu : host.gpus)
    if (gpu.vendor != "nvidia" || kept.contains(&gpu)) out.gpus.push_back(gpu);
  if (out.gpu_count.value) out.gpu_count.value = out.gpus.size();
  return out;
}

}  // namespace

VisibleGpus visible_gpus(const needs::Needs& image, const host::Profile& host) {
  const auto list = variable(image, "CUDA_VISIBLE_DEVICES");
  const Gpus gpus = nvidia_gpus(host);
  std::map<std::string, std::set<const host::Gpu*>> kinds;
  for (const host::Gpu* gpu : gpus) kinds[gpu->architecture.value.value_or("")].insert(gpu);
  if (!list || kinds.size() < 2 || host.gpu_count.value.value_or(gpus.size()) != host.gpus.size())
    return {};
  const auto left = left_by(*list, gpus, in_order(image, gpus));
  if (!left || left->count == 0 || left->count >= gpus.size()) return {};
  VisibleGpus out;
  out.statement = fmt::format("CUDA_VISIBLE_DEVICES={} leaves {} of {} GPUs", list->substr(0, 60),
                              left->count, gpus.size());
  if (left->named.size() == left->count) {
    out.alternatives.push_back(with_only(host, left->named));
    return out;
  }
  // A kind of more GPUs than are hidden has one that is visible.
  std::set<const host::Gpu*> surely = left->named;
  for (const auto& [architecture, members] : kinds)
    if (members.size() > gpus.size() - left->count) surely.insert(members.begin(), members.end());
  if (surely.empty()) {
    for (const auto& [architecture, members] : kinds)
      out.alternatives.push_back(with_only(host, members));
  } else {
    out.alternatives.push_back(with_only(host, surely));
    out.alternatives.push_back(host);
  }
  return out;
}

}  // namespace flense::compat
