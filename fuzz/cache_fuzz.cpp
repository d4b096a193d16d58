// Entries of the cache: the file around a payload, and the payloads of a layer and of needs, which
// are tried by themselves too, since no mutation hits a SHA-256.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "image/layers/merged_tree.h"
#include "inventory/scan/entry_store.h"
#include "inventory/scan/scan_cache.h"
#include "inventory/scan/scan_format.h"
#include "needs/cache.h"
#include "needs/json.h"

namespace {

using flense::as_bytes;

void expect(bool condition) {
  if (!condition) std::abort();
}

/// What a scan of the cache is used for.
void use(const flense::inventory::LayerScan& scan) {
  for (std::uint32_t i = 0; i < scan.listing->size(); ++i) static_cast<void>(scan.stored_bytes(i));
  for (const auto& [index, facts] : scan.elf) expect(index < scan.listing->size());
  for (const auto& [index, code] : scan.bare_code) expect(index < scan.listing->size());
  for (const auto& [index, list] : scan.packages) expect(index < scan.listing->size());
  for (const auto& [index, text] : scan.texts) expect(index < scan.listing->size());
  static_cast<void>(flense::image::MergedTree::build({scan.listing, scan.listing}));
  // There is one way to write a scan.
  const std::string again = encode_scan(scan);
  const auto second = flense::inventory::decode_scan(as_bytes(again));
  expect(second.has_value() && encode_scan(*second) == again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto entry = flense::inventory::decode_entry(std::string(text)))
    static_cast<void>(flense::needs::is_sound(*entry));
  if (const auto json = flense::text::parse_json(text, "needs")) {
    if (const auto needs = flense::needs::needs_from_json(*json, "needs")) {
      const auto again =
          flense::needs::needs_from_json(flense::needs::needs_to_json(*needs), "needs");
      expect(again.has_value() && *again == *needs);
    }
  }
  if (const auto scan = flense::inventory::decode_scan(as_bytes(text))) use(*scan);
  return 0;
}
