#include "lint/facts/gpu_image.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "knowledge/table_rows.h"
#include "lint/source/blanks.h"

namespace flense::lint {

using knowledge::Images;

namespace {

constexpr std::string_view kDigits = "0123456789";

std::string_view last_part(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

/// "ubuntu22.04", "rockylinux9": a distribution's name with its version behind it.
bool is_distribution_tag(std::string_view part) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"ubuntu", "debian", "rockylinux", "almalinux", "oraclelinux", "centos", "ubi", "rhel",
       "fedora", "amzn", "cm", "opensuse", "azl"});
  return std::ranges::any_of(kNames, [&](std::string_view name) {
    return part.size() > name.size() && part.starts_with(name) &&
           part.find_first_not_of("0123456789.", name.size()) == std::string_view::npos;
  });
}

/// "22.04" of "jammy" and of "22.04", for repositories that are a distribution.
void distribution_image(std::string_view name, std::string_view tag, const Images& images,
                        GpuImage& out) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"ubuntu", "debian", "rockylinux", "almalinux", "oraclelinux", "centos", "amazonlinux"});
  if (std::ranges::find(kNames, name) == kNames.end()) return;
  const std::string_view number = tag.substr(0, tag.find_first_not_of("0123456789."));
  if (number.empty()) return;
  const bool ubuntu = name == "ubuntu";
  std::string version =
      ubuntu ? major_minor(number) : std::string(number.substr(0, number.find('.')));
  const std::string_view own = name == "amazonlinux" ? "amzn" : name;
  std::string full = std::string(own) + version;
  if (ubuntu && version.find('.') == std::string::npos && images.distribution(full) == nullptr)
    return;
  out.distribution = {std::move(full), fmt::format("tag {}", tag)};
}

/// What parts of a tag say in every repository: codenames, "ubuntu22.04", "cuda12.4", "alpine".
void common_parts(std::string_view tag, const Images& images, GpuImage& out) {
  const std::string evidence = fmt::format("tag {}", tag);
  for (const std::string_view part : parts_of(tag, "-_")) {
    if (!out.distribution.known()) {
      if (const auto* row = images.codename(part))
        out.distribution = {row->distribution, evidence};
      else if (is_distribution_tag(part))
        out.distribution = {std::string(part), evidence};
      else if (part.starts_with("alpine"))
        out.distribution = {"alpine", evidence};
    }
    if (!out.cuda.known() && part.starts_with("cuda") && is_version(part.substr(4))) {
      std::string version(part.substr(4));
      // cuda118
      if (version.size() == 3 && !version.contains('.')) version.insert(2, ".");
      out.cuda = {std::move(version), evidence};
      out.vendor = {"nvidia", evidence};
    }
    // gpu.cuda.11.8.py3.10
    if (const std::size_t at = part.find("cuda."); !out.cuda.known() && at != part.npos)
      if (std::string version = major_minor(part.substr(at + 5));
          version.contains('.') && is_version(version)) {
        out.cuda = {std::move(version), evidence};
        out.vendor = {"nvidia", evidence};
      }
    if (!out.cudnn.known() && part.starts_with("cudnn") && part.size() > 5 && is_digit(part[5]))
      out.cudnn = {std::string(part.substr(5, part.find_first_not_of(kDigits, 5) - 5)), evidence};
    if (!out.rocm.known() && part.starts_with("rocm") && is_version(part.substr(4)))
      out.rocm = {std::string(part.substr(4)), evidence};
    if (!out.python.known() && part.starts_with("py") && is_version(part.substr(2)) &&
        part.find('.') != std::string_view::npos)
      out.python = {std::string(part.substr(2)), evidence};
  }
}

void flavour_of(std::string_view tag, GpuImage& out) {
  for (const std::string_view part : parts_of(tag, "-"))
    if (part == "base" || part == "runtime" || part == "devel")
      out.flavour = {std::string(part), fmt::format("tag {}", tag)};
}

void cuda_image(std::string_view tag, const Images& images, GpuImage& out) {
  out.vendor = {"nvidia", "repository nvidia/cuda"};
  const std::string_view version = tag.substr(0, tag.find('-'));
  if (is_version(version)) out.cuda = {std::string(version), fmt::format("tag {}", tag)};
  flavour_of(tag, out);
  for (const std::string_view part : parts_of(tag, "-")) {
    if (part != "cudnn" || out.cudnn.known()) continue;
    // Since 12.4.1 the tags do not name the cuDNN version; it is 9.
    if (const auto* row = images.cuda_version(version); row != nullptr && row->cudnn == "cudnn")
      out.cudnn = {"9", row->source};
  }
}

void ngc_image(std::string_view tag, const Images& images, GpuImage& out) {
  const std::string_view release = tag.substr(0, tag.find('-'));
  if (release.size() != 5 || release[2] != '.' || !is_version(release)) return;
  out.release = release;
  out.ngc = images.ngc_release(release);
  if (out.ngc == nullptr) return;
  out.cuda = {out.ngc->cuda, out.ngc->source};
  out.driver = {out.ngc->driver, out.ngc->source};
  if (!out.ngc->distribution.empty()) out.distribution = {out.ngc->distribution, out.ngc->source};
  if (!out.ngc->python.empty()) out.python = {out.ngc->python, out.ngc->source};
}

/// runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04, and later 1.0.2-cu1281-torch280-…
void runpod_image(std::string_view tag, GpuImage& out) {
  const std::string evidence = fmt::format("tag {}", tag);
  const auto parts = parts_of(tag, "-");
  std::string version;
  for (const std::string_view part : parts)
    if (part.starts_with("torch") && part.size() == 8 && all_digits(part.substr(5)))
      version = fmt::format("{}.{}.{}", part[5], part[6], part[7]);
  if (version.empty() && parts.size() > 1 && is_version(parts[0]) && parts[1].starts_with("py"))
    version = parts[0];
  if (version.empty()) return;
  out.framework = {"torch", evidence};
  out.framework_version = {std::move(version), evidence};
}

void known_repository(const knowledge::RepositoryRow& row, std::string_view tag,
                      const Images& images, GpuImage& out) {
  const std::string evidence = fmt::format("tag {}", tag);
  const std::string_view first = tag.substr(0, tag.find_first_of("-_"));
  if (!row.vendor.empty()) out.vendor = {row.vendor, row.source};
  if (!row.framework.empty()) out.framework = {row.framework, row.source};
  if (!row.flavour.empty()) out.flavour = {row.flavour, row.source};
  out.platform = row.platform;
  out.row = &row;
  if (row.scheme == "ngc") return ngc_image(tag, images, out);
  if (row.scheme == "pytorch") {
    if (is_version(first)) out.framework_version = {std::string(first), evidence};
    return flavour_of(tag, out);
  }
  if (row.scheme == "runpod") return runpod_image(tag, out);
  if (row.scheme == "tensorflow") {
    if (is_version(first)) out.framework_version = {std::string(first), evidence};
    if (tag.find("gpu") != std::string_view::npos) out.vendor = {"nvidia", evidence};
    // Before 2.2 a tag without py3 was Python 2; 2.7 went to Ubuntu 20.04.
    if (is_version(first) && version_at_least(first, "2.2") && !version_at_least(first, "2.7"))
      out.python = {"3.6", evidence};
    return;
  }
  if (row.scheme != "rocm") return;
  if (is_version(first)) out.rocm = {std::string(first), evidence};
  // rocm/dev-ubuntu-22.04
  const auto parts = parts_of(last_part(out.repository), "-");
  if (parts.size() == 3 && parts[0] == "dev")
    out.distribution = {fmt::format("{}{}", parts[1], parts[2]), "repository " + out.repository};
  // rocm6.4_ubuntu24.04_py3.12_pytorch_release_2.6.0
  const std::size_t at = tag.rfind("release_");
  if (at != std::string_view::npos && is_version(tag.substr(at + 8)))
    out.framework_version = {std::string(tag.substr(at + 8)), evidence};
}

}  // namespace

GpuImage describe_image(const ImageName& image, const Images& images) {
  GpuImage out;
  const std::string familiar = image.familiar();
  out.repository = familiar;
  const bool cuda = familiar.ends_with("nvidia/cuda") &&
                    (familiar.size() == 11 || familiar[familiar.size() - 12] == '/');
  const knowledge::RepositoryRow* row = images.repository(familiar);
  out.official = row != nullptr || familiar == "nvidia/cuda" || familiar == "nvcr.io/nvidia/cuda" ||
                 images.old_repository(familiar) != nullptr;
  if (row == nullptr && image.registry != "docker.io") {
    // A mirror: the same names behind another registry, or below a folder of it.
    row = images.repository(image.repository);
    if (row != nullptr) out.repository = image.repository;
  }
  if (cuda) {
    out.repository = "nvidia/cuda";
    cuda_image(image.tag, images, out);
  } else if (familiar == "nvidia/cudagl" || familiar == "nvcr.io/nvidia/cudagl") {
    cuda_image(image.tag, images, out);  // the same tags, with OpenGL
    out.vendor.evidence = "repository " + familiar;
  } else if (row != nullptr) {
    known_repository(*row, image.tag, images, out);
  }
  if (images.distroless_image(familiar) != nullptr && !cuda)
    out.distribution = {"distroless", "repository " + familiar};
  for (const std::string_view part : parts_of(familiar, "/"))
    if (part.starts_with("ubi") && part.size() >= 4 && is_digit(part[3]) &&
        !out.distribution.known())
      out.distribution = {std::string(part.substr(0, part.find_first_not_of(kDigits, 3))),
                          "repository " + familiar};
  const std::string_view name = last_part(familiar);
  if (name == "alpine") out.distribution = {"alpine", "repository " + familiar};
  if (!out.distribution.known()) distribution_image(name, image.tag, images, out);
  common_parts(image.tag, images, out);
  if (!out.distribution.known() && is_one_of(familiar, {"ros", "osrf/ros"}))
    if (const auto* release = images.ros_release(image.tag.substr(0, image.tag.find('-'))))
      out.distribution = {release->distribution, release->source};
  if (name == "python" && !out.python.known()) {
    const std::string_view version = std::string_view(image.tag).substr(0, image.tag.find('-'));
    if (is_version(version) && version.find('.') != std::string_view::npos)
      out.python = {major_minor(version), fmt::format("tag {}", image.tag)};
  }
  if (!out.python.known())
    if (const auto* life = images.distribution(out.distribution.value);
        life != nullptr && !life->python.empty() && name != "python")
      out.python = {life->python, life->source};
  return out;
}

GpuImage image_of_stage(const Dockerfile& file, std::size_t stage, const Images& images) {
  const auto lineage = file.lineage(stage);
  if (lineage.empty() || lineage.back() >= file.stages.size()) return {};
  const Stage& root = file.stages[lineage.back()];
  if (root.image) return describe_image(*root.image, images);
  GpuImage out;
  if (root.base_resolved == "scratch") {
    out.repository = "scratch";
    out.distribution = {"distroless", "FROM scratch"};
  }
  return out;
}

}  // namespace flense::lint
