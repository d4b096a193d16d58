#include "needs/cache.h"

#include <utility>

#include "base/clock.h"
#include "needs/json.h"
#include "text/json.h"

namespace flense::needs {

namespace {

constexpr std::string_view kNeedsKind = "needs";

std::string needs_form() {
  return inventory::form_of(kNeedsKind, needs_signature());
}

std::optional<Needs> parse_needs(Bytes payload) {
  const auto json = text::parse_json(as_text(payload), "cached needs");
  if (!json) return std::nullopt;
  auto needs = needs_from_json(*json, "cached needs");
  if (!needs) return std::nullopt;
  return std::move(*needs);
}

}  // namespace

std::optional<inventory::Cached<Needs>> load_needs(const inventory::InventoryCache& cache,
                                                   const image::Image& image,
                                                   std::string_view basis,
                                                   inventory::CacheTrust trust) {
  const std::string key = inventory::image_key(image, kNeedsKind, needs_form(), basis);
  if (key.empty()) return std::nullopt;
  std::optional<std::int64_t> since;
  if (trust == inventory::CacheTrust::kFile && !image.vouched_for && !image.layers.empty()) {
    since = cache.hashed_since(image);
    if (!since) return std::nullopt;
  }
  const auto entry = cache.store().load(kNeedsKind, key);
  if (!entry) return std::nullopt;
  auto needs = parse_needs(entry->payload());
  if (!needs) {
    cache.store().remove(entry->head);
    return std::nullopt;
  }
  needs->name = image.name;
  return inventory::Cached<Needs>{std::move(*needs), since.value_or(entry->head.made)};
}

void store_needs(inventory::InventoryCache& cache, const image::Image& image,
                 std::string_view basis, const Needs& needs) {
  inventory::EntryHead head;
  head.form = needs_form();
  head.key = inventory::image_key(image, kNeedsKind, head.form, basis);
  if (head.key.empty()) return;
  head.kind = kNeedsKind;
  head.label = inventory::label_of(fmt::format("{} ({})", image.name, image.config_digest));
  head.made = wall_clock() / 1'000'000'000;
  cache.store().store(head, text::dump_json(needs_to_json(needs)));
}

bool is_sound(const inventory::StoredEntry& entry) {
  if (entry.head.kind != kNeedsKind) return inventory::is_sound_scan(entry);
  return entry.head.form != needs_form() || parse_needs(entry.payload());
}

}  // namespace flense::needs
