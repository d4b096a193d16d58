// Extras that a package has no more: pip warns, and installs the build for the processor.
#include <algorithm>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/open_torch.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/sure_installs.h"
#include "lint/packages/requirement_text.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// The first jax without the extra, where it has none today: cuda12_pip, cuda11_cudnn82. Empty:
/// another extra.
std::string_view ended_with(std::string_view extra) {
  if (is_one_of(extra, {"cuda12_pip", "cuda12-pip"})) return "0.6.2";
  return starts_with_any(extra, {"cuda11", "cuda10", "cuda12_cudnn", "cuda12-cudnn"}) ? "0.4.26"
                                                                                      : "";
}

/// jax requires the jaxlib of its time.
bool holds_jax(const PackageList& list) {
  const PackageRequest* jaxlib = list.find("jaxlib");
  return jaxlib != nullptr && (!jaxlib->version.empty() || jaxlib->specifier.contains('<'));
}

void tell(const ProjectFile& file, const PackageRequest& request, bool pedantic,
          FindingSink& sink) {
  if (request.name != "jax" || !request.url.empty() || request.specifier.contains('$')) return;
  const auto extra = std::ranges::find_if(
      request.extras, [](const std::string& one) { return !ended_with(one).empty(); });
  // Of an older version it is the right one.
  if (extra == request.extras.end() ||
      (request.version.empty() ? !meets("99", request.specifier)
                               : compare_versions(request.version, ended_with(*extra)) < 0))
    return;
  Finding& found = sink.add(
      "processor-build-on-gpu", file, request.span,
      fmt::format("{} has no extra {}: pip only warns, and what it installs is built for the "
                  "processor alone",
                  request.version.empty() ? "today's jax" : "jax " + request.version, *extra));
  found.evidence = {"package index: jax 0.6.2 provides cuda, cuda12 and cuda12-local"};
  found.fix = "write jax[cuda12], or the jax that the extra is of, by its number";
  found.pedantic = pedantic;
}

void in_scripts(const ProjectFile& file, FindingSink& sink) {
  if (!is_script(file.kind) || !file.source.text().contains("jax[cuda")) return;
  for (const auto& commands : scripts_of(file))
    for (const PackageList& list : package_commands(file.source, commands, {}))
      if (!holds_jax(list))
        for (const PackageRequest& request : list.packages)
          tell(file, request, true, sink);  // its Python may be an old one
}

}  // namespace

void judge_gone_extras(const Project& project, const std::vector<FileView>& views,
                       FindingSink& sink) {
  for (const auto& file : project.files) in_scripts(*file, sink);
  for (const PlacedList& place : placed_lists(project, views)) {
    if (place.view == nullptr || place.file->kind == FileKind::kUvLock ||
        is_script(place.file->kind))
      continue;
    const std::string python =
        python_of({place.view, place.install->stage, place.install, &place.install->command});
    // An old Python gets an old jax, which has the extra.
    if (!python.empty() && compare_versions(python, "3.10") < 0) continue;
    if (holds_jax(*place.list)) continue;
    for (const PackageRequest& request : place.list->packages)
      tell(*place.file, request,
           python.empty() || !is_sure(place, request) ||
               is_constrained(*place.list, place.install) || is_rewritten(place),
           sink);
  }
}

}  // namespace flense::lint
