// Containers of Apptainer that get no GPU: the option behind the image, an image for GPUs or a job
// with GPUs without --nv, --nv in a job without GPUs.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/gpu_image.h"
#include "lint/facts/workload_facts.h"
#include "lint/facts/workload_purpose.h"
#include "lint/launches/batch_directives.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// "$SIF", "${IMAGE_PATH}": nothing that holds options.
bool has_image_name(std::string_view variable) {
  const std::string low = to_lower(variable);
  return (low.contains("sif") || low.contains("image") || low.contains("img") ||
          low.contains("container")) &&
         !low.contains("opt") && !low.contains("arg") && !low.contains("flag");
}

/// "ngpus=2", "gpu=1" with a number of one at least.
bool counts_gpus(std::string_view line) {
  for (const std::string_view name : {"gpus=", "gpu=", "ngpus_excl_p=", "ngpus_shared="})
    for (std::size_t at = line.find(name); at != line.npos; at = line.find(name, at + 1)) {
      const std::size_t number = at + name.size();
      if (number < line.size() && line[number] >= '1' && line[number] <= '9') return true;
    }
  return false;
}

/// The line of a job's options that asks for GPUs, one at least; empty: none.
std::string_view gpus_of_job(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = trim_space(take_line(text));
    // PBS and Torque, Grid Engine, LSF
    if (starts_with_any(line, {"#PBS ", "#$ ", "#BSUB "}) &&
        (counts_gpus(line) || line.starts_with("#BSUB -gpu ")))
      return line;
    if (!line.starts_with("#SBATCH")) continue;
    const std::size_t at = line.find(" -G");
    const bool asks = line.contains("--gres=gpu") || line.contains("--gres gpu") ||
                      line.contains("--gpus") ||
                      (at != line.npos && at + 3 < line.size() &&
                       (line[at + 3] == ' ' || is_digit(line[at + 3])));
    if (asks && !line.ends_with("=0") && !line.ends_with(":0") && !line.ends_with(" 0"))
      return line;
  }
  return {};
}

/// Whether a script of Slurm's asks for GPUs, or for whole nodes, in any other way: by a step's
/// options, a constraint.
bool asks_otherwise(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = trim_space(take_line(text));
    const bool directive = line.starts_with("#SBATCH");
    if (line.starts_with('#') && !directive) continue;
    for (const std::string_view option :
         {"--gres", "--gpus", "--exclusive", "--tres-per-", "srun -G"})
      if (line.contains(option)) return true;
    if (directive && line.contains("gpu") &&
        (line.contains("--constraint") || line.contains(" -C")))
      return true;
  }
  return false;
}

/// `srun --mem=12g --pty …`, which makes a job of its own: it states what that is to have.
bool is_of_srun(std::string_view text) {
  const std::size_t at = text.find("srun");
  if (at == text.npos || (at > 0 && text[at - 1] != '\n')) return false;
  return text.contains("--pty") && (text.contains("--mem") || text.contains("--time"));
}

/// What a script says of GPUs for all its containers.
struct JobGpus {
  std::string_view asked;  ///< the line that asks for them; empty: none
  bool given = false;      ///< some option or variable that gives containers the driver is there
};

JobGpus gpus_of(const ProjectFile& file) {
  const std::string_view text = file.source.text();
  const std::string_view asked = gpus_of_job(text);
  if (asked.empty()) return {};
  // Also what a script adds to its options, or the variable that means the same.
  return {asked, has_part(text, " \t\n\"'(=:{}-", {"nv", "nvccli", "rocm"}) ||
                     text.contains("APPTAINER_NV") || text.contains("SINGULARITY_NV")};
}

/// "pytorch_23.10.sif", "train-test.sif"
bool names_gpu_program(std::string_view image) {
  return has_part(to_lower(file_name(image)), "._-:",
                  {"train", "training", "finetune", "cuda", "gpu", "torch", "pytorch", "tensorflow",
                   "jax", "vllm"});
}

class ApptainerRules {
 public:
  ApptainerRules(FindingSink& sink, const Project& project, const ProjectFile& file,
                 const Workload& workload, const JobGpus& job)
      : sink_(sink), project_(project), file_(file), workload_(workload), job_(job) {}

  void run() {
    option_behind_image();
    without_gpu();
    in_gpu_job();
    in_job_without_gpu();
  }

 private:
  /// `apptainer exec image.sif --nv program`: behind the image stand the program and its words.
  void option_behind_image() {
    if (workload_.arguments.empty()) return;
    const auto is_option = [](const Word& word) {
      return is_one_of(word.text, {"--nv", "--rocm", "--nvccli"});
    };
    const auto at = std::ranges::find_if(workload_.arguments, is_option);
    if (at == workload_.arguments.end()) return;
    const Word& first = *at;
    const bool behind_program = at != workload_.arguments.begin();
    // Of a container within the container.
    if (behind_program &&
        (!workload_.gpus.empty() || std::ranges::any_of(workload_.arguments, [](const Word& word) {
          return is_one_of(file_name(word.text), {"apptainer", "singularity"});
        })))
      return;
    Finding& found = sink_.add(
        "gpu-not-requested", file_, first.span,
        fmt::format("{} stands behind the image: it is taken for the program, or for one of its "
                    "words, and the container sees no GPU",
                    first.text));
    found.evidence = {"apptainer exec [options] IMAGE COMMAND; jade-hpc-gpu#82"};
    found.pedantic = behind_program;  // the program may have an option of that name
    found.fix = fmt::format("write {} in front of {}", first.text, workload_.image.text);
  }

  /// --nv, where nothing asks Slurm for a GPU.
  void in_job_without_gpu() {
    const std::string_view text = file_.source.text();
    const bool batch = text.contains("\n#SBATCH");
    if (workload_.gpus.empty() || file_.kind != FileKind::kShell || (!batch && !is_of_srun(text)) ||
        !job_.asked.empty() || asks_otherwise(text) || is_batch_template(project_, file_))
      return;
    for (const std::string_view option : {"--gres", "--gpus", "-G"})
      if (batch_option_given(project_, file_, option)) return;
    const Span span = workload_.gpus.front().span;
    Finding& found = sink_.add("batch-directive", file_, span,
                               fmt::format("{} gives the container the GPUs of the job, and the "
                                           "job asks Slurm for none",
                                           file_.source.slice(span)));
    found.cause = "no GPU is asked for";
    found.evidence = {
        "sbatch(1), --gres, --gpus: without them a job has no GPU, or those of "
        "others where the site does not confine devices"};
    found.fix = batch ? fmt::format("write {} --gres=gpu:1, or --gpus=1", kBatchMark)
                      : "add --gres=gpu:1, or --gpus=1, to srun";
    found.pedantic = true;  // a site may give whole nodes by the partition
  }

  /// apptainer brings the driver's libraries only if asked.
  void without_gpu() {
    if (!workload_.image_name || !workload_.gpus.empty() || !workload_.devices.empty() ||
        !is_complete(file_, workload_) || workload_.unknown_options)
      return;
    if (only_builds(workload_)) return;
    for (const std::string_view name : {"APPTAINER_NV", "SINGULARITY_NV"})
      if (file_.source.text().contains(name)) return;
    const GpuImage image = describe_image(*workload_.image_name, project_.knowledge->images);
    if (!image.vendor.known()) return;
    const bool amd = image.vendor.value == "amd";
    Finding& found = sink_.add(
        "gpu-not-requested", file_, workload_.image.span,
        fmt::format("{} runs {} without {}: it gets no driver libraries, and sees no GPU",
                    title(workload_), workload_.image_name->familiar(), amd ? "--rocm" : "--nv"));
    found.evidence = {image.vendor.evidence, "Apptainer documentation, GPU Support"};
    found.fix = fmt::format("add {} in front of the image", amd ? "--rocm" : "--nv");
  }

  /// Slurm gives the job GPUs, and a container of a local file is started without the driver.
  void in_gpu_job() {
    if (job_.asked.empty() || job_.given || workload_.image_name || !workload_.gpus.empty() ||
        !workload_.devices.empty() || !file_.template_language.empty() ||
        workload_.unknown_options || only_builds(workload_))
      return;
    const std::string& image = workload_.image.text;
    if ((image.starts_with('$') && !has_image_name(image)) || is_for_processor(workload_) ||
        has_part(to_lower(file_name(image)), "._-:", {"cpu"}))
      return;
    std::string command = gpu_command(workload_);
    // The only container of a job with GPUs, whatever it starts.
    const bool only = command.empty();
    if (only && (!is_only_container() || uses_tool(workload_))) return;
    if (only) command = image;
    Finding& found = sink_.add(
        "gpu-not-requested", file_, workload_.image.span,
        fmt::format("{} runs {} without --nv: it gets no driver libraries, and sees no GPU",
                    title(workload_), command));
    found.evidence = {std::string(job_.asked), "Apptainer documentation, GPU Support"};
    found.fix = "add --nv, or --rocm for AMD's, in front of the image";
    found.pedantic = only && !names_gpu_program(workload_.image.text);
  }

  bool is_only_container() const {
    return std::ranges::count(file_.workloads, WorkloadKind::kApptainer, &Workload::kind) == 1;
  }

  FindingSink& sink_;
  const Project& project_;
  const ProjectFile& file_;
  const Workload& workload_;
  const JobGpus& job_;
};

}  // namespace

void judge_apptainer_gpu(const Project& project, const std::vector<FileView>& /*views*/,
                         FindingSink& sink) {
  for (const auto& file : project.files) {
    const JobGpus job = gpus_of(*file);
    for (const Workload& workload : file->workloads)
      if (workload.kind == WorkloadKind::kApptainer)
        ApptainerRules(sink, project, *file, workload, job).run();
  }
}

}  // namespace flense::lint
