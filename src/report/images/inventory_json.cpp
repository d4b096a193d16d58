#include "report/images/inventory_json.h"

#include "base/clock.h"
#include "base/version.h"
#include "report/format/findings.h"
#include "slim/plan/cuts.h"

namespace flense::report {

namespace {

using text::Json;

template <class Items, class Fn>
Json list(const Items& items, Fn to_json) {
  Json out = Json::array();
  for (const auto& item : items) out.push(to_json(item));
  return out;
}

Json strings(const std::vector<std::string>& items) {
  return list(items, [](const std::string& item) { return Json(item); });
}

Json layer_json(const inventory::LayerFacts& layer) {
  Json out = Json::object();
  out.set("digest", layer.digest);
  out.set("diff_id", layer.diff_id);
  out.set("media_type", layer.media_type);
  out.set("compression", layer.compression);
  out.set("size_bytes", layer.size_bytes);
  out.set("unpacked_bytes", layer.unpacked_bytes);
  out.set("content_bytes", layer.content_bytes);
  out.set("archive_bytes", layer.archive_bytes);
  out.set("waste_bytes", layer.waste_bytes);
  out.set("files", layer.files);
  out.set("instruction", layer.instruction);
  return out;
}

Json arch_json(const inventory::ArchCount& count) {
  Json out = Json::object();
  out.set("vendor", count.vendor);
  out.set("kind", count.kind);
  out.set("arch", count.arch);
  out.set("count", count.count);
  out.set("bytes", count.bytes);
  if (!count.version.empty()) out.set("version", count.version);
  if (count.zstd > 0) out.set("zstd", count.zstd);
  if (count.hollow > 0) out.set("hollow", count.hollow);
  return out;
}

Json prune_json(const inventory::PruneSummary& prune) {
  Json out = Json::object();
  out.set("output_bytes", prune.output_size);
  out.set("left_alone", prune.left_alone);
  Json reasons = Json::object();
  for (const auto& [reason, bytes] : prune.bytes)
    reasons.set(std::string(device::to_string(reason)), bytes);
  out.set("entry_bytes_by_reason", std::move(reasons));
  return out;
}

Json device_code_json(const inventory::DeviceCode& code) {
  Json out = Json::object();
  out.set("device_bytes", code.device_bytes);
  out.set("files", list(code.files, [](const inventory::DeviceFile& file) {
            Json row = Json::object();
            row.set("path", file.path);
            row.set("layer", file.layer);
            row.set("size_bytes", file.size_bytes);
            row.set("device_bytes", file.device_bytes);
            row.set("regions", file.regions);
            row.set("entries", list(file.entries, arch_json));
            if (file.prune) row.set("prune", prune_json(*file.prune));
            return row;
          }));
  out.set("totals", list(code.totals, arch_json));
  return out;
}

Json sized_json(const inventory::SizedPath& sized) {
  Json out = Json::object();
  out.set("path", sized.path);
  out.set("bytes", sized.bytes);
  return out;
}

Json file_json(const inventory::SizedPath& sized) {
  Json out = sized_json(sized);
  out.set("layer", sized.layer);
  return out;
}

Json flavour_json(const inventory::BaseFlavour& base) {
  Json out = Json::object();
  out.set("name", inventory::to_string(base.flavour));
  out.set("reasons", list(base.reasons, [](const inventory::FlavourReason& reason) {
            Json row = Json::object();
            row.set("flavour", inventory::to_string(reason.flavour));
            row.set("library", reason.library);
            row.set("user", reason.user);
            row.set("how", reason.how);
            return row;
          }));
  return out;
}

Json model_json(const inventory::ModelEntry& model) {
  Json out = Json::object();
  out.set("path", model.path);
  out.set("layer", model.layer);
  out.set("size_bytes", model.size_bytes);
  out.set("format", model.file.format);
  if (!model.file.architecture.empty()) out.set("architecture", model.file.architecture);
  out.set("types", list(model.file.types, [](const inventory::TensorType& type) {
            Json row = Json::object();
            row.set("type", type.type);
            row.set("tensors", type.tensors);
            row.set("parameters", type.parameters);
            row.set("bytes", type.bytes);
            return row;
          }));
  out.set("half_precision_saves", model.half_saves);
  if (!model.instead.empty()) out.set("instead", model.instead);
  if (!model.twin.empty()) out.set("twin", model.twin);
  if (!model.seen_as.empty()) out.set("seen_as", model.seen_as);
  if (!model.file.version.empty()) out.set("version", model.file.version);
  if (!model.file.untold.empty()) out.set("untold", model.file.untold);
  if (!model.groups.empty())
    out.set("groups", list(model.groups, [](const inventory::TensorGroup& group) {
              Json row = Json::object();
              row.set("name", group.name);
              row.set("type", group.type);
              row.set("tensors", group.tensors);
              row.set("bytes", group.bytes);
              row.set("half_precision_saves", group.half_saves);
              row.set("eight_bit_saves", group.eighth_saves);
              return row;
            }));
  if (!model.file.unreadable.empty()) out.set("unreadable", model.file.unreadable);
  return out;
}

Json cut_json(const slim::Cut& cut) {
  Json out = Json::object();
  out.set("id", cut.pass.id());
  out.set("level", device::to_string(cut.pass.level()));
  out.set("reason", cut.pass.text());
  out.set("files", cut.files);
  out.set("bytes", cut.bytes);
  out.set("held_back", cut.held_back);
  out.set("largest", list(cut.largest, file_json));
  return out;
}

Json budget_json(const inventory::BudgetResult& budget) {
  Json out = Json::object();
  out.set("name", budget.name);
  out.set("limit_bytes", budget.limit_bytes);
  out.set("actual_bytes", budget.actual_bytes);
  out.set("exceeded", budget.exceeded);
  if (budget.exceeded) out.set("finding", finding_json(budget.finding));
  return out;
}

}  // namespace

Json inventory_json(const Inspection& inspection) {
  const inventory::Inventory& inventory = inspection.inventory;
  Json out = Json::object();
  out.set("schema", kInventorySchema);
  out.set("flense", kVersion);
  out.set("target", inventory.target);
  out.set("form", inventory.form);
  out.set("found_in", inventory.found_in);
  out.set("platform", inventory.platform);
  out.set("digest", inventory.digest);
  out.set("tags", strings(inventory.tags));
  out.set("size_bytes", inventory.size_bytes);
  out.set("unpacked_bytes", inventory.unpacked_bytes);
  out.set("waste_bytes", inventory.waste_bytes);
  out.set("file_bytes", inventory.file_bytes);
  out.set("files", inventory.files);
  out.set("layers", list(inventory.layers, layer_json));
  out.set("device_code", device_code_json(inventory.device_code));
  out.set("runtimes", list(inventory.runtimes, [](const inventory::Runtime& runtime) {
            Json row = Json::object();
            row.set("name", runtime.name);
            row.set("version", runtime.version);
            row.set("evidence", runtime.evidence);
            return row;
          }));
  out.set("packages", list(inventory.packages, [](const inventory::InstalledPackage& installed) {
            Json row = Json::object();
            row.set("type", installed.package.type);
            row.set("name", installed.package.name);
            row.set("version", installed.package.version);
            row.set("path", installed.path);
            return row;
          }));
  out.set("base_flavour", flavour_json(inventory.base_flavour));
  out.set("largest_files", list(inventory.largest_files, file_json));
  out.set("largest_directories", list(inventory.largest_directories, sized_json));
  out.set("wasted_files", list(inventory.wasted_files, [](const inventory::WastedFile& file) {
            Json row = Json::object();
            row.set("path", file.path);
            row.set("bytes", file.bytes);
            row.set("layer", file.layer);
            row.set("by_layer", file.by_layer);
            row.set("how", file.deleted ? "deleted" : "overwritten");
            if (file.looks_equal) row.set("looks_equal", true);
            return row;
          }));
  out.set("targets", slim::to_json(inspection.plan.targets));
  out.set("level", device::to_string(inspection.plan.level));
  out.set("models", list(inventory.models, model_json));
  out.set("cuts", list(slim::cuts_of(inspection.plan), cut_json));
  out.set("notices", strings(inventory.notices));
  out.set("budgets", list(inspection.budgets, budget_json));
  Json reading = Json::object();
  reading.set("cached_layers", inventory.origin.cached);
  if (inventory.origin.cached > 0) reading.set("since", utc_time(inventory.origin.since));
  reading.set("verified", inventory.origin.hashed && inventory.origin.same_files);
  out.set("reading", std::move(reading));
  return out;
}

}  // namespace flense::report
