#include "launch/gpus/preflight_host.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/format.h"
#include "codec/sha256.h"
#include "host/driver_places.h"
#include "host/probe.h"
#include "launch/gpus/slurm_job.h"

namespace flense::launch {
namespace {

class Fingerprint {
 public:
  void add(std::string_view part) {
    text_ += fmt::format("{}:", part.size());
    text_ += part;
  }
  void add_file(const host::Tree& tree, std::string_view path) {
    add(tree.read(path).value_or(std::string()));
  }
  void add_names(const host::Tree& tree, std::string_view path) {
    for (const std::string& name : tree.list(path)) add(name);
    add("");
  }
  std::string hex() const {
    codec::Sha256 sum;
    sum.update(as_bytes(text_));
    return sum.hex();
  }

 private:
  std::string text_;
};

/// Number, owner and mode of what a container's process has to open.
void add_nodes(const host::Machine& machine, Fingerprint& out) {
  for (const std::string& name : machine.dev.list("")) {
    if (!name.starts_with("nvidia") && name != "kfd" && name != "dri" && name != "dxg") continue;
    struct stat status{};
    if (::stat((machine.places.dev / name).c_str(), &status) != 0) continue;
    out.add(fmt::format("{} {} {:o} {} {}", name, status.st_rdev, status.st_mode, status.st_uid,
                        status.st_gid));
  }
  out.add_names(machine.dev, "dri");
}

/// Where probing looks for libcuda.so.1: by inode and times, since updates keep the name.
void add_libcuda(const std::filesystem::path& root, Fingerprint& out) {
  for (const std::string_view driver : host::kNvidiaDriverRoots) {
    struct stat status{};
    if (!driver.empty() && ::stat((root / driver).c_str(), &status) != 0) continue;
    for (const std::string_view folder : host::kNvidiaLibraryFolders)
      if (const auto file = file_identity(root / driver / folder / "libcuda.so.1"))
        out.add(fmt::format("{}/{} {} {} {} {}", driver, folder, file->inode, file->size,
                            file->modified, file->changed));
  }
}

}  // namespace

std::string host_fingerprint(const host::Machine& machine) {
  Fingerprint out;
  out.add_file(machine.proc, "sys/kernel/random/boot_id");
  out.add_file(machine.proc, "sys/kernel/osrelease");
  out.add_file(machine.proc, "driver/nvidia/version");
  out.add_file(machine.sys, "module/nvidia/version");
  out.add_file(machine.sys, "module/amdgpu/version");
  out.add_names(machine.sys, "bus/pci/devices");
  for (const char* driver : {"nvidia", "amdgpu", "vfio-pci"})
    out.add_names(machine.sys, fmt::format("bus/pci/drivers/{}", driver));
  for (const std::string& slot : machine.proc.list("driver/nvidia/gpus")) {
    out.add(slot);
    out.add_file(machine.proc, "driver/nvidia/gpus/" + slot + "/information");
  }
  for (const std::string& gpu : machine.proc.list("driver/nvidia/capabilities"))
    out.add_names(machine.proc, "driver/nvidia/capabilities/" + gpu + "/mig");
  for (const std::string& card : machine.sys.list("class/kfd/kfd/topology/nodes")) out.add(card);
  add_nodes(machine, out);
  add_libcuda(machine.places.root, out);
  out.add(fmt::format("{} {}", ::geteuid(), ::getegid()));
  return out.hex();
}

host::Profile probe_gpus(const host::Machine& machine) {
  host::Profile out;
  out.source = "this";
  out.gpus = host::probe_nvidia_gpus(machine, {});
  for (host::Gpu& gpu : host::probe_amd_gpus(machine)) out.gpus.push_back(std::move(gpu));
  out.gpu_count =
      host::Number::known(out.gpus.size(), "/proc/driver/nvidia/gpus, /sys/bus/pci/devices");
  if (!slots_of(out).empty()) return out;
  // Why there is none, and the machines whose driver lists none.
  out.system = host::probe_system(machine);
  out.nvidia = host::probe_nvidia(machine, out.system);
  return out;
}

}  // namespace flense::launch
