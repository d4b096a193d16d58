#include "lint/facts/own_images.h"

#include <algorithm>

#include "base/format.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/workload_facts.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

const FileView* view_of(const std::vector<FileView>& views, const ProjectFile* file) {
  const auto at = std::ranges::find(views, file, &FileView::file);
  return file == nullptr || at == views.end() ? nullptr : &*at;
}

/// The Dockerfile that `docker build` names. Command lines begin at the root of the checkout, or at
/// the script.
const ProjectFile* dockerfile_of(const Project& project, const ProjectFile& file,
                                 const BuildTarget& build) {
  for (const std::string& start : {directory_of(file.source.path()), std::string(".")}) {
    const std::string path = build.dockerfile.text.empty()
                                 ? path_below(path_below(start, build.context.text), "Dockerfile")
                                 : path_below(start, build.dockerfile.text);
    if (const ProjectFile* found = project.find(path)) return found;
  }
  return nullptr;
}

}  // namespace

const FileView* built_file(const std::vector<FileView>& views, const Project& project,
                           const Workload& workload) {
  if (!workload.build_context) return nullptr;
  const std::string context = path_below(directory_of(workload.path), workload.build_context->text);
  return view_of(views,
                 project.find(path_below(
                     context, workload.dockerfile ? workload.dockerfile->text : "Dockerfile")));
}

const FileView* own_image(const std::vector<FileView>& views, const Project& project,
                          const Workload& workload) {
  if (workload.build_context) {
    if (workload.node != nullptr && (*workload.node)["build"].find("target") != nullptr)
      return nullptr;
    return built_file(views, project, workload);
  }
  if (!workload.image_name) return nullptr;
  const FileView* out = nullptr;
  for (const auto& file : project.files)
    for (const BuildTarget& build : file->names.builds) {
      const bool same = std::ranges::any_of(build.tags, [&](const Word& tag) {
        if (!tag.text.contains(file_name(workload.image_name->repository))) return false;
        const auto name = parse_image_name(tag.text);
        return name && name->familiar() == workload.image_name->familiar() &&
               (name->tag == workload.image_name->tag || name->tag.empty() ||
                workload.image_name->tag.empty());
      });
      if (!same) continue;
      const FileView* view =
          build.stage.text.empty() ? view_of(views, dockerfile_of(project, *file, build)) : nullptr;
      // Of several builds nobody knows which one is started.
      if (view == nullptr || (out != nullptr && out != view)) return nullptr;
      out = view;
    }
  return out;
}

namespace {

std::string with_tag(const ImageName& name) {
  return fmt::format("{}:{}", name.familiar(), name.tag.empty() ? "latest" : name.tag);
}

}  // namespace

BuiltNames::BuiltNames(const Project& project) {
  const auto take = [&](const std::vector<BuildTarget>& builds) {
    for (const BuildTarget& build : builds)
      for (const Word& tag : build.tags) {
        // Of "name:v$VERSION" the repository is known.
        const std::size_t open = tag.text.find('$');
        const std::size_t end = open == tag.text.npos ? open : tag.text.rfind(':', open);
        if (const auto name = parse_image_name(std::string_view(tag.text).substr(0, end)))
          names_.insert(open == tag.text.npos ? with_tag(*name) : name->familiar() + ":$");
      }
  };
  for (const auto& file : project.files) {
    take(file->targets);
    take(file->names.builds);
    for (const Workload& workload : file->workloads)
      if (workload.build_context && workload.image_name)
        names_.insert(with_tag(*workload.image_name));
  }
}

bool BuiltNames::contains(const ImageName& name) const {
  return name.digest.empty() && names_.contains(with_tag(name));
}

bool BuiltNames::has_repository(const ImageName& name) const {
  const std::string start = name.familiar() + ":";
  const auto at = names_.lower_bound(start);
  return at != names_.end() && at->starts_with(start);
}

std::vector<Word> image_command(const FileView& view) {
  std::vector<Word> entry, command;
  for (const Instruction& one : view.stages.back().stage->instructions) {
    if (one.keyword == Keyword::kEntrypoint) entry = one.words;
    if (one.keyword == Keyword::kCmd) command = one.words;
  }
  entry.insert(entry.end(), command.begin(), command.end());
  return split_scripts(entry);
}

std::string torch_of_image(const FileView& view) {
  const std::size_t last = view.stages.size() - 1;
  const GpuImage& base = view.stages[last].image;
  if (base.vendor.known() && base.framework.value == "torch") return base.framework.evidence;
  for (const Install* install : view.installs_in(last))
    for (const PackageList* list : lists_of(*install)) {
      if (!install->command.installs) continue;
      for (const Framework& one : frameworks_of(*list, view.project->knowledge->frameworks)) {
        if (one.package != "torch" && one.package != "pytorch") continue;
        if (one.variant.value == "cpu" || !surely_installs(view, *install, *list, *one.request))
          continue;
        return fmt::format("{} installs torch", view.file->source.path());
      }
    }
  return {};
}

}  // namespace flense::lint
