// What an image is for, against what its container gets: the GPUs of another vendor, or a driver
// without its libraries for video or for a screen.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/final_environment.h"
#include "lint/facts/own_images.h"
#include "lint/facts/workload_facts.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

struct TagVendor {
  std::string_view vendor;  ///< "cpu": none
  std::string_view part;    ///< of the tag
};

/// What the tag is for, where its parts name one vendor alone. "amd" and "intel" are architectures
/// and owners too.
std::optional<TagVendor> vendor_of_tag(std::string_view tag) {
  std::optional<TagVendor> out;
  const std::vector<std::string_view> parts = parts_of(tag, "-_.");
  for (const std::string_view& part : parts) {
    std::string_view vendor;
    // "cpu-offload" is for a GPU.
    if (part == "cpuonly" || (part == "cpu" && &part == &parts.back())) vendor = "cpu";
    if (is_one_of(part, {"xpu", "ipex", "openvino", "sycl", "oneapi", "gaudi", "hpu"}))
      vendor = "intel";
    if (tag == "intel") vendor = "intel";  // beside other words an architecture, or an owner
    if (part.starts_with("rocm")) vendor = "amd";
    if (part == "nvidia" || part.starts_with("cuda") ||
        (part.starts_with("cu1") && part.size() == 5))
      vendor = "nvidia";
    // "gpu", "vulkan" and "all" are for several.
    if (is_one_of(part, {"gpu", "vulkan", "all", "multi"})) return std::nullopt;
    if (vendor.empty()) continue;
    if (out && out->vendor != vendor) return std::nullopt;
    out = TagVendor{vendor, part};
  }
  return out;
}

std::string_view title_of(std::string_view vendor) {
  return vendor == "amd" ? "AMD" : vendor == "nvidia" ? "NVIDIA" : "Intel";
}

/// Images that decode and encode video.
bool is_for_video(std::string_view repository) {
  const std::string_view name = file_name(repository);
  return std::ranges::any_of(
      std::to_array<std::string_view>({"jellyfin", "plex", "emby", "frigate", "tdarr", "ffmpeg",
                                       "unmanic", "handbrake", "dispatcharr", "fileflows"}),
      [&](std::string_view one) { return name.contains(one); });
}

/// A word of a command that encodes or decodes on the GPU; empty: none.
std::string_view video_word(const Workload& workload) {
  for (const std::vector<Word>* words : {&workload.command, &workload.arguments})
    for (const Word& word : *words)
      for (const std::string_view one : {"_nvenc", "_cuvid", "nvdec"})
        if (word.text.contains(one)) return word.text;
  return {};
}

/// NVIDIA_DRIVER_CAPABILITIES of a container that keeps the video libraries out.
void no_video(const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  const Variable* variable_set = variable(workload, "NVIDIA_DRIVER_CAPABILITIES");
  if (variable_set == nullptr || !variable_set->value || !workload.image_name) return;
  const std::string& value = *variable_set->value;
  if (value.empty() || value.contains('$') || value.contains("video") || value.contains("all"))
    return;
  const std::string_view word = video_word(workload);
  if (word.empty() && !is_for_video(workload.image_name->repository)) return;
  Finding& found = sink.add(
      "driver-capability-missing", file, variable_set->span,
      fmt::format("{} needs the driver's video libraries, and the container gets only {}",
                  word.empty() ? workload.image_name->familiar() : std::string(word), value));
  found.evidence = {fmt::format("NVIDIA_DRIVER_CAPABILITIES={}", value),
                    "NVIDIA Container Toolkit: libnvcuvid and libnvidia-encode are of video"};
  found.fix = fmt::format("write NVIDIA_DRIVER_CAPABILITIES={},video", value);
}

/// osrf/ros:humble-desktop-full: RViz and Gazebo, and nothing of NVIDIA's variables.
bool is_ros_desktop(const std::optional<ImageName>& image) {
  return image && image->familiar().starts_with("osrf/ros") && image->tag.contains("-desktop");
}

/// Why the image of a container shows ROS's programs on a screen; empty: it does not, or not
/// surely. What NVIDIA's bases without OpenGL say of the driver, packages do not change.
std::string shows_ros(const Workload& workload, const FileView* own) {
  if (own == nullptr)
    return is_ros_desktop(workload.image_name) ? workload.image_name->familiar() : std::string();
  if (own->file->source.text().contains("NVIDIA_DRIVER_CAPABILITIES") || is_for_jetson(*own))
    return {};
  const StageView& last = own->stages.back();
  if (is_ros_desktop(last.stage->image)) return "base: " + last.stage->image->familiar();
  if (last.image.repository != "nvidia/cuda") return {};
  for (const Install* install : own->installs_in(last.index))
    for (const PackageRequest& request : install->command.packages)
      if (request.name.starts_with("ros-") && request.name.contains("-desktop"))
        return request.name;
  return {};
}

/// A desktop of ROS on the host's screen, with a GPU and without the driver's OpenGL.
void no_graphics(const Project& project, const std::vector<FileView>& views,
                 const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  if (!is_engine(workload.kind) || workload.gpus.empty() || !is_complete(file, workload) ||
      workload.gpus.front().vendor != "nvidia" || workload.unknown_options ||
      std::ranges::none_of(workload.mounts, [](const WorkloadMount& mount) {
        return mount.target.starts_with("/tmp/.X11-unix");
      }))
    return;
  // Mesa's driver of the host's other GPU, and that of WSL.
  if (std::ranges::any_of(
          workload.devices,
          [](const Word& one) { return starts_with_any(one.text, {"/dev/dri", "/dev/dxg"}); }) ||
      std::ranges::any_of(workload.mounts, [](const WorkloadMount& mount) {
        return mount.source.contains("wslg") || mount.source.contains("/wsl");
      }))
    return;
  const std::string_view text = file.source.text();
  if (text.contains("NVIDIA_DRIVER_CAPABILITIES") || text.contains("graphics") ||
      (workload.node != nullptr && workload.node->find("env_file") != nullptr))
    return;
  const std::string why = shows_ros(workload, own_image(views, project, workload));
  if (why.empty()) return;
  Finding& found = sink.add(
      "driver-capability-missing", file, workload.span,
      fmt::format("{} shows ROS's programs on the screen and gets the driver without OpenGL: the "
                  "processor draws, or they fail",
                  title(workload)));
  found.evidence = {why, "NVIDIA Container Toolkit: without the variable it is utility,compute"};
  found.pedantic = true;
  found.fix = "set NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics,display for the container";
}

}  // namespace

void judge_image_vendor(const Project& project, const std::vector<FileView>& views,
                        FindingSink& sink) {
  for (const auto& file : project.files)
    for (const Workload& workload : file->workloads) {
      no_video(*file, workload, sink);
      no_graphics(project, views, *file, workload, sink);
      if (!workload.image_name || workload.image.span.empty() || workload.gpus.empty()) continue;
      // Which variant it is a variable says.
      if (file->source.slice(workload.image.span).contains('$')) continue;
      const std::string& asked = workload.gpus.front().vendor;
      if (std::ranges::any_of(workload.gpus,
                              [&](const GpuAsk& ask) { return ask.vendor != asked; }))
        continue;
      auto built = vendor_of_tag(workload.image_name->tag);
      const auto* row = known_image(workload, *project.knowledge);
      // The tags for others say so.
      const bool by_name = !built && row != nullptr && row->vendor == "nvidia" && asked == "amd";
      if (by_name) built = TagVendor{row->vendor, {}};
      if (!built || built->vendor == asked) continue;
      // Docker's --gpus gives AMD's too, where AMD's toolkit is (moby#49952).
      if (const GpuAsk& ask = workload.gpus.front();
          built->vendor == "amd" && ask.resource.empty() &&
          !file->source.slice(ask.span).contains("nvidia"))
        continue;
      Finding& found =
          sink.add("gpu-image-vendor", *file, workload.image.span,
                   fmt::format("{} asks for a GPU of {}, and its image is built for {}{}",
                               title(workload), title_of(asked),
                               built->vendor == "cpu" ? "the processor" : title_of(built->vendor),
                               by_name ? "" : " by its tag " + workload.image_name->tag));
      found.evidence = {by_name ? row->source : fmt::format("\"{}\" in the tag", built->part),
                        "a library for one vendor's GPUs cannot use another's"};
      found.fix = fmt::format("take the image's variant for {}, or do not ask for the GPU",
                              title_of(asked));
    }
}

}  // namespace flense::lint
