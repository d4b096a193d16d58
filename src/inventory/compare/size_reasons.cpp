#include "inventory/compare/size_reasons.h"

#include <algorithm>

#include "inventory/names/waste.h"

namespace flense::inventory {

namespace {

using Reasons = std::map<std::string, std::uint64_t>;

/// Takes `part` of `rest` for a reason; parts of one file cannot be more than the file.
void take(Reasons& out, const char* reason, std::uint64_t part, std::uint64_t& rest) {
  const std::uint64_t bytes = std::min(part, rest);
  if (bytes > 0) out[reason] += bytes;
  rest -= bytes;
}

}  // namespace

Reasons reasons_of(const Contents& contents) {
  Reasons out;
  std::uint64_t unpacked = 0, seen = 0;
  for (const auto& scan : contents.scans()) {
    unpacked += scan->unpacked_bytes;
    out[kReasonArchive] += scan->unpacked_bytes - scan->content_bytes;
  }
  const WasteClassifier classifier;
  contents.for_each_file([&](const VisibleFile& file) {
    if (!file.first) return;
    const LayerScan& scan = contents.scan(file.content);
    // Of a sparse file a layer holds less than a container sees.
    std::uint64_t rest = scan.stored_bytes(file.content.index);
    seen += rest;
    if (const WasteRule* rule = classifier.classify(file.path); rule != nullptr) {
      if (rest > 0) out[std::string(rule->id)] += rest;
      return;
    }
    if (const auto bare = scan.bare_code.find(file.content.index); bare != scan.bare_code.end())
      take(out, kReasonDevice, bare->second.device_bytes, rest);
    const ElfFacts* elf = contents.elf(file.content);
    if (elf != nullptr) {
      take(out, kReasonDevice, elf->device_bytes, rest);
      take(out, kReasonDebug, elf->debug_bytes + elf->symbol_bytes, rest);
    }
    take(out, elf != nullptr ? kReasonElf : kReasonOther, rest, rest);
  });
  const std::uint64_t content = unpacked - out[kReasonArchive];
  if (content > seen) out[kReasonShadowed] = content - seen;
  std::erase_if(out, [](const auto& one) { return one.second == 0; });
  return out;
}

Reasons reasons_of(const Inventory& inventory) {
  Reasons out;
  std::uint64_t archive = 0, content = 0;
  for (const LayerFacts& layer : inventory.layers) {
    archive += layer.archive_bytes;
    content += layer.content_bytes;
  }
  take(out, kReasonShadowed, inventory.waste_bytes, content);
  take(out, kReasonDevice, inventory.device_code.device_bytes, content);
  take(out, kReasonOther, content, content);
  take(out, kReasonArchive, archive, archive);
  return out;
}

}  // namespace flense::inventory
