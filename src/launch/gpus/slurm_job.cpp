#include "launch/gpus/slurm_job.h"

#include <algorithm>

#include "base/format.h"
#include "base/numbers.h"
#include "host/text_formats.h"

namespace flense::launch {
namespace {

constexpr std::size_t kMaxJobWords = 4096;

std::vector<std::string> words_of(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty() && out.size() < kMaxJobWords) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (std::string word = host::clean(list.substr(0, end)); !word.empty())
      out.push_back(std::move(word));
    list.remove_prefix(std::min(list.size(), end + 1));
  }
  return out;
}

/// "0-3" as Slurm shortens it; the word itself otherwise.
std::vector<std::string> numbers_of(const std::string& word) {
  const std::size_t dash = word.find('-');
  const auto first = parse_number(std::string_view(word).substr(0, dash));
  const auto last =
      dash == word.npos ? first : parse_number(std::string_view(word).substr(dash + 1));
  if (!first || !last || *last < *first || *last - *first >= kMaxJobWords) return {word};
  std::vector<std::string> out;
  for (std::uint64_t i = *first; i <= *last; ++i) out.push_back(fmt::format("{}", i));
  return out;
}

const GpuSlot* by_uuid(const std::vector<GpuSlot>& all, std::string_view uuid) {
  const auto at = std::ranges::find_if(
      all, [&](const GpuSlot& slot) { return !slot.uuid.empty() && slot.uuid.starts_with(uuid); });
  return at == all.end() ? nullptr : &*at;
}

/// Slurm numbers NVIDIA's GPUs as their device files (gres.conf, File=), AMD's in their order.
const GpuSlot* by_number(const std::vector<GpuSlot>& all, std::uint64_t number, bool as_minor) {
  const auto at = std::ranges::find_if(all, [&](const GpuSlot& slot) {
    return as_minor && slot.vendor == "nvidia" && slot.minor ? *slot.minor == number
                                                             : slot.index == number;
  });
  return at == all.end() ? nullptr : &*at;
}

/// Of a variable that lists numbers of the whole machine, or UUIDs.
JobGpus listed(const std::vector<GpuSlot>& all, std::string_view name, const std::string& value,
               bool as_minor) {
  JobGpus out;
  out.evidence = fmt::format("{}={}", name, value);
  for (const std::string& word : words_of(value)) {
    if (word.starts_with("MIG-")) {
      out.instances.push_back(word);
      continue;
    }
    const bool uuid = word.starts_with("GPU-");
    for (const std::string& one : uuid ? std::vector{word} : numbers_of(word)) {
      const auto number = parse_number(one);
      const GpuSlot* slot = uuid     ? by_uuid(all, one)
                            : number ? by_number(all, *number, as_minor)
                                     : nullptr;
      if (slot != nullptr) out.slots.push_back(*slot);
    }
  }
  return out;
}

}  // namespace

std::vector<GpuSlot> slots_of(const host::Profile& host) {
  std::vector<GpuSlot> out;
  std::uint64_t nvidia = 0, amd = 0;
  for (const host::Gpu& gpu : host.gpus) {
    if (gpu.kernel_driver.value && *gpu.kernel_driver.value != "nvidia" &&
        *gpu.kernel_driver.value != "amdgpu")
      continue;
    // Without a minor there is no node that a container could get.
    if (gpu.vendor == "nvidia" && !gpu.minor.value) continue;
    GpuSlot slot{gpu.vendor, 0, gpu.minor.value, gpu.uuid.value.value_or(""),
                 gpu.pci_address.value.value_or("")};
    slot.instances = gpu.mig_instances.value.value_or(0);
    slot.mig_without_instance = gpu.mig.value.value_or(false) && slot.instances == 0;
    if (gpu.vendor == "nvidia") {
      slot.index = nvidia++;
      out.push_back(slot);
    } else if (gpu.vendor == "amd") {
      // A partitioned card counts as several devices.
      const std::uint64_t parts =
          std::clamp<std::uint64_t>(gpu.partitions.value.value_or(1), 1, 64);
      for (std::uint64_t i = 0; i < parts; ++i) {
        slot.index = amd++;
        out.push_back(slot);
      }
    }
  }
  return out;
}

std::optional<JobGpus> gpus_of_job(const std::vector<GpuSlot>& all, const Variable& variable,
                                   const std::optional<std::set<std::uint64_t>>& openable) {
  const auto set = [&](std::string_view name) -> std::optional<std::string> {
    const auto value = variable(name);
    return value && !value->empty() ? value : std::nullopt;
  };
  if (!set("SLURM_JOB_ID") && !set("SLURM_JOBID")) return std::nullopt;
  // Instances have names of their own, which only CUDA's variable contains.
  if (const auto value = set("CUDA_VISIBLE_DEVICES"); value && value->find("MIG-") != value->npos)
    return listed(all, "CUDA_VISIBLE_DEVICES", *value, false);
  // ConstrainDevices: the job's GPUs are those the kernel lets it open, whatever variables say.
  const auto of_nvidia = [](const GpuSlot& slot) { return slot.vendor == "nvidia" && slot.minor; };
  const auto total = static_cast<std::size_t>(std::ranges::count_if(all, of_nvidia));
  if (openable && !openable->empty() && openable->size() < total) {
    JobGpus out;
    out.evidence = "the device nodes that the job may open";
    for (const GpuSlot& slot : all)
      if (of_nvidia(slot) && openable->contains(*slot.minor)) out.slots.push_back(slot);
    return out;
  }
  for (const char* name : {"SLURM_STEP_GPUS", "SLURM_JOB_GPUS"})
    if (const auto value = set(name)) return listed(all, name, *value, true);
  // Without device constraints these hold numbers of the whole machine; "NoDevFiles" is a job
  // without GPUs.
  for (const char* name : {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"})
    if (const auto value = set(name)) return listed(all, name, *value, false);
  return std::nullopt;
}

}  // namespace flense::launch
