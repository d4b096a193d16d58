#include "inventory/candidates/cuts.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "codec/estargz.h"
#include "inventory/candidates/cuda_copies.h"
#include "inventory/candidates/equal_files.h"
#include "inventory/candidates/gpu_files.h"
#include "inventory/candidates/hub_cache.h"
#include "inventory/candidates/jit_caches.h"
#include "inventory/candidates/self_checked.h"
#include "inventory/candidates/used_places.h"
#include "inventory/describe/build_needs.h"
#include "inventory/describe/start.h"

namespace flense::inventory {

namespace {

struct CutInputs {
  const image::Image& image;
  const BuildNeeds& needs;
  const UsedPlaces& used;
  const SelfChecked& self_checked;
  const std::vector<WastedFile>& wasted;  ///< all of them
  device::PruneOptions rules;             ///< of the level, for the targets
  bool musl = false;  ///< the image's C library is musl: ELF files are left as they are
  std::vector<FileCut>* each = nullptr;  ///< also gets the cuts file by file
};

constexpr std::size_t kExamples = 5;

std::uint64_t dropped(const PruneSummary& summary, device::Reason reason) {
  const auto at = summary.bytes.find(reason);
  return at == summary.bytes.end() ? 0 : at->second;
}

/// Collects cuts by id and reason of being held back.
class Collector {
 public:
  explicit Collector(std::vector<FileCut>* each) : each_(each) {}

  void add(std::string_view id, device::Level level, std::string_view reason,
           std::string_view held_back, SizedPath file) {
    if (file.bytes == 0) return;
    if (each_ != nullptr)
      each_->push_back(
          {std::string(id), std::string(held_back), file.path, file.layer, file.bytes});
    Cut& cut = cuts_[{std::string(id), std::string(held_back)}];
    cut.id = id;
    cut.level = level;
    cut.reason = reason;
    cut.held_back = held_back;
    ++cut.files;
    cut.bytes += file.bytes;
    auto& largest = cut.largest;
    const auto at = std::find_if(largest.begin(), largest.end(),
                                 [&](const SizedPath& one) { return one.bytes < file.bytes; });
    largest.insert(at, std::move(file));
    if (largest.size() > kExamples) largest.pop_back();
  }

  std::vector<Cut> take() {
    std::vector<Cut> out;
    for (auto& [key, cut] : cuts_) out.push_back(std::move(cut));
    std::stable_sort(out.begin(), out.end(), [](const Cut& a, const Cut& b) {
      if (a.held_back.empty() != b.held_back.empty()) return a.held_back.empty();
      return a.bytes > b.bytes;
    });
    return out;
  }

 private:
  std::vector<FileCut>* each_;
  std::map<std::pair<std::string, std::string>, Cut> cuts_;
};

constexpr std::string_view kDebug = "debug sections and symbol tables";

void add_device_cuts(Collector& collector, const VisibleFile& file, const PruneSummary& summary,
                     bool musl) {
  using device::Level;
  using device::Reason;
  const std::uint64_t other =
      dropped(summary, Reason::kDropOtherArch) + dropped(summary, Reason::kDropVendor);
  const std::uint64_t ptx = dropped(summary, Reason::kDropPtx);
  const auto place = [&](std::uint64_t bytes) {
    return SizedPath{std::string(file.path), bytes, file.content.layer};
  };
  constexpr std::string_view kOther = "device code for other GPUs";
  constexpr std::string_view kPtx = "PTX that no target needs";
  const std::string_view held =
      musl ? "the image's C library is musl" : std::string_view(summary.left_alone);
  if (!held.empty()) {
    collector.add("device-code", Level::kSafe, kOther, held, place(other));
    collector.add("device-ptx", Level::kStandard, kPtx, held, place(ptx));
    return;
  }
  const std::uint64_t gain = file.size - std::min(file.size, summary.output_size);
  const std::uint64_t debug = std::min(gain, summary.removed_debug_bytes);
  const std::uint64_t device = gain - debug;
  const std::uint64_t ptx_share = other + ptx == 0 ? 0 : share(device, ptx, other + ptx);
  collector.add("device-ptx", Level::kStandard, kPtx, {}, place(ptx_share));
  collector.add("device-code", Level::kSafe, kOther, {}, place(device - ptx_share));
  collector.add("debug-sections", Level::kStandard, kDebug, {}, place(debug));
}

/// What speaks against a rule for this path.
std::string_view held_by(const WasteRule& rule, std::string_view path, const CutInputs& inputs) {
  std::string_view held = held_back(rule, inputs.needs);
  if (held.empty() && rule.by_place) held = inputs.used.holder(path);
  return held;
}

/// Copies that become links, in the order in which slim plans them; `linked` gets what goes.
void add_links(const Contents& contents, const CutInputs& inputs, const Stays& stays,
               std::set<std::pair<std::uint32_t, std::uint32_t>>& linked, Collector& collector) {
  using device::Level;
  if (inputs.rules.level < Level::kStandard) return;
  const auto add = [&](std::string_view id, Level level, std::string_view summary, const auto& file,
                       std::string_view held) {
    collector.add(id, level, summary, held, {file.path, file.bytes, file.entry.layer});
    if (held.empty()) linked.emplace(file.entry.layer, file.entry.index);
  };
  for (const HubCopy& copy : find_hub_copies(contents, stays))
    add(kHubCache, Level::kStandard, kHubCacheSummary, copy, {});
  if (inputs.rules.level >= Level::kAggressive)
    for (const CudaCopy& copy : find_cuda_copies(inputs.image, contents, stays))
      add(kCudaCopies, Level::kAggressive, kCudaCopiesSummary, copy,
          copy.stays.empty() ? "" : "something may load them; slim says for each what does");
  for (const EqualFile& file : find_equal_files(contents, inputs.self_checked, stays))
    add(kEqualFiles, Level::kStandard, kEqualFilesSummary, file, {});
}

std::vector<Cut> find_cuts(const Contents& contents, const CutInputs& inputs) {
  Collector collector(inputs.each);
  for (const WastedFile& file : inputs.wasted) {
    // Each layer that is pulled lazily has its own.
    if (codec::is_estargz_file(file.path)) continue;
    collector.add("shadowed-files", device::Level::kSafe,
                  "files overwritten or deleted by later layers", {},
                  {file.path, file.bytes, file.layer});
  }

  // Content goes only when all its hard links go, so first find out what each name says.
  const WasteClassifier classifier;
  constexpr std::uint8_t kUnseen = 255, kStays = 254;
  std::vector<std::vector<std::uint8_t>> verdict;
  for (const auto& scan : contents.scans()) verdict.emplace_back(scan->listing->size(), kUnseen);
  const std::span<const WasteRule> rules = waste_rules();
  const JitCaches jit = JitCaches::find(contents, inputs.rules.targets);
  contents.for_each_file([&](const VisibleFile& file) {
    std::uint8_t& known = verdict[file.content.layer][file.content.index];
    const WasteRule* rule = classifier.classify(file.path);
    if (rule == nullptr || !jit.takes(*rule, file.path, inputs.rules.level) ||
        spares(*rule, contents.tree().entry(file.content))) {
      known = kStays;
    } else if (known == kUnseen) {
      known = static_cast<std::uint8_t>(rule - rules.data());
    }
  });

  std::vector<std::set<std::uint32_t>> for_other_gpus;
  for (const auto& scan : contents.scans())
    for_other_gpus.push_back(files_for_other_gpus(*scan, inputs.rules));

  std::set<std::pair<std::uint32_t, std::uint32_t>> linked;
  const Stays stays = [&](image::EntryRef entry, std::string_view path) {
    const std::uint8_t known = verdict[entry.layer][entry.index];
    const bool goes = known < rules.size() && held_by(rules[known], path, inputs).empty();
    return !goes && !for_other_gpus[entry.layer].contains(entry.index) &&
           !linked.contains({entry.layer, entry.index});
  };
  add_links(contents, inputs, stays, linked, collector);

  contents.for_each_file([&](const VisibleFile& file) {
    if (!file.first || linked.contains({file.content.layer, file.content.index})) return;
    const std::uint8_t known = verdict[file.content.layer][file.content.index];
    if (known < rules.size()) {
      const WasteRule& rule = rules[known];
      const std::string_view held = held_by(rule, file.path, inputs);
      collector.add(rule.id, rule.level, rule.text, held,
                    {std::string(file.path), file.size, file.content.layer});
      // What goes as a whole has no device code left to cut.
      if (held.empty()) return;
    }
    if (for_other_gpus[file.content.layer].contains(file.content.index)) {
      collector.add(kGpuFiles, device::Level::kStandard, kGpuFilesSummary, {},
                    {std::string(file.path), file.size, file.content.layer});
      return;
    }
    const ElfFacts* elf = contents.elf(file.content);
    if (elf == nullptr || inputs.self_checked.contains(file.path)) return;
    if (elf->prune) {
      add_device_cuts(collector, file, *elf->prune, inputs.musl);
    } else if (inputs.rules.level >= device::Level::kStandard &&
               inputs.rules.targets.cuda.empty() && inputs.rules.targets.amd.empty()) {
      collector.add(
          "debug-sections", device::Level::kStandard, kDebug, {},
          {std::string(file.path), elf->debug_bytes + elf->symbol_bytes, file.content.layer});
    }
  });
  return collector.take();
}

}  // namespace

std::uint64_t share(std::uint64_t value, std::uint64_t part, std::uint64_t whole) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(Wide{value} * part / whole);
}

void add_cuts(const image::Image& image, const Contents& contents, const InventoryOptions& options,
              Inventory& inventory) {
  const BuildNeeds needs = find_build_needs(contents, inventory.packages);
  const UsedPlaces used = UsedPlaces::find(image, contents.tree());
  const SelfChecked self_checked = find_self_checked(contents);
  const std::vector<WastedFile> wasted = find_waste(contents);
  CutInputs inputs{image,
                   needs,
                   used,
                   self_checked,
                   wasted,
                   cut_rules(image, options),
                   uses_musl(contents.tree())};
  if (options.file_cuts) inputs.each = &inventory.file_cuts;
  inventory.cuts = find_cuts(contents, inputs);
}

}  // namespace flense::inventory
