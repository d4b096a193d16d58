#include "compat/facts/visible_gpus.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"
#include "base/version_numbers.h"
#include "compat/facts/facts.h"

namespace flense::compat {

namespace {

/// Devices in the order of their indexes: GPUs, and of an AMD card in partitions each of them.
using Devices = std::vector<const host::Gpu*>;

enum class Reader : std::uint8_t {
  kToolkit,  ///< NVIDIA's container toolkit: in the order of NVML
  kCuda,
  kRocr,
  kHip,
  kOpenCl,  ///< AMD's documentation names HIP too
};

/// A list of devices in the image's environment.
struct List {
  std::string name;
  std::string_view value;
  Reader reader = Reader::kCuda;
  std::string doubt = {};  ///< why it may not count; empty: it does
};

constexpr const char* kHipWithoutCuda = "7.2";

/// The lists of a vendor in the order in which they are read.
std::vector<List> lists_of(const Question& question, std::string_view vendor) {
  std::vector<List> out;
  const auto add = [&](const char* name, Reader reader, std::string doubt = {}) {
    if (const auto value = variable(question.image, name))
      out.push_back({name, *value, reader, std::move(doubt)});
  };
  if (vendor == "nvidia") {
    if (const auto value = variable(question.image, "NVIDIA_VISIBLE_DEVICES");
        value && !value->empty() && *value != "all" && *value != "none" && *value != "void" &&
        traits_on(question.launcher, question.host).honours_visible_devices)
      add("NVIDIA_VISIBLE_DEVICES", Reader::kToolkit,
          question.launcher == Launcher::kDocker ? "docker run --gpus takes its place" : "");
    add("CUDA_VISIBLE_DEVICES", Reader::kCuda);
    return out;
  }
  add("ROCR_VISIBLE_DEVICES", Reader::kRocr);
  const std::string_view hip = variable(question.image, "HIP_VISIBLE_DEVICES").value_or("");
  if (!hip.empty()) {
    add("HIP_VISIBLE_DEVICES", Reader::kHip);
  } else {
    // HIP takes an empty list for none.
    add("HIP_VISIBLE_DEVICES", Reader::kHip, "HIP takes an empty list for none, and PyTorch not");
    const std::string& rocm = question.facts->rocm.version;
    if (rocm.empty() || !version_at_least(rocm, kHipWithoutCuda)) {
      std::string doubt;
      if (variable(question.image, "CUDA_VISIBLE_DEVICES") == "")
        doubt = "HIP takes an empty list for none, and PyTorch not";
      else if (rocm.empty())
        doubt = "HIP reads it up to ROCm 7.1, and the image's ROCm is unknown";
      add("CUDA_VISIBLE_DEVICES", Reader::kHip, std::move(doubt));
    }
  }
  add("GPU_DEVICE_ORDINAL", Reader::kOpenCl,
      "AMD's documentation names HIP, whose runtime reads it for OpenCL alone");
  return out;
}

std::vector<std::string_view> words_of(std::string_view list) {
  std::vector<std::string_view> out;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    out.push_back(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return out;
}

/// CUDA reads as strtoul does: "0x1" is 0, and "all" is no number. AMD's runtimes want it plain.
std::optional<std::uint64_t> index_of(std::string_view word, Reader reader) {
  if (reader == Reader::kCuda || reader == Reader::kToolkit) {
    while (word.starts_with(' ')) word.remove_prefix(1);
    word = word.substr(0, word.find_first_not_of("0123456789"));
  } else if (word.size() > 1 && word.starts_with('0')) {
    return std::nullopt;
  }
  if (word.empty() || !std::ranges::all_of(word, is_digit)) return std::nullopt;
  return parse_number(word);
}

Devices devices_of(const host::Profile& host, std::string_view vendor) {
  Devices out;
  for (const host::Gpu* gpu : gpus_of(host, vendor))
    out.insert(out.end(), std::max<std::uint64_t>(1, gpu->partitions.value.value_or(1)), gpu);
  return out;
}

/// In the order of the indexes. CUDA by default has the fastest first, and how fast it takes a GPU
/// to be nobody tells; KFD has the order of the bus and of the render nodes, where they agree.
std::optional<Devices> in_order(const Question& question, Reader reader, Devices devices) {
  if (reader == Reader::kCuda && variable(question.image, "CUDA_DEVICE_ORDER") != "PCI_BUS_ID")
    return std::nullopt;
  if (!std::ranges::all_of(devices, [](const host::Gpu* gpu) { return !!gpu->pci_address.value; }))
    return std::nullopt;
  std::ranges::stable_sort(devices, {},
                           [](const host::Gpu* gpu) { return *gpu->pci_address.value; });
  if (reader == Reader::kCuda || reader == Reader::kToolkit) return devices;
  const bool agree =
      std::ranges::all_of(devices, [](const host::Gpu* gpu) { return !!gpu->minor.value; }) &&
      std::ranges::is_sorted(devices, {}, [](const host::Gpu* gpu) { return *gpu->minor.value; });
  return agree ? std::optional(devices) : std::nullopt;
}

/// What a list leaves: the GPUs that are named, as far as it is told, and how many devices in all.
struct Left {
  std::set<const host::Gpu*> named;
  std::size_t count = 0;
  std::size_t sure = 0;  ///< of them, those that are certainly here
  std::string doubt;     ///< of the others
};

/// "MIG-GPU-UUID/7/0", and "MIG-UUID" from driver 470 on. True where no such device can be here.
bool is_no_mig(std::string_view word, const Devices& devices, bool uuids_known) {
  if (devices.empty()) return false;
  if (std::ranges::all_of(devices, [](const host::Gpu* gpu) { return gpu->mig.value == false; }))
    return true;
  if (!word.starts_with("MIG-GPU-") || !uuids_known) return false;
  const std::string_view card = word.substr(4, word.find('/') - 4);
  return std::ranges::none_of(devices,
                              [&](const host::Gpu* gpu) { return gpu->uuid.value == card; });
}

/// The first word that names no device ends the list.
Left left_by(const List& list, const Devices& devices, std::uint64_t total,
             const std::optional<Devices>& order) {
  Left out;
  std::set<std::string_view> seen;
  const bool uuids_known =
      !devices.empty() && devices.size() >= total &&
      std::ranges::all_of(devices, [](const host::Gpu* gpu) { return !!gpu->uuid.value; });
  for (const std::string_view word : words_of(list.value)) {
    if (word.starts_with("GPU-")) {
      const auto found = std::ranges::find_if(devices, [&](const host::Gpu* gpu) {
        return gpu->uuid.value && gpu->uuid.value->starts_with(word);
      });
      if (found == devices.end() && uuids_known) break;
      if (found != devices.end()) {
        out.named.insert(*found);
        ++out.sure;
      } else {
        out.doubt = fmt::format("{} names a GPU of one machine", word.substr(0, 48));
      }
    } else if (word.starts_with("MIG-")) {
      if (is_no_mig(word, devices, uuids_known)) break;
      out.doubt = fmt::format("{} names a MIG device of one machine", word.substr(0, 60));
    } else {
      const auto index = index_of(word, list.reader);
      if (!index || (total != 0 && *index >= total)) break;
      if (order && *index < order->size()) out.named.insert((*order)[*index]);
      ++out.sure;
    }
    if (seen.insert(word).second) ++out.count;
  }
  return out;
}

host::Profile with_only(const host::Profile& host, std::string_view vendor,
                        const std::set<const host::Gpu*>& kept) {
  host::Profile out = host;
  out.gpus.clear();
  for (const host::Gpu& gpu : host.gpus)
    if (gpu.vendor != vendor || kept.contains(&gpu)) out.gpus.push_back(gpu);
  if (out.gpu_count.value) out.gpu_count.value = out.gpus.size();
  return out;
}

/// The host as the list leaves it, in each way that it may. Empty: as it is.
std::vector<host::Profile> narrowed(const Question& question, const List& list,
                                    std::string_view vendor, const host::Profile& host,
                                    std::string& statement) {
  const Devices devices = devices_of(host, vendor);
  std::map<std::string, std::set<const host::Gpu*>> kinds;
  std::map<std::string, std::size_t> counts;
  for (const host::Gpu* gpu : devices) {
    const std::string kind = gpu->architecture.value.value_or("");
    kinds[kind].insert(gpu);
    ++counts[kind];
  }
  if (kinds.size() < 2 || host.gpu_count.value.value_or(host.gpus.size()) != host.gpus.size())
    return {};
  const auto order = in_order(question, list.reader, devices);
  const Left left = left_by(list, devices, devices.size(), order);
  if (left.count == 0 || left.count >= devices.size() || left.doubt.contains("MIG")) return {};
  const std::string words = fmt::format("{}={} leaves {} of {} GPUs", list.name,
                                        list.value.substr(0, 60), left.count, devices.size());
  statement += (statement.empty() ? "" : ", ") + words;
  std::vector<host::Profile> out;
  if (!list.doubt.empty()) out.push_back(host);
  if (left.named.size() == left.count || (order && left.doubt.empty())) {
    out.push_back(with_only(host, vendor, left.named));
    return out;
  }
  // A kind of more GPUs than are hidden has one that is visible.
  std::set<const host::Gpu*> surely = left.named;
  for (const auto& [architecture, members] : kinds)
    if (counts[architecture] > devices.size() - left.count)
      surely.insert(members.begin(), members.end());
  if (surely.empty()) {
    for (const auto& [architecture, members] : kinds)
      out.push_back(with_only(host, vendor, members));
  } else {
    out.push_back(with_only(host, vendor, surely));
    out.push_back(host);
  }
  return out;
}

const char* source_of(Reader reader) {
  return reader == Reader::kCuda ? "CUDA C++ Programming Guide, environment variables"
                                 : "ROCm documentation, GPU isolation techniques";
}

}  // namespace

bool is_held_by_another(const host::Gpu& gpu) {
  const auto& driver = gpu.kernel_driver.value;
  if (!driver) return false;
  if (gpu.vendor == "amd") return *driver != "amdgpu";
  // nvgpu: the integrated GPU of a Jetson; dxgkrnl: Windows's GPUs on WSL2.
  return gpu.vendor == "nvidia" && !is_one_of(*driver, {"nvidia", "nvgpu", "dxgkrnl"});
}

bool is_held_by_none(const host::Gpu& gpu) {
  // Drivers give their GPUs a number.
  return !gpu.kernel_driver.value && !gpu.kernel_driver.evidence.empty() && !gpu.minor.value;
}

host::Profile without_held_gpus(const host::Profile& host) {
  host::Profile out = host;
  for (const std::string_view vendor : {"nvidia", "amd"}) {
    const auto gpus = gpus_of(host, vendor);
    const bool bound = std::ranges::any_of(gpus, [](const host::Gpu* gpu) {
      return gpu->kernel_driver.value && !is_held_by_another(*gpu);
    });
    const auto held = [&](const host::Gpu& gpu) {
      return gpu.vendor == vendor && (is_held_by_another(gpu) || (bound && is_held_by_none(gpu)));
    };
    if (std::ranges::all_of(gpus, [&](const host::Gpu* gpu) { return held(*gpu); })) continue;
    const std::size_t gone = std::erase_if(out.gpus, held);
    if (auto& count = out.gpu_count.value; count && *count >= gone) *count -= gone;
  }
  return out;
}

VisibleGpus visible_gpus(const Question& question) {
  VisibleGpus out;
  std::vector<host::Profile> hosts = {question.host};
  for (const std::string_view vendor : {"nvidia", "amd"}) {
    if (vendor == "amd" && question.facts->rocm_evidence.empty()) continue;
    for (const List& list : lists_of(question, vendor)) {
      if (list.reader == Reader::kOpenCl) continue;
      std::vector<host::Profile> next;
      for (const host::Profile& host : hosts) {
        std::string statement;
        std::vector<host::Profile> ways = narrowed(question, list, vendor, host, statement);
        if (ways.empty()) {
          next.push_back(host);
          continue;
        }
        if (!out.statement.contains(statement))
          out.statement += (out.statement.empty() ? "" : ", ") + statement;
        std::ranges::move(ways, std::back_inserter(next));
      }
      hosts = std::move(next);
    }
  }
  if (!out.statement.empty()) out.alternatives = std::move(hosts);
  return out;
}

std::vector<HidingVariable> hiding_variables(const Question& question, std::string_view vendor) {
  std::vector<HidingVariable> out;
  const Devices devices = devices_of(question.host, vendor);
  std::uint64_t total =
      vendor == "nvidia" ? question.host.gpu_count.value.value_or(devices.size()) : devices.size();
  for (const List& list : lists_of(question, vendor)) {
    if (list.reader == Reader::kToolkit) continue;
    const Left left = left_by(list, devices, total, std::nullopt);
    const bool none = left.count == 0;
    if (left.sure == 0)
      out.push_back({list.name, std::string(list.value), source_of(list.reader), total,
                     list.doubt.empty() ? left.doubt : list.doubt});
    if (!none && list.doubt.empty() && total != 0)
      total = std::min<std::uint64_t>(total, left.count);
  }
  return out;
}

}  // namespace flense::compat
