// Saved inventories that strangers wrote: what is taken has sums that hold, and compares as equal
// to itself.
#include <cstdint>
#include <cstdlib>
#include <numeric>

#include "inventory/compare/compare.h"
#include "inventory/compare/saved.h"

namespace {

using namespace flense;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  static_cast<void>(inventory::looks_like_json(as_text(bytes)));
  auto inventory = inventory::parse_inventory(as_text(bytes), "input.json");
  if (!inventory) {
    require(inventory.error().code == Code::kBadInput);
    return 0;
  }
  const inventory::Snapshot snapshot = inventory::snapshot_of_saved(std::move(*inventory));
  std::uint64_t sum = 0;
  for (const auto& [reason, part] : snapshot.reasons) sum += part;
  require(sum == snapshot.inventory.unpacked_bytes);
  const inventory::InventoryChanges changes = inventory::compare(snapshot, snapshot);
  require(changes.same_content());
  for (const inventory::LayerChange& layer : changes.layers)
    require(layer.how == "shared" || layer.digest_before.empty() || layer.how == "changed");
  return 0;
}
