#include "slim/plan/make_plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/glob.h"
#include "inventory/describe/build_needs.h"
#include "inventory/describe/start.h"
#include "slim/plan/broken_links.h"
#include "slim/plan/draft.h"
#include "slim/plan/labels.h"

namespace flense::slim {

namespace {

const Edit* edit_of(const Plan& plan, image::EntryRef ref) {
  const auto& edits = plan.layers[ref.layer].edits;
  const auto found = edits.find(ref.index);
  return found == edits.end() ? nullptr : &found->second;
}

bool drops_amd_code(const inventory::Contents& contents) {
  return std::ranges::any_of(contents.scans(), [](const auto& scan) {
    return std::ranges::any_of(scan->elf, [](const auto& item) {
      return item.second.prune && item.second.prune->left_alone.empty() &&
             item.second.prune->amd_dropped > 0;
    });
  });
}

void add_amd_notices(const inventory::Contents& contents, const SlimOptions& options, Plan& plan) {
  const inventory::AmdOverride& asked = options.cuts.amd_override;
  if (!options.cuts.targets.amd.empty() && !asked.evidence.empty())
    plan.notices.push_back(
        asked.unclear
            ? fmt::format("all device code for AMD stays: the image sets {}", asked.evidence)
            : fmt::format("device code for {} stays too: the image sets {}",
                          fmt::join(asked.targets, ", "), asked.evidence));
  const auto gpu_files = std::ranges::find(plan.passes, Pass(kGpuFiles), &PassTotal::pass);
  const bool files = gpu_files != plan.passes.end() && !options.cuts.targets.amd.empty();
  if (files || (options.cuts.modify_vendor && drops_amd_code(contents)))
    plan.notices.emplace_back(kRocmNotice);
}

/// A package list lies in the layer that installed the package; a later layer that changed an owner
/// or gave a file another hard link holds the copy that is seen.
void note_gone_above(const image::MergedTree& tree, Plan& plan) {
  for (std::uint32_t layer = 0; layer + 1 < tree.layer_count(); ++layer) {
    // A layer without edits keeps its digest, and so its lists.
    if (plan.layers[layer].edits.empty()) continue;
    const image::LayerListing& listing = tree.layer(layer);
    for (std::uint32_t index = 0; index < listing.size(); ++index) {
      if (tree.shadow({layer, index}).state != image::EntryState::kOverwritten) continue;
      const std::string_view path = listing.at(index).path;
      const auto seen = tree.find(path);
      const Edit* edit = seen && seen->entry ? edit_of(plan, *seen->entry) : nullptr;
      if (edit != nullptr && (edit->action == Action::kDrop || edit->action == Action::kRename))
        plan.layers[layer].gone_above.emplace(path);
    }
  }
}

/// A --keep that keeps nothing is a mistake.
void note_idle_keeps(const image::MergedTree& tree, const std::vector<std::string>& keep,
                     Plan& plan) {
  for (const std::string& glob : keep) {
    bool any = false;
    for (std::uint32_t layer = 0; layer < tree.layer_count() && !any; ++layer)
      for (std::uint32_t i = 0; i < tree.layer(layer).size() && !any; ++i)
        any = glob_covers(glob, tree.layer(layer).at(i).path);
    if (!any) plan.notices.push_back(fmt::format("--keep {} names nothing in the image", glob));
  }
}

void note_build_files(const inventory::BuildNeeds& needs, Plan& plan) {
  std::map<std::string_view, std::uint64_t> held;
  for (const LeftAlone& file : plan.held_back) held[file.why] += file.bytes;
  std::set<std::string_view> told;
  for (const std::string& evidence : {needs.host_compiler, needs.cuda_compiler, needs.cuda_headers})
    if (!evidence.empty() && told.insert(evidence).second)
      plan.notices.push_back(
          held[evidence] == 0
              ? "build files stay: " + evidence
              : fmt::format("build files stay: {} ({})", evidence, human_bytes(held[evidence])));
}

void record_closure(const closure::Reach& reach, Plan& plan) {
  ClosureRecord& out = plan.closure.emplace();
  out.starts = reach.starts;
  out.kept = reach.kept;
  out.packages = reach.packages;
  out.idle_scripts = reach.idle_scripts;
  for (const LayerPlan& layer : plan.layers) {
    for (const auto& [position, edit] : layer.edits) {
      if (edit.pass != kUnreachable) continue;
      ++out.files;
      out.bytes += edit.bytes_before - edit.bytes_after;
    }
  }
  plan.notices.insert(plan.notices.end(), reach.notices.begin(), reach.notices.end());
}

/// Scripts in databases and settings are nobody's to run in a closure; their interpreters may go.
bool is_checked_script(const Plan& plan, std::string_view path) {
  return !plan.closure || !(path.starts_with("var/lib/") || path.starts_with("etc/") ||
                            plan.closure->idle_scripts.contains(std::string(path)));
}

}  // namespace

CutRules rules_for(const image::Image& image, CutRules asked) {
  const auto environment = inventory::environment(image);
  asked.keep_ptx |= !inventory::forces_ptx(environment).empty();
  asked.amd_override = inventory::amd_override(environment);
  return asked;
}

Result<Plan> make_plan(const image::Image& image, const inventory::Contents& contents,
                       const inventory::Inventory& inventory, const SlimOptions& options,
                       const closure::Reach* reach) {
  const inventory::BuildNeeds needs = inventory::find_build_needs(contents, inventory.packages);
  const SelfChecked self_checked = find_self_checked(contents);
  const PassContext context{
      image, contents, options, needs, self_checked, inventory::uses_musl(contents.tree()), reach};
  Draft draft(contents, options.cuts.keep, options.packing.kept_layers,
              options.cuts.rewrite_signed ? VouchedFiles() : VouchedFiles::find(image, contents));
  for (const auto pass : kPassesInOrder) pass(context, draft);
  withdraw_few_links(context, draft);
  settle_hard_links(context, draft);
  hide_older_entries(context, draft);
  Plan plan = std::move(draft).finish();
  note_gone_above(contents.tree(), plan);

  plan.input = image.name;
  plan.input_digest = image.manifest_digest;
  plan.targets = options.cuts.targets;
  plan.level = options.cuts.level;
  plan.traces = options.traced.sources;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    plan.layers[i].digest = image.layers[i].blob.digest;
    plan.layers[i].content_bytes = contents.scans()[i]->content_bytes;
  }
  note_idle_keeps(contents.tree(), options.cuts.keep, plan);
  note_build_files(needs, plan);
  if (const auto forced = inventory::forces_ptx(inventory::environment(image)); !forced.empty())
    plan.notices.push_back(fmt::format("PTX stays: the image sets {}", forced));
  add_amd_notices(contents, options, plan);
  if (reach != nullptr) record_closure(*reach, plan);
  if (std::ranges::any_of(plan.passes, [](const PassTotal& pass) {
        return pass.pass.id() == inventory::kCompiledPython;
      }))
    plan.notices.emplace_back(
        "compiled Python files go: the first import compiles, on a read-only root at every start "
        "(--pyc keep leaves them)");
  return plan;
}

std::vector<std::string> verify_plan(const image::Image& image, const inventory::Contents& contents,
                                     const Plan& plan) {
  const image::MergedTree& tree = contents.tree();
  ClosureInput input;
  contents.for_each_file([&](const inventory::VisibleFile& file) {
    const auto& scripts = contents.scan(file.content).scripts;
    if (const auto script = scripts.find(file.content.index);
        script != scripts.end() && is_checked_script(plan, file.path))
      input.scripts.push_back({std::string(file.path), script->second});
    const inventory::ElfFacts* facts = contents.elf(file.content);
    if (facts == nullptr) return;
    input.files.push_back(
        {std::string(file.path), facts->needed, facts->rpath, facts->runpath, facts->interpreter});
  });
  input.libraries = inventory::library_paths(image);
  input.program_path = inventory::program_path(image);
  input.must_exist = inventory::start_paths(image);

  const auto found = [&](const std::string& path) -> std::optional<image::MergedTree::Found> {
    const auto real = tree.resolve(path);
    if (!real) return std::nullopt;
    const auto entry = tree.find(*real);
    if (!entry || !entry->content) return std::nullopt;
    return entry;
  };
  const Exists before = [&](const std::string& path) { return found(path).has_value(); };
  const Exists after = [&](const std::string& path) {
    const auto entry = found(path);
    if (!entry) return false;
    const Edit* own = edit_of(plan, *entry->entry);
    if (own != nullptr && (own->action == Action::kDrop || own->action == Action::kRename))
      return false;
    const Edit* content = edit_of(plan, *entry->content);
    return content == nullptr || content->action != Action::kDrop;
  };
  return broken_links(input, before, after);
}

}  // namespace flense::slim
