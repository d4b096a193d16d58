#include "lint/compiles/architecture_lists.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

std::string plain(std::string_view architecture) {
  while (architecture.ends_with('a') || architecture.ends_with('f')) architecture.remove_suffix(1);
  return std::string(architecture);
}

/// Entries of a list that the base's CUDA does not compile for, with the release that decides it.
struct Refused {
  std::string release, evidence;
  std::vector<std::string> items;
};

void refuse(std::vector<Refused>& by, const std::string& release, const std::string& evidence,
            const std::string& item) {
  auto at = std::ranges::find(by, release, &Refused::release);
  if (at == by.end()) at = by.insert(by.end(), {release, evidence, {}});
  at->items.push_back(item);
}

/// `verb` and `limit` say it of one release: "no longer compiles", "was the last".
void tell(const Listed& at, const ArchitectureList& list, const std::vector<Refused>& refused,
          std::string_view verb, std::string_view limit, std::string_view base, FindingSink& sink) {
  if (refused.empty()) return;
  const Brought& cuda = at.stage->image.cuda;
  std::string message = fmt::format("CUDA {} of the base {}", major_minor(cuda.value), verb);
  std::vector<std::string> items;
  for (const Refused& one : refused) {
    message += fmt::format("{} for {}: {} {}", &one == &refused.front() ? "" : ",",
                           fmt::join(one.items, ", "), one.release, limit);
    items.insert(items.end(), one.items.begin(), one.items.end());
  }
  Finding& found = sink.add(at.rule, *at.view->file, at.span, std::move(message));
  found.evidence = {refused.front().evidence, cuda.evidence};
  // A branch may be another base's.
  found.pedantic = at.instruction != nullptr && !is_reached(*at.instruction, at.span);
  const std::string gone = fmt::format("{}", fmt::join(items, ", "));
  // Of the list something is to be left.
  found.fix = at.name == "nvcc" ? fmt::format("leave {} out, or begin with {}", gone, base)
              : items.size() == list.items.size()
                  ? fmt::format("begin with {}, or name a GPU that the base compiles for", base)
                  : fmt::format("take {} out of {}, or begin with {}", gone, at.name, base);
}

/// The first CUDA that compiles for an entry: code for one GPU or family came later than the GPU.
std::string first_cuda_of(const knowledge::ArchitectureRow& row, std::string_view entry) {
  const std::string_view of_form = entry.ends_with('a')   ? "12.0"
                                   : entry.ends_with('f') ? "12.9"
                                                          : "";
  return std::string(compare_versions(row.first_cuda, of_form) < 0 ? of_form : row.first_cuda);
}

bool serves(const ListedArchitecture& item, const std::string& gpu) {
  if (item.architecture.starts_with("gfx")) return item.architecture == gpu;
  const bool exact = item.architecture.ends_with('a');
  const std::string architecture = plain(item.architecture);
  if (exact || item.text.ends_with("-real")) {
    return first_number(architecture) == first_number(gpu) &&
           (exact ? architecture == gpu : compare_versions(architecture, gpu) <= 0);
  }
  // Plain entries: a cubin of the same major, or PTX, which newer GPUs compile.
  const bool ptx = item.text.ends_with("+PTX") || item.text.ends_with("-virtual") ||
                   item.text.starts_with("compute_");
  if (ptx && compare_versions(architecture, gpu) <= 0) return true;
  return first_number(architecture) == first_number(gpu) &&
         compare_versions(architecture, gpu) <= 0;
}

}  // namespace

bool brings_toolkit(const FileView& view, const StageView& stage) {
  // apt's name of the base's own: cuda-nvcc-11-4.
  std::string own = "-" + major_minor(stage.image.cuda.value);
  std::ranges::replace(own, '.', '-');
  for (const std::string_view word : {"cuda-toolkit", "cuda-nvcc", "cuda-compiler"})
    if (commands_mention(view, stage.index, std::string(word) + own)) return false;
  return std::ranges::any_of(
      std::to_array<std::string_view>(
          {"cuda-toolkit", "cuda-nvcc", "cuda-compiler", "cudatoolkit-dev", "_linux.run"}),
      [&](std::string_view word) { return commands_mention(view, stage.index, word); });
}

bool drop_refused(const Listed& at, ArchitectureList& list) {
  const Brought& cuda = at.stage->image.cuda;
  if (!cuda.known() || at.other_toolkit) return true;
  const std::string toolkit = major_minor(cuda.value);
  std::vector<ListedArchitecture> kept = list.items;
  std::erase_if(kept, [&](const ListedArchitecture& item) {
    const auto* row = at.view->project->knowledge->architectures.find(plain(item.architecture));
    return row != nullptr &&
           (compare_versions(toolkit, first_cuda_of(*row, item.architecture)) < 0 ||
            (!row->last_cuda.empty() && compare_versions(toolkit, row->last_cuda) > 0));
  });
  if (kept.empty()) return false;
  for (ListedArchitecture& item : kept) {
    const auto* row = at.view->project->knowledge->architectures.find(plain(item.architecture));
    if (row == nullptr || row->renamed_after.empty() ||
        compare_versions(toolkit, row->renamed_after) <= 0)
      continue;
    item.architecture = item.meant = row->renamed_to;
    if (at.rule != "torch-arch-list") std::erase(item.meant, '.');
  }
  list.items = std::move(kept);
  list.corrected.clear();
  for (const ListedArchitecture& item : list.items)
    list.corrected += fmt::format("{}{}", list.corrected.empty() ? "" : ";",
                                  item.meant.empty() ? item.text : item.meant);
  return true;
}

void judge_toolkit(const Listed& at, const ArchitectureList& list, FindingSink& sink) {
  const Brought& cuda = at.stage->image.cuda;
  if (!cuda.known() || at.other_toolkit) return;
  const std::string toolkit = major_minor(cuda.value);
  std::vector<std::string> said;
  std::vector<Refused> later, ended;
  std::string first, last;  // of the toolkits that compile for all of these
  for (const ListedArchitecture& item : list.items) {
    if (item.architecture.empty() || item.architecture.starts_with("gfx")) continue;
    if (std::ranges::find(said, item.architecture) != said.end()) continue;
    said.push_back(item.architecture);
    const auto* row = at.view->project->knowledge->architectures.find(plain(item.architecture));
    if (row == nullptr) {
      Finding& found =
          sink.add(at.rule, *at.view->file, at.span,
                   fmt::format("{} names {}, which is not an architecture that the table knows",
                               at.name, item.text));
      found.evidence = {cuda.evidence};
      found.fix = "write one that the base's CUDA compiles for";
    } else if (const std::string from = first_cuda_of(*row, item.architecture);
               compare_versions(toolkit, from) < 0) {
      refuse(later, from, row->source, item.text);
      if (first.empty() || compare_versions(from, first) > 0) first = from;
    } else if (!row->renamed_after.empty() && compare_versions(toolkit, row->renamed_after) > 0) {
      std::string old = row->architecture, now = row->renamed_to;
      if (!item.text.contains('.')) {
        std::erase(old, '.');
        std::erase(now, '.');
      }
      Finding& found = sink.add(at.rule, *at.view->file, at.span,
                                fmt::format("CUDA {} of the base does not know {}: after {} it is "
                                            "called {}",
                                            toolkit, old, row->renamed_after, now));
      found.evidence = {row->source, cuda.evidence};
      found.fix = fmt::format("write {} in place of {}", now, old);
    } else if (!row->last_cuda.empty() && compare_versions(toolkit, row->last_cuda) > 0) {
      refuse(ended, row->last_cuda, row->source, item.text);
      if (last.empty() || compare_versions(row->last_cuda, last) < 0) last = row->last_cuda;
    }
  }
  tell(at, list, later, "cannot compile", "was the first", fmt::format("CUDA {} or newer", first),
       sink);
  tell(at, list, ended, "no longer compiles", "was the last", fmt::format("CUDA {} or older", last),
       sink);
}

void judge_hosts(const Listed& at, const ArchitectureList& list, bool cmake, FindingSink& sink) {
  const bool any = std::ranges::any_of(
      list.items, [](const ListedArchitecture& item) { return !item.architecture.empty(); });
  const bool keyword = std::ranges::any_of(
      list.items, [](const ListedArchitecture& item) { return !item.keyword.empty(); });
  if (!any || keyword) return;
  std::vector<std::string> said;
  for (const host::Profile& profile : at.view->project->hosts)
    for (const host::Gpu& gpu : profile.gpus) {
      if (!gpu.architecture.value) continue;
      const std::string& wanted = *gpu.architecture.value;
      const bool amd = wanted.starts_with("gfx");
      const bool amd_list = list.items.front().architecture.starts_with("gfx");
      if (amd != amd_list || std::ranges::find(said, wanted) != said.end()) continue;
      const bool served = std::ranges::any_of(list.items, [&](const ListedArchitecture& item) {
        // CMake's plain numbers produce PTX as well as the cubin.
        const bool with_ptx = cmake && item.text == item.text.substr(0, item.text.find('-'));
        return !item.architecture.empty() &&
               (serves(item, wanted) || (with_ptx && !item.architecture.ends_with('a') &&
                                         compare_versions(plain(item.architecture), wanted) <= 0));
      });
      if (served) continue;
      said.push_back(wanted);
      Finding& found = sink.add(
          at.rule, *at.view->file, at.span,
          fmt::format("{} holds nothing for {}, the GPU of {}", at.name, wanted, profile.source));
      found.evidence = {"--host " + profile.source};
      found.fix = fmt::format("add {} to {}", wanted, at.name);
    }
}

}  // namespace flense::lint
