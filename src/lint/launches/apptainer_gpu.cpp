// Containers of Apptainer that get no GPU: the option behind the image, an image for GPUs or a job
// with GPUs without --nv.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/gpu_image.h"
#include "lint/facts/workload_facts.h"
#include "lint/facts/workload_purpose.h"
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

/// The #SBATCH line that asks for GPUs; empty: none.
std::string_view gpus_of_job(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = trim_space(take_line(text));
    if (line.starts_with("#SBATCH") && (line.contains("--gres=gpu") || line.contains("--gpus") ||
                                        line.contains("--gres gpu") || line.contains(" -G ")))
      return line;
  }
  return {};
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
                 const Workload& workload)
      : sink_(sink), project_(project), file_(file), workload_(workload) {}

  void run() {
    option_behind_image();
    without_gpu();
    in_gpu_job();
  }

 private:
  /// `apptainer exec image.sif --nv program`: behind the image stand the program and its words.
  void option_behind_image() {
    if (workload_.arguments.empty()) return;
    const Word& first = workload_.arguments.front();
    if (!is_one_of(first.text, {"--nv", "--rocm", "--nvccli"})) return;
    Finding& found = sink_.add(
        "gpu-not-requested", file_, first.span,
        fmt::format("{} stands behind the image: it is taken for the program, or for one of its "
                    "words, and the container sees no GPU",
                    first.text));
    found.evidence = {"apptainer exec [options] IMAGE COMMAND; jade-hpc-gpu#82"};
    found.fix = fmt::format("write {} in front of {}", first.text, workload_.image.text);
  }

  /// apptainer brings the driver's libraries only if asked.
  void without_gpu() {
    if (!workload_.image_name || !workload_.gpus.empty() || !workload_.devices.empty() ||
        !is_complete(file_, workload_) || has_unknown_options(file_, workload_))
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
    found.fix = amd ? "add --rocm" : "add --nv";
  }

  /// Slurm gives the job GPUs, and a container of a local file is started without the driver.
  void in_gpu_job() {
    if (workload_.image_name || !workload_.gpus.empty() || !workload_.devices.empty() ||
        !file_.template_language.empty() || has_unknown_options(file_, workload_) ||
        only_builds(workload_))
      return;
    const std::string_view text = file_.source.text();
    // Also what a script adds to its options, or the variable that means the same.
    if (has_part(text, " \t\n\"'(=:{}-", {"nv", "nvccli", "rocm"}) ||
        text.contains("APPTAINER_NV") || text.contains("SINGULARITY_NV"))
      return;
    if (workload_.image.text.starts_with('$') && !has_image_name(workload_.image.text)) return;
    std::string command = gpu_command(workload_);
    const std::string_view gpus = gpus_of_job(text);
    if (gpus.empty() || is_for_processor(workload_)) return;
    // The only container of a job with GPUs, whatever it starts.
    const bool only = command.empty();
    if (only && !is_only_container()) return;
    if (only) command = workload_.image.text;
    Finding& found = sink_.add(
        "gpu-not-requested", file_, workload_.image.span,
        fmt::format("{} runs {} without --nv: it gets no driver libraries, and sees no GPU",
                    title(workload_), command));
    found.evidence = {std::string(gpus), "Apptainer documentation, GPU Support"};
    found.fix = "add --nv, or --rocm for AMD's";
    found.pedantic = only && !names_gpu_program(workload_.image.text);
  }

  bool is_only_container() const {
    return std::ranges::count(file_.workloads, WorkloadKind::kApptainer, &Workload::kind) == 1;
  }

  FindingSink& sink_;
  const Project& project_;
  const ProjectFile& file_;
  const Workload& workload_;
};

}  // namespace

void judge_apptainer_gpu(const Project& project, const std::vector<FileView>& /*views*/,
                         FindingSink& sink) {
  for (const auto& file : project.files)
    for (const Workload& workload : file->workloads)
      if (workload.kind == WorkloadKind::kApptainer)
        ApptainerRules(sink, project, *file, workload).run();
}

}  // namespace flense::lint
