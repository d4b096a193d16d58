#include "doctor/tools.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/format.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

/// NNN stands for the driver's branch. Empty: no package of that name.
struct Row {
  std::string_view what, ubuntu, debian, fedora, suse;
};

constexpr auto kPackages = std::to_array<Row>({
    // Programs.
    {"dkms", "dkms", "dkms", "dkms", "dkms"},
    {"ldconfig", "libc-bin", "libc-bin", "glibc", "glibc"},
    {"modprobe", "kmod", "kmod", "kmod", "kmod"},
    {"mokutil", "mokutil", "mokutil", "mokutil", "mokutil"},
    {"nvidia-cuda-mps-control", "nvidia-compute-utils-NNN", "nvidia-cuda-mps", "nvidia-driver-cuda",
     "nvidia-compute-utils-G06"},
    {"nvidia-container-cli", "libnvidia-container-tools", "libnvidia-container-tools",
     "libnvidia-container-tools", "libnvidia-container-tools"},
    {"nvidia-ctk", "nvidia-container-toolkit", "nvidia-container-toolkit",
     "nvidia-container-toolkit", "nvidia-container-toolkit"},
    {"nvidia-modprobe", "nvidia-modprobe", "nvidia-modprobe", "nvidia-modprobe", "nvidia-modprobe"},
    {"nvidia-smi", "nvidia-utils-NNN", "nvidia-smi", "nvidia-driver-cuda",
     "nvidia-compute-utils-G06"},
    {"setsebool", "policycoreutils", "policycoreutils", "policycoreutils", "policycoreutils"},
    {"ubuntu-drivers", "ubuntu-drivers-common", "", "", ""},
    {"usermod", "passwd", "passwd", "shadow-utils", "shadow"},
    // Others.
    {"driver", "", "nvidia-driver", "nvidia-open", "nvidia-open"},
    {"libcuda", "libnvidia-compute-NNN", "libcuda1", "nvidia-driver-cuda-libs",
     "nvidia-compute-G06"},
    {"libnvidia-ptxjitcompiler", "libnvidia-compute-NNN", "libnvidia-ptxjitcompiler1",
     "nvidia-driver-cuda-libs", "nvidia-compute-G06"},
    {"fabric-manager", "nvidia-fabricmanager-NNN", "nvidia-fabricmanager-NNN",
     "nvidia-fabricmanager", "nvidia-fabricmanager"},
});

}  // namespace

Tools::Tools(const host::Machine& machine, const host::Profile& profile) : root_(machine.root) {
  const auto first = machine.proc.read("1/comm");
  systemd_ = has("systemctl") && (root_.is_directory("run/systemd/system") ||
                                  (first && host::clean(*first) == "systemd"));
  const bool ubuntu = profile.system.distribution_id.value == "ubuntu";
  using Manager = std::pair<const char*, Packages>;
  for (const auto& [program, packages] :
       {Manager{"apt-get", ubuntu ? Packages::kUbuntu : Packages::kDebian},
        Manager{"dnf", Packages::kFedora}, Manager{"yum", Packages::kFedora},
        Manager{"zypper", Packages::kSuse}})
    if (manager_.empty() && has(program)) {
      manager_ = program;
      packages_ = packages;
    }
  const host::Nvidia& nvidia = profile.nvidia;
  const host::Text& version =
      nvidia.module_version.value ? nvidia.module_version : nvidia.library_version;
  branch_ = version.value ? version.value->substr(0, version.value->find('.')) : "NNN";
}

std::string Tools::path(std::string_view program) const {
  for (const char* folder :
       {"usr/bin", "usr/local/bin", "usr/sbin", "usr/local/sbin", "bin", "sbin", "usr/lib/wsl/lib",
        "usr/local/nvidia/toolkit", "opt/nvidia-container-runtime/bin"})
    if (const std::string file = fmt::format("{}/{}", folder, program); root_.exists(file))
      return "/" + file;
  return {};
}

std::string Tools::package_of(std::string_view what) const {
  const auto row = std::ranges::find(kPackages, what, &Row::what);
  if (row == kPackages.end()) return {};
  std::string_view name;
  switch (packages_) {
    case Packages::kUnknown:
      break;
    case Packages::kUbuntu:
      name = row->ubuntu;
      break;
    case Packages::kDebian:
      name = row->debian;
      break;
    case Packages::kFedora:
      name = row->fedora;
      break;
    case Packages::kSuse:
      name = row->suse;
      break;
  }
  std::string out(name);
  if (out.ends_with("NNN")) out.replace(out.size() - 3, 3, branch_);
  return out;
}

std::string Tools::install(std::string_view what) const {
  const bool row = std::ranges::find(kPackages, what, &Row::what) != kPackages.end();
  const std::string package = row ? package_of(what) : std::string(what);
  if (package.empty()) return fmt::format("install the package that has {}", what);
  return manager_.empty() ? "install " + package : fmt::format("{} install {}", manager_, package);
}

std::string Tools::install_headers(const std::string& kernel) const {
  switch (packages_) {
    case Packages::kUnknown:
      break;
    case Packages::kUbuntu:
    case Packages::kDebian:
      return install("linux-headers-" + kernel);
    case Packages::kFedora:
      return install("kernel-devel-" + kernel);
    case Packages::kSuse:
      return install("kernel-default-devel");
  }
  return "install the headers of kernel " + kernel;
}

std::string Tools::command(std::string_view line) const {
  const std::string_view program = line.substr(0, line.find(' '));
  if (has(program)) return std::string(line);
  return fmt::format("{}, then {}", install(program), line);
}

std::string Tools::restart(std::string_view service) const {
  return systemd_ ? fmt::format("systemctl restart {}", service)
                  : fmt::format("start the service {} again", service);
}

std::string Tools::enable(std::string_view service) const {
  return systemd_ ? fmt::format("systemctl enable --now {}", service)
                  : fmt::format("start the service {}, now and at every boot", service);
}

std::string Tools::rebuild_initramfs() const {
  for (const char* line : {"update-initramfs -u", "dracut -f", "mkinitcpio -P"})
    if (has(std::string_view(line).substr(0, std::string_view(line).find(' '))))
      return fmt::format("rebuild the initramfs ({})", line);
  return "rebuild the initramfs";
}

std::string Tools::kernel_log(std::string_view word) const {
  return fmt::format("the kernel log says why ({}lines with {})", has("dmesg") ? "dmesg, " : "",
                     word);
}

}  // namespace flense::doctor
