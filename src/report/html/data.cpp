#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <utility>

#include "base/printable.h"
#include "base/version.h"
#include "report/html/report.h"
#include "report/images/device_matrix.h"

namespace flense::report {

namespace {

using text::Json;

template <class Items, class Fn>
Json list_of(const Items& items, Fn to_json) {
  Json out = Json::array();
  for (const auto& item : items) out.push(to_json(item));
  return out;
}

std::string_view word(PartVerdict verdict) {
  switch (verdict) {
    case PartVerdict::kStays:
      return "stays";
    case PartVerdict::kGoes:
      return "goes";
    case PartVerdict::kHeldBack:
      break;
  }
  return "held";
}

/// One letter a kind: i image, l layer, d directory, f file, c code, p part, g group, a archive.
char letter(NodeKind kind) {
  return "ildfcpga"[static_cast<std::size_t>(kind)];
}

/// Columns, one item a node: name, distance to the parent, letter of the kind, and of leaves bytes
/// and reason. `counts` alternates between a group and its number of files.
Json tree_json(const SizeTree& tree) {
  Json names = Json::array(), parents = Json::array(), bytes = Json::array(),
       reasons = Json::array(), counts = Json::array();
  std::string kinds;
  for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
    const SizeNode& node = tree.nodes[i];
    names.push(printable(node.name));
    parents.push(static_cast<std::uint64_t>(i - node.parent));
    kinds += letter(node.kind);
    bytes.push(node.bytes);
    reasons.push(static_cast<std::uint64_t>(node.reason));
    if (node.files > 0) counts.push(static_cast<std::uint64_t>(i)).push(node.files);
  }
  Json out = Json::object();
  out.set("names", std::move(names)).set("parents", std::move(parents));
  out.set("kinds", std::move(kinds)).set("bytes", std::move(bytes));
  out.set("reasons", std::move(reasons)).set("counts", std::move(counts));
  out.set("grouped_below", tree.grouped_below);
  return out;
}

Json reasons_json(const SizeTree& tree) {
  std::map<std::string_view, slim::Pass> passes;
  for (const slim::Pass pass : slim::all_passes()) passes.emplace(pass.id(), pass);
  return list_of(tree.reasons, [&](const SizeReason& reason) {
    Json out = Json::object();
    out.set("verdict", word(reason.verdict)).set("id", reason.id);
    if (const auto at = passes.find(reason.id); at != passes.end())
      out.set("text", at->second.text()).set("level", device::to_string(at->second.level()));
    else if (reason.id == "archive")
      out.set("text", "tar headers and padding");
    if (!reason.held_back.empty()) out.set("why", printable(reason.held_back));
    return out;
  });
}

Json layers_json(const HtmlReport& report) {
  const std::vector<inventory::LayerFacts>& layers = report.inventory.layers;
  const bool same_count =
      report.outcome != nullptr && report.outcome->layers.size() == layers.size();
  Json out = Json::array();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const inventory::LayerFacts& layer = layers[i];
    Json row = Json::object();
    row.set("instruction", printable(layer.instruction)).set("digest", layer.digest);
    row.set("stored", layer.size_bytes).set("unpacked", layer.unpacked_bytes);
    row.set("waste", layer.waste_bytes).set("files", layer.files);
    if (same_count) {
      const slim::LayerSizes& after = report.outcome->layers[i];
      row.set("stored_after", after.stored_after).set("unpacked_after", after.unpacked_after);
      row.set("same", after.digest_before == after.digest_after);
    }
    out.push(std::move(row));
  }
  return out;
}

/// What leaves one file of its device code.
struct DroppedCode {
  bool all = false;
  std::map<std::pair<std::string_view, std::string_view>, std::uint64_t> bytes;  ///< kind, arch

  std::uint64_t of(const inventory::ArchCount& count) const {
    if (all) return count.bytes;
    const auto at = bytes.find({count.kind, count.arch});
    return at == bytes.end() ? 0 : std::min(at->second, count.bytes);
  }
};

DroppedCode dropped_code(const HtmlReport& report, const MemberFates& fates,
                         const inventory::DeviceFile& file) {
  DroppedCode out;
  const auto found = report.contents.tree().find(file.path);
  if (!found || !found->content) return out;
  const auto& layer = fates[found->content->layer];
  const auto fate = layer.find(found->content->index);
  if (fate == layer.end() || fate->second.given_back == 0) return out;
  out.all = fate->second.whole;
  if (file.prune)
    for (const inventory::CodeFate& code : file.prune->code)
      if (device::is_drop(code.reason)) out.bytes[{code.kind, code.arch}] += code.bytes;
  return out;
}

/// Architectures beyond share the last column; real images have some forty.
constexpr std::size_t kMostCodeColumns = 200;
/// Files beyond share the last row: FlashInfer alone has ten thousand.
constexpr std::size_t kMostCodeFiles = 1'000;

/// Columns are those of the totals; a cell is [column, bytes, bytes that go, entries].
Json matrix_json(const HtmlReport& report, const MemberFates& fates) {
  const inventory::DeviceCode& code = report.inventory.device_code;
  std::map<std::string, std::uint64_t> columns;
  Json titles = Json::array();
  for (const inventory::ArchCount& total : code.totals) {
    if (columns.size() == kMostCodeColumns) break;
    const std::string title = code_name(total.vendor, total.kind, total.arch);
    if (columns.emplace(title, columns.size()).second) titles.push(printable(title));
  }
  if (columns.size() == kMostCodeColumns) titles.push("more");
  using Cells = std::map<std::uint64_t, std::array<std::uint64_t, 3>>;
  const auto add = [&](const inventory::DeviceFile& file, Cells& cells) {
    const DroppedCode dropped = dropped_code(report, fates, file);
    for (const inventory::ArchCount& count : file.entries) {
      const auto at = columns.find(code_name(count.vendor, count.kind, count.arch));
      auto& cell = cells[at == columns.end() ? kMostCodeColumns : at->second];
      cell[0] += count.bytes;
      cell[1] += dropped.of(count);
      cell[2] += count.count;
    }
  };
  const auto to_json = [](const Cells& cells) {
    return list_of(cells, [](const auto& cell) {
      Json out = Json::array();
      out.push(cell.first);
      for (const std::uint64_t number : cell.second) out.push(number);
      return out;
    });
  };
  const std::span<const inventory::DeviceFile> all = code.files;
  const std::size_t named = std::min(all.size(), kMostCodeFiles);
  Json files = list_of(all.first(named), [&](const inventory::DeviceFile& file) {
    Json row = Json::object();
    row.set("path", printable(file.path)).set("layer", file.layer);
    row.set("size", file.size_bytes).set("device", file.device_bytes);
    if (file.prune && !file.prune->left_alone.empty())
      row.set("left", printable(file.prune->left_alone));
    Cells cells;
    add(file, cells);
    return row.set("cells", to_json(cells));
  });
  if (named < all.size()) {
    Cells cells;
    std::uint64_t device = 0;
    for (const inventory::DeviceFile& file : all.subspan(named)) {
      add(file, cells);
      device += file.device_bytes;
    }
    files.push(Json::object()
                   .set("more", static_cast<std::uint64_t>(all.size() - named))
                   .set("device", device)
                   .set("cells", to_json(cells)));
  }
  return Json::object()
      .set("device", code.device_bytes)
      .set("count", static_cast<std::uint64_t>(all.size()))
      .set("columns", std::move(titles))
      .set("files", std::move(files));
}

Json budget_data(const inventory::BudgetResult& budget) {
  Json out = Json::object();
  out.set("name", budget.name).set("limit", budget.limit_bytes).set("actual", budget.actual_bytes);
  out.set("exceeded", budget.exceeded);
  if (!budget.exceeded) return out;
  out.set("why", printable(budget.finding.why)).set("fix", printable(budget.finding.fix));
  return out.set("evidence", printable(budget.finding.evidence));
}

std::vector<std::string> notices_of(const HtmlReport& report) {
  std::vector<std::string> out = report.inventory.notices;
  const auto add = [&](const std::vector<std::string>& more) {
    for (const std::string& notice : more)
      if (std::ranges::find(out, notice) == out.end()) out.push_back(notice);
  };
  if (!report.inspection) add(report.plan.notices);
  if (report.outcome != nullptr) add(report.outcome->notices);
  return out;
}

void add_slim(const HtmlReport& report, Json& out) {
  if (report.inspection) return;
  std::vector<slim::LeftAlone> left = report.plan.left_alone;
  if (report.outcome != nullptr)
    left.insert(left.end(), report.outcome->left_alone.begin(), report.outcome->left_alone.end());
  out.set("left_alone", list_of(left, [](const slim::LeftAlone& file) {
            Json row = Json::array();
            row.push(printable(file.path)).push(file.bytes);
            return std::move(row.push(printable(file.why)));
          }));
  Json bolder = Json::array();
  for (const auto& [rule, bytes] : report.plan.bolder)
    if (bytes > 0) bolder.push(Json::array().push(rule).push(bytes));
  out.set("bolder", std::move(bolder));
  if (report.outcome == nullptr) return;
  std::uint64_t stored = 0;
  for (const slim::LayerSizes& layer : report.outcome->layers) stored += layer.stored_after;
  out.set("stored_after", stored);
  out.set("output", printable(report.output));
  out.set("output_digest", report.outcome->manifest_digest);
}

}  // namespace

Json html_data(const HtmlReport& report, const MemberFates& fates, const SizeTree& tree) {
  const inventory::Inventory& inventory = report.inventory;
  Json out = Json::object();
  out.set("flense", kVersion);
  out.set("did", report.inspection ? "inspect" : report.outcome == nullptr ? "plan" : "slim");
  out.set("target", printable(inventory.target));
  out.set("tags", list_of(inventory.tags, [](const std::string& tag) { return printable(tag); }));
  out.set("platform", printable(inventory.platform)).set("digest", inventory.digest);
  out.set("gpus", report.plan.targets.text());
  out.set("level", device::to_string(report.plan.level));
  out.set("stored", inventory.size_bytes).set("files", inventory.files);
  out.set("layers", layers_json(report));
  out.set("reasons", reasons_json(tree));
  out.set("tree", tree_json(tree));
  out.set("matrix", matrix_json(report, fates));
  out.set("runtimes", list_of(inventory.runtimes, [](const inventory::Runtime& runtime) {
            Json row = Json::array();
            row.push(printable(runtime.name)).push(printable(runtime.version));
            return std::move(row.push(printable(runtime.evidence)));
          }));
  out.set("budgets", list_of(report.budgets, budget_data));
  out.set("notices",
          list_of(notices_of(report), [](const std::string& notice) { return printable(notice); }));
  add_slim(report, out);
  return out;
}

}  // namespace flense::report
