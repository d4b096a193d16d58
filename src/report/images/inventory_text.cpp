#include "report/images/inventory_text.h"

#include <algorithm>

#include "base/clock.h"
#include "base/format.h"
#include "base/printable.h"
#include "report/format/findings.h"
#include "report/format/table.h"
#include "report/images/device_matrix.h"
#include "slim/plan/cuts.h"

namespace flense::report {

namespace {

using inventory::Inventory;

constexpr std::size_t kFewFiles = 12, kFewWasted = 8, kFewLargest = 8;

std::string size_cell(std::uint64_t bytes) {
  return bytes == 0 ? "-" : human_bytes(bytes);
}

std::string heading(const InventoryTextOptions& options, std::string_view title,
                    std::string_view note = {}) {
  std::string out = "\n" + options.style.paint(Ink::kBold, title);
  if (!note.empty()) out += "  " + options.style.paint(Ink::kDim, note);
  return out + "\n";
}

std::string summary(const Inventory& inventory, const InventoryTextOptions& options) {
  std::string out = options.style.paint(Ink::kBold, printable(inventory.target));
  for (const std::string& tag : inventory.tags) out += "  " + printable(tag);
  if (!inventory.platform.empty()) out += "  " + printable(inventory.platform);
  if (!inventory.found_in.empty()) out += "  from " + inventory.found_in;
  out += "\n";
  if (options.verbose && !inventory.digest.empty()) out += printable(inventory.digest) + "\n";
  const bool packed = inventory.size_bytes != inventory.unpacked_bytes;
  if (packed) out += human_bytes(inventory.size_bytes) + " packed, ";
  out += human_bytes(inventory.unpacked_bytes);
  out += packed ? " unpacked" : "";
  if (inventory.waste_bytes > 0) {
    const std::string waste = human_bytes(inventory.waste_bytes) + " wasted";
    out += ", " + options.style.paint(Ink::kYellow, waste);
  }
  out += fmt::format(" · {} {}", grouped(inventory.files), inventory.files == 1 ? "file" : "files");
  if (inventory.device_code.device_bytes > 0)
    out += fmt::format(" · {} of device code", human_bytes(inventory.device_code.device_bytes));
  return out + "\n";
}

std::string layers(const Inventory& inventory, const InventoryTextOptions& options) {
  if (inventory.layers.size() < 2 && !options.verbose) return {};
  std::vector<Column> columns = {{"#", Align::kRight, Column::Flex::kNone},
                                 {"PACKED", Align::kRight, Column::Flex::kNone},
                                 {"UNPACKED", Align::kRight, Column::Flex::kNone},
                                 {"WASTE", Align::kRight, Column::Flex::kNone}};
  if (options.verbose) columns.push_back({"DIGEST", Align::kLeft, Column::Flex::kNone});
  columns.push_back({"INSTRUCTION", Align::kLeft, Column::Flex::kEnd});
  Table table(std::move(columns));
  for (std::size_t i = 0; i < inventory.layers.size(); ++i) {
    const inventory::LayerFacts& layer = inventory.layers[i];
    std::vector<std::string> cells = {std::to_string(i + 1), size_cell(layer.size_bytes),
                                      size_cell(layer.unpacked_bytes),
                                      size_cell(layer.waste_bytes)};
    if (options.verbose) cells.push_back(layer.digest);
    cells.push_back(layer.instruction);
    table.add(std::move(cells));
  }
  return heading(options, "LAYERS") + table.text(options.style);
}

std::string device_code(const Inventory& inventory, const InventoryTextOptions& options) {
  const inventory::DeviceCode& code = inventory.device_code;
  if (code.files.empty()) return {};
  std::string out =
      heading(options, "DEVICE CODE",
              fmt::format("{} in {} files", human_bytes(code.device_bytes), code.files.size()));
  out += device_matrix(code, options.all ? 0 : kFewFiles, options.style);
  if (!options.all && code.files.size() > kFewFiles)
    out += options.style.paint(
        Ink::kDim, fmt::format("  {} more files with --all\n", code.files.size() - kFewFiles));
  return out;
}

std::string runtimes(const Inventory& inventory, const InventoryTextOptions& options) {
  if (inventory.runtimes.empty()) return {};
  Table table({{"NAME", Align::kLeft, Column::Flex::kNone},
               {"VERSION", Align::kLeft, Column::Flex::kNone},
               {"EVIDENCE", Align::kLeft, Column::Flex::kWrap}});
  for (const inventory::Runtime& runtime : inventory.runtimes)
    table.add({runtime.name, runtime.version.empty() ? "?" : runtime.version, runtime.evidence});
  return heading(options, "RUNTIMES") + table.text(options.style);
}

std::string packages(const Inventory& inventory, const InventoryTextOptions& options) {
  if (inventory.packages.empty()) return {};
  std::vector<std::pair<std::string, std::size_t>> counts;
  for (const inventory::InstalledPackage& installed : inventory.packages) {
    const auto at = std::find_if(counts.begin(), counts.end(), [&](const auto& one) {
      return one.first == installed.package.type;
    });
    if (at == counts.end())
      counts.emplace_back(installed.package.type, 1);
    else
      ++at->second;
  }
  std::string note;
  for (const auto& [type, count] : counts)
    note += fmt::format("{}{} {}", note.empty() ? "" : ", ", count, type);
  std::string out = heading(options, "PACKAGES", note);
  if (!options.all) return out;
  Table table({{"TYPE", Align::kLeft, Column::Flex::kNone},
               {"NAME", Align::kLeft, Column::Flex::kEnd},
               {"VERSION", Align::kLeft, Column::Flex::kNone}});
  for (const inventory::InstalledPackage& installed : inventory.packages)
    table.add({installed.package.type, installed.package.name, installed.package.version});
  return out + table.text(options.style);
}

std::string sized(std::string_view title, const std::vector<inventory::SizedPath>& rows,
                  const InventoryTextOptions& options) {
  if (rows.empty()) return {};
  Table table(
      {{"SIZE", Align::kRight, Column::Flex::kNone}, {"PATH", Align::kLeft, Column::Flex::kPath}});
  const std::size_t limit = options.all ? rows.size() : std::min(kFewLargest, rows.size());
  for (std::size_t i = 0; i < limit; ++i) table.add({human_bytes(rows[i].bytes), rows[i].path});
  return heading(options, title) + table.text(options.style);
}

std::string wasted(const Inventory& inventory, const InventoryTextOptions& options) {
  if (inventory.wasted_files.empty()) return {};
  Table table({{"SIZE", Align::kRight, Column::Flex::kNone},
               {"WRITTEN IN", Align::kRight, Column::Flex::kNone},
               {"GONE IN", Align::kRight, Column::Flex::kNone},
               {"HOW", Align::kLeft, Column::Flex::kNone},
               {"PATH", Align::kLeft, Column::Flex::kPath}});
  const std::size_t limit = options.all ? inventory.wasted_files.size()
                                        : std::min(kFewWasted, inventory.wasted_files.size());
  for (std::size_t i = 0; i < limit; ++i) {
    const inventory::WastedFile& file = inventory.wasted_files[i];
    table.add({human_bytes(file.bytes), std::to_string(file.layer + 1),
               std::to_string(file.by_layer + 1),
               file.deleted       ? "deleted"
               : file.looks_equal ? "copied"
                                  : "overwritten",
               file.path});
  }
  return heading(options, "WASTED FILES", human_bytes(inventory.waste_bytes)) +
         table.text(options.style);
}

std::string base_image(const Inventory& inventory, const InventoryTextOptions& options) {
  const inventory::BaseFlavour& base = inventory.base_flavour;
  if (inventory.device_code.files.empty() && base.reasons.empty()) return {};
  std::string note;
  switch (base.flavour) {
    case inventory::Flavour::kNone:
      note = "none needed: a plain distribution image would do, the image brings its own CUDA";
      break;
    case inventory::Flavour::kCudnn:
      note = "cudnn-runtime suffices";
      break;
    default:
      note = fmt::format("{} suffices", inventory::to_string(base.flavour));
  }
  std::string out = heading(options, "SMALLEST CUDA BASE IMAGE", note);
  if (base.reasons.empty()) return out;
  Table table({{"NEEDS", Align::kLeft, Column::Flex::kNone},
               {"LIBRARY", Align::kLeft, Column::Flex::kNone},
               {"HOW", Align::kLeft, Column::Flex::kNone},
               {"BY", Align::kLeft, Column::Flex::kPath}});
  constexpr std::size_t kFewReasons = 5;
  const std::size_t limit =
      options.all ? base.reasons.size() : std::min(kFewReasons, base.reasons.size());
  for (std::size_t i = 0; i < limit; ++i) {
    const inventory::FlavourReason& reason = base.reasons[i];
    table.add({std::string(inventory::to_string(reason.flavour)), reason.library, reason.how,
               reason.user});
  }
  return out + table.text(options.style);
}

std::string cuts(const slim::Plan& plan, const InventoryTextOptions& options) {
  const std::string targets = plan.targets.text();
  std::string note = fmt::format("{} at level {}", human_bytes(plan.bytes_given_back()),
                                 device::to_string(plan.level));
  note += targets.empty() ? "; --gpu adds device code" : fmt::format(" for {}", targets);
  Table table({{"BYTES", Align::kRight, Column::Flex::kNone},
               {"FILES", Align::kRight, Column::Flex::kNone},
               {"CUT", Align::kLeft, Column::Flex::kNone},
               {"WHAT", Align::kLeft, Column::Flex::kWrap}});
  for (const slim::Cut& cut : slim::cuts_of(plan)) {
    if (cut.bytes == 0) continue;
    const bool held = !cut.held_back.empty();
    const std::string what(cut.pass.text());
    table.add({human_bytes(cut.bytes), grouped(cut.files), std::string(cut.pass.id()),
               held ? fmt::format("{}; kept: {}", what, cut.held_back) : what},
              held ? Ink::kDim : Ink::kPlain);
    if (!options.verbose) continue;
    for (const inventory::SizedPath& file : cut.largest)
      table.add({human_bytes(file.bytes), "", "", file.path}, Ink::kDim);
  }
  if (table.empty()) return {};
  return heading(options, "COULD BE CUT", note) + table.text(options.style);
}

std::string types_cell(const inventory::ModelEntry& model) {
  std::string out;
  std::uint64_t parameters = 0;
  for (const inventory::TensorType& type : model.file.types) {
    parameters += type.parameters;
    out += fmt::format("{}{}", out.empty() ? "" : ", ", type.type);
  }
  if (!out.empty()) out += fmt::format(", {} parameters", grouped(parameters));
  return out;
}

std::string model_note(const inventory::ModelEntry& model) {
  if (!model.file.unreadable.empty()) return "cannot be read: " + model.file.unreadable;
  if (!model.instead.empty()) return model.instead;
  if (!model.twin.empty()) return model.twin;
  if (!model.file.version.empty())
    return fmt::format("made by TensorRT {}, for which GPU is unknown", model.file.version);
  if (model.file.format == "pickle") return "loading a pickle runs what is in it";
  std::uint64_t eighth = 0;
  for (const inventory::TensorGroup& group : model.groups) eighth += group.eighth_saves;
  if (model.half_saves > 0 && eighth > 0)
    return fmt::format("16-bit floats would save {}, 8-bit matrices {}",
                       human_bytes(model.half_saves), human_bytes(eighth));
  if (model.half_saves > 0)
    return fmt::format("16-bit floats would save {}", human_bytes(model.half_saves));
  return eighth == 0 ? std::string()
                     : fmt::format("8-bit matrices would save {}", human_bytes(eighth));
}

std::string group_note(const inventory::TensorGroup& group) {
  if (group.half_saves == 0 && group.eighth_saves == 0) return {};
  return fmt::format("16-bit saves {}, 8-bit {}", human_bytes(group.half_saves),
                     human_bytes(group.eighth_saves));
}

/// Weights of this share of an image, and this large, are better mounted: each copy of the image
/// carries them through every registry and node.
std::string mount_advice(const Inventory& inventory, std::uint64_t total) {
  constexpr std::uint64_t kLeast = 1ULL << 30;
  if (total < kLeast || total < inventory.unpacked_bytes / 4) return {};
  return fmt::format(
      "{} of weights need not be in the image: mount a directory (docker run -v "
      "/models:/models:ro; a "
      "PersistentVolumeClaim), an OCI artefact (a Kubernetes volume of type image), or a cache "
      "that the "
      "start fills (HF_HOME on a volume)\n",
      human_bytes(total));
}

std::string models(const Inventory& inventory, const InventoryTextOptions& options) {
  if (inventory.models.empty()) return {};
  Table table({{"SIZE", Align::kRight, Column::Flex::kNone},
               {"FORMAT", Align::kLeft, Column::Flex::kNone},
               {"TYPES", Align::kLeft, Column::Flex::kNone},
               {"PATH", Align::kLeft, Column::Flex::kPath},
               {"NOTE", Align::kLeft, Column::Flex::kWrap}});
  const std::size_t limit =
      options.all ? inventory.models.size() : std::min(kFewLargest, inventory.models.size());
  std::uint64_t total = 0;
  for (const inventory::ModelEntry& model : inventory.models) total += model.size_bytes;
  for (std::size_t i = 0; i < limit; ++i) {
    const inventory::ModelEntry& model = inventory.models[i];
    table.add({human_bytes(model.size_bytes), model.file.format, types_cell(model),
               model.seen_as.empty() ? model.path : model.seen_as, model_note(model)});
    if (!options.verbose) continue;
    for (const inventory::TensorGroup& group : model.groups)
      table.add({human_bytes(group.bytes), "", group.type, group.name, group_note(group)},
                Ink::kDim);
  }
  return heading(options, "MODELS",
                 fmt::format("{} in {} {}", human_bytes(total), inventory.models.size(),
                             inventory.models.size() == 1 ? "file" : "files")) +
         table.text(options.style) + mount_advice(inventory, total);
}

std::string budgets(const std::vector<inventory::BudgetResult>& results,
                    const InventoryTextOptions& options) {
  if (results.empty()) return {};
  std::string out = heading(options, "BUDGETS");
  for (const inventory::BudgetResult& budget : results) {
    if (budget.exceeded) {
      out += findings_text(budget.finding, options.style);
    } else {
      out +=
          fmt::format("  {}  {}: {} of {}\n", options.style.paint(Ink::kGreen, "ok"), budget.name,
                      human_bytes(budget.actual_bytes), human_bytes(budget.limit_bytes));
    }
  }
  return out;
}

std::string notices(const Inventory& inventory, const InventoryTextOptions& options) {
  if (inventory.notices.empty()) return {};
  std::string out = heading(options, "NOTICES");
  for (const std::string& notice : inventory.notices)
    out += fmt::format("  {}\n", printable(notice));
  return out;
}

/// That figures are not of now is said wherever they are shown.
std::string reading(const Inventory& inventory, const InventoryTextOptions& options) {
  const inventory::ScanOrigin& origin = inventory.origin;
  if (origin.cached == 0) return {};
  const std::string when = utc_time(origin.since);
  std::string out =
      fmt::format("{} of {} layers from the cache: read and verified {} {}, ", origin.cached,
                  inventory.layers.size(), when.substr(0, 10), when.substr(11, 5));
  out += origin.same_files ? "files unchanged since" : "perhaps from another file";
  return "\n" + options.style.paint(Ink::kDim, out + " (--no-cache reads again)") + "\n";
}

}  // namespace

std::string inventory_text(const Inspection& inspection, const InventoryTextOptions& options) {
  const Inventory& inventory = inspection.inventory;
  std::string out = summary(inventory, options);
  if (!options.quiet) {
    out += layers(inventory, options);
    out += device_code(inventory, options);
    out += runtimes(inventory, options);
    out += packages(inventory, options);
    out += sized("LARGEST FILES", inventory.largest_files, options);
    out += sized("LARGEST DIRECTORIES", inventory.largest_directories, options);
    out += wasted(inventory, options);
    out += models(inventory, options);
    out += base_image(inventory, options);
    out += cuts(inspection.plan, options);
  }
  return out + budgets(inspection.budgets, options) + notices(inventory, options) +
         reading(inventory, options);
}

}  // namespace flense::report
