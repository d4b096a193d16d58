// Images of Apptainer as directories of files, on file systems that a cluster shares.
#include <algorithm>

#include "base/format.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Where clusters keep what all their nodes see.
bool is_shared_path(std::string_view path, bool batch) {
  // A disk of the node's own.
  if (path.contains("local") || path.contains("JOB")) return false;
  for (const std::string_view prefix :
       {"/lustre",     "/gpfs",       "/beegfs",     "/fsx",       "/nfs",
        "/efs",        "/mnt/lustre", "/mnt/beegfs", "/mnt/nfs",   "/mnt/efs",
        "/scratch/",   "/blue/",      "/orange/",    "/ocean/",    "/expanse/",
        "/global/",    "/project/",   "$SCRATCH",    "${SCRATCH}", "$PSCRATCH",
        "${PSCRATCH}", "$WORK",       "${WORK}",     "$PROJECT",   "${PROJECT}"})
    if (path.starts_with(prefix) &&
        // $PROJECT is the cluster's, $PROJECT_DIR somebody's own.
        !(prefix.starts_with('$') && path.size() > prefix.size() && path[prefix.size()] != '/'))
      return true;
  if (!batch) return false;
  return path.starts_with("/home") || path.starts_with("$HOME") || path.starts_with("~");
}

/// A job's script, or one that submits jobs.
bool is_of_cluster(const ProjectFile& file) {
  const std::string_view text = file.source.text();
  return is_script(file.kind) &&
         (text.contains("\n#SBATCH") || text.contains("\nsbatch ") || text.starts_with("sbatch "));
}

/// Python opens thousands of files at each start of each rank. `cluster`: other scripts of the
/// project are of one.
void sandboxes(const ProjectFile& file, bool cluster, FindingSink& sink) {
  if (!is_script(file.kind)) return;
  const bool batch = file.source.text().contains("\n#SBATCH");
  const auto report = [&](const Word& word) {
    Finding& found = sink.add(
        "sandbox-on-shared-file-system", file, word.span,
        fmt::format("{} is a directory of many small files on a file system that all nodes share: "
                    "each rank opens thousands of them",
                    word.text));
    found.evidence.emplace_back(
        "Apptainer documentation: a SIF image is one file, mounted as squashfs; a sandbox is a "
        "directory");
    found.fix = "build a SIF file (apptainer build image.sif …), or the sandbox on a local disk";
    // It may be built on a machine of one's own.
    found.pedantic = !is_shared_path(word.text, batch);
  };
  for (const Word& one : file.names.sandboxes)
    if (is_shared_path(one.text, cluster)) return report(one);
  for (const Workload& workload : file.workloads)
    // A job begins in the directory where it was submitted, which all nodes see.
    if (workload.kind == WorkloadKind::kApptainer && workload.image.text.contains("sandbox") &&
        !workload.image.text.contains("://") && !workload.image.text.ends_with(".sif") &&
        (is_shared_path(workload.image.text, cluster || batch) ||
         (batch && workload.image.text.find_first_of("/$~") != 0)))
      return report(workload.image);
}

}  // namespace

void judge_sandboxes(const Project& project, const std::vector<FileView>& /*views*/,
                     FindingSink& sink) {
  const bool cluster =
      std::ranges::any_of(project.files, [](const auto& file) { return is_of_cluster(*file); });
  for (const auto& file : project.files) sandboxes(*file, cluster, sink);
}

}  // namespace flense::lint
