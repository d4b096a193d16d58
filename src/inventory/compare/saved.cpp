#include "inventory/compare/saved.h"

#include "base/checked.h"
#include "inventory/describe/fields.h"
#include "text/fields.h"
#include "text/json.h"

namespace flense::inventory {

namespace {

constexpr std::size_t kMaxItems = 1u << 20;  ///< of one list

}  // namespace

void each_field(text::FieldsOf<LayerFacts> auto& layer, auto&& see) {
  see("digest", layer.digest);
  see("diff_id", layer.diff_id);
  see("media_type", layer.media_type);
  see("compression", layer.compression);
  see("size_bytes", layer.size_bytes);
  see("unpacked_bytes", layer.unpacked_bytes);
  see("content_bytes", layer.content_bytes);
  see("archive_bytes", layer.archive_bytes);
  see("waste_bytes", layer.waste_bytes);
  see("files", layer.files);
  see("instruction", layer.instruction);
}

void each_field(text::FieldsOf<DeviceFile> auto& file, auto&& see) {
  see("path", file.path);
  see("layer", file.layer);
  see("size_bytes", file.size_bytes);
  see("device_bytes", file.device_bytes);
  see("regions", file.regions);
  see("entries", file.entries);
}

void each_field(text::FieldsOf<DeviceCode> auto& code, auto&& see) {
  see("files", code.files);
  see("totals", code.totals);
}

void each_field(text::FieldsOf<Inventory> auto& inventory, auto&& see) {
  see("target", inventory.target);
  see("form", inventory.form);
  see("platform", inventory.platform);
  see("digest", inventory.digest);
  see("file_bytes", inventory.file_bytes);
  see("files", inventory.files);
  see("layers", inventory.layers);
  see("device_code", inventory.device_code);
  see("runtimes", inventory.runtimes);
  see("packages", inventory.packages);
  see("notices", inventory.notices);
}

namespace {

/// Sums over layers and files; a sum beyond 64 bits is bad input.
Result<void> add_sums(Inventory& out, std::string_view what) {
  const auto add = [&](std::uint64_t& to, std::uint64_t bytes) -> Result<void> {
    const auto sum = checked_add(to, bytes);
    if (!sum) return bad_input("{}: its sizes add up to more than 64 bits hold", what);
    to = *sum;
    return {};
  };
  for (const LayerFacts& layer : out.layers) {
    if (layer.content_bytes > layer.unpacked_bytes ||
        layer.archive_bytes != layer.unpacked_bytes - layer.content_bytes ||
        layer.waste_bytes > layer.content_bytes)
      return bad_input("{}: the sizes of layer {} contradict each other", what, layer.digest);
    TRY_DO(add(out.size_bytes, layer.size_bytes));
    TRY_DO(add(out.unpacked_bytes, layer.unpacked_bytes));
    TRY_DO(add(out.waste_bytes, layer.waste_bytes));
  }
  for (const DeviceFile& file : out.device_code.files)
    TRY_DO(add(out.device_code.device_bytes, file.device_bytes));
  return {};
}

}  // namespace

bool looks_like_json(std::string_view first_bytes) {
  const std::size_t start = first_bytes.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos && first_bytes[start] == '{';
}

Result<Inventory> parse_inventory(std::string_view text, std::string_view what) {
  TRY(const text::Json json, text::parse_json(text, what));
  if (json["schema"].text() != kInventorySchema)
    return bad_input("{}: expected a document of schema {}, found '{}'", what, kInventorySchema,
                     json["schema"].text())
        .hint("write one with: flense inspect --json IMAGE > FILE");
  Inventory out;
  text::FieldReader reader(what, kMaxItems);
  reader.read(json, "$", out);
  if (!reader.complaint().empty()) return bad_input("{}", reader.complaint());
  TRY_DO(add_sums(out, what));
  return out;
}

}  // namespace flense::inventory
