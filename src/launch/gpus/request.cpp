#include "launch/gpus/request.h"

#include <algorithm>
#include <cerrno>

#include "base/ascii.h"
#include "base/numbers.h"
#include "cdi/spec/spec.h"
#include "host/text_formats.h"
#include "knowledge/spelling.h"
#include "launch/gpus/gpus_option.h"
#include "launch/gpus/slurm_job.h"

namespace flense::launch {
namespace {

constexpr const char* kNoGpuHint =
    "flense doctor says why; --gpus none starts without one, --nv and --rocm take whatever there "
    "is";

std::string cdi_name(std::string_view vendor, std::string_view device) {
  return fmt::format("{}.com/gpu={}", vendor, device);
}

bool is_qualified(std::string_view word) {
  const std::size_t equals = word.find('=');
  return equals != word.npos && word.substr(0, equals).find('/') != word.npos &&
         !word.starts_with('/') && equals + 1 < word.size();
}

/// A machine whose driver shows no GPU in plain files, and offers all of them at once.
bool is_only_all(const host::Profile& host) {
  const bool wsl = host.system.wsl2.value.value_or(false) && host.nvidia.library_path.value;
  return wsl || host.system.jetson.value.has_value();
}

class Chooser {
 public:
  Chooser(const host::Profile& host, const Variable& variable,
          const std::optional<std::set<std::uint64_t>>& openable)
      : host_(host), variable_(variable), slots_(slots_of(host)) {
    job_ = gpus_of_job(slots_, variable, openable);
    if (job_) out_.reasons.push_back("in a Slurm job: its GPUs by " + job_->evidence);
  }

  Result<void> take(const std::string& value);
  Result<void> take_device(const std::string& value);
  Result<void> take_node(const std::string& value);
  /// --nv, --rocm.
  void take_present(std::string_view vendor, std::string_view option);
  Result<GpuChoice> end();

 private:
  std::vector<GpuSlot> candidates(std::string_view vendor) const;
  std::vector<std::string> vendors(const GpuWords& words) const;
  Result<void> take_all(const GpuWords& words, std::string_view asked);
  Result<void> take_count(const GpuWords& words, std::uint64_t count);
  Result<void> take_one(const GpuWords& words, const std::string& device);
  Result<void> take_slot(const GpuSlot& slot, std::string_view asked);
  Failure no_gpu(std::string_view asked) const;
  Failure unknown(std::string_view device) const;
  void add(std::string name, std::string reason);
  std::vector<std::string> known_devices() const;
  void set_visible();

  const host::Profile& host_;
  const Variable& variable_;
  std::vector<GpuSlot> slots_;
  std::optional<JobGpus> job_;
  GpuChoice out_;
  std::size_t nvidia_ = 0, amd_ = 0;  // chosen one by one
  std::vector<std::string> instances_;
  bool none_ = false;
};

void Chooser::add(std::string name, std::string reason) {
  if (std::ranges::find(out_.names, name) != out_.names.end()) return;
  out_.reasons.push_back(fmt::format("{}: {}", name, reason));
  out_.names.push_back(std::move(name));
}

/// Of the job where there is one.
std::vector<GpuSlot> Chooser::candidates(std::string_view vendor) const {
  std::vector<GpuSlot> out;
  for (const GpuSlot& slot : job_ ? job_->slots : slots_)
    if (vendor.empty() || slot.vendor == vendor) out.push_back(slot);
  return out;
}

std::vector<std::string> Chooser::vendors(const GpuWords& words) const {
  if (!words.driver.empty()) return {words.driver};
  std::vector<std::string> out;
  for (const GpuSlot& slot : slots_)
    if (std::ranges::find(out, slot.vendor) == out.end()) out.push_back(slot.vendor);
  if (out.empty() && is_only_all(host_)) out.emplace_back("nvidia");
  return out;
}

std::vector<std::string> Chooser::known_devices() const {
  std::vector<std::string> out;
  const std::vector<GpuSlot> all = candidates("");
  for (std::size_t i = 0; i < all.size(); ++i)
    out.push_back(fmt::format("{}", job_ ? i : all[i].index));
  for (const GpuSlot& slot : all)
    if (!slot.uuid.empty()) out.push_back(slot.uuid);
  if (job_) out.insert(out.end(), job_->instances.begin(), job_->instances.end());
  out.emplace_back("all");
  std::vector<std::string> unique;
  for (std::string& one : out)
    if (std::ranges::find(unique, one) == unique.end()) unique.push_back(std::move(one));
  return unique;
}

Failure Chooser::no_gpu(std::string_view asked) const {
  if (job_)
    return fail(Code::kEnvironment, "{} asks for a GPU, and the Slurm job has none ({})", asked,
                job_->evidence)
        .hint("ask Slurm for them: --gres=gpu:1, --gpus=1");
  for (const host::Gpu& gpu : host_.gpus)
    if (gpu.vendor == "nvidia" || gpu.vendor == "amd")
      return fail(Code::kEnvironment,
                  "{} asks for a GPU, and the driver of {} at {} is not loaded: {}", asked,
                  gpu.name.value.value_or(gpu.vendor + "'s GPU"),
                  gpu.pci_address.value.value_or("an unknown address"),
                  gpu.vendor == "nvidia" ? host_.nvidia.module_version.evidence
                                         : gpu.kernel_driver.evidence)
          .hint(kNoGpuHint);
  const std::string& why = host_.gpu_count.evidence;
  return fail(Code::kEnvironment, "{} asks for a GPU, and there is none{}", asked,
              why.empty() ? std::string() : fmt::format(" ({})", why))
      .hint(kNoGpuHint);
}

Failure Chooser::unknown(std::string_view device) const {
  const std::vector<std::string> known = known_devices();
  const std::vector<std::string> near = knowledge::near_matches(device, known, 1);
  return fail(Code::kEnvironment, "there is no GPU '{}'{}", device,
              job_ ? fmt::format(" in this Slurm job ({})", job_->evidence)
                   : std::string(" on this machine"))
      .hint(near.empty() ? fmt::format("there are: {}", fmt::join(known, ", "))
                         : fmt::format("did you mean {}? There are: {}", near.front(),
                                       fmt::join(known, ", ")));
}

Result<void> Chooser::take_slot(const GpuSlot& slot, std::string_view asked) {
  if (slot.mig_without_instance)
    return fail(Code::kEnvironment,
                "MIG is on for GPU {}, and it has no instances, so nothing can run on it",
                slot.index)
        .hint("nvidia-smi mig -cgi … -C creates instances; nvidia-smi -mig 0 turns MIG off");
  if (slot.instances > 0)
    return fail(Code::kEnvironment,
                "GPU {} is divided into {} MIG instances, and a program can use only one of them",
                slot.index, slot.instances)
        .hint(fmt::format("name one: --gpus device={}:0, or its UUID; nvidia-smi -L lists them",
                          slot.index));
  const std::string index = fmt::format("{}", slot.index);
  std::string reason = fmt::format("asked for as {}", asked);
  if (slot.minor && slot.vendor == "nvidia") reason += fmt::format(", /dev/nvidia{}", *slot.minor);
  const std::size_t before = out_.names.size();
  add(cdi_name(slot.vendor, index), std::move(reason));
  if (out_.names.size() > before) ++(slot.vendor == "amd" ? amd_ : nvidia_);
  return {};
}

Result<void> Chooser::take_all(const GpuWords& words, std::string_view asked) {
  const std::vector<std::string> vendors = this->vendors(words);
  if (vendors.empty()) return no_gpu(asked);
  if (!job_) {
    for (const std::string& vendor : vendors) {
      const std::vector<GpuSlot> of_vendor = candidates(vendor);
      if (of_vendor.empty() && !is_only_all(host_)) return no_gpu(asked);
      const bool usable = std::ranges::any_of(
          of_vendor, [](const GpuSlot& slot) { return !slot.mig_without_instance; });
      if (!of_vendor.empty() && !usable) return take_slot(of_vendor.front(), asked);
      add(cdi_name(vendor, "all"), fmt::format("asked for as {}", asked));
      (vendor == "amd" ? amd_ : nvidia_) += of_vendor.size();
    }
    return {};
  }
  for (const std::string& instance : job_->instances) TRY_DO(take_one(words, instance));
  std::size_t count = job_->instances.size();
  for (const std::string& vendor : vendors)
    for (const GpuSlot& slot : candidates(vendor)) {
      TRY_DO(take_slot(slot, asked));
      ++count;
    }
  if (count == 0) return no_gpu(asked);
  return {};
}

Result<void> Chooser::take_count(const GpuWords& words, std::uint64_t count) {
  const std::string asked = fmt::format("--gpus {}", count);
  if (job_ && !job_->instances.empty() && job_->instances.size() >= count) {
    for (std::size_t i = 0; i < count; ++i) TRY_DO(take_one(words, job_->instances[i]));
    return {};
  }
  std::vector<GpuSlot> usable;
  for (const std::string& vendor : vendors(words)) {
    usable = candidates(vendor);
    std::erase_if(usable, [](const GpuSlot& slot) {
      return slot.instances > 0 || slot.mig_without_instance;
    });
    // GPUs of different vendors serve no program together: the first vendor's, as in podman.
    if (!usable.empty()) break;
  }
  if (usable.empty()) return no_gpu(asked);
  if (usable.size() < count)
    return fail(Code::kEnvironment, "{} asks for {} GPUs, and {} has {}", asked, count,
                job_ ? "the Slurm job" : "this machine", usable.size())
        .hint("--gpus all takes those that exist");
  for (std::size_t i = 0; i < count; ++i) TRY_DO(take_slot(usable[i], asked));
  return {};
}

Result<void> Chooser::take_one(const GpuWords& words, const std::string& device) {
  if (is_qualified(device)) {
    add(device, "named");
    return {};
  }
  const std::vector<std::string> vendors = this->vendors(words);
  if (vendors.empty()) return no_gpu(fmt::format("--gpus {}", device));
  if (device.starts_with("MIG-")) {
    if (job_ && !job_->instances.empty() &&
        std::ranges::find(job_->instances, device) == job_->instances.end())
      return unknown(device);
    add(cdi_name("nvidia", device), "named");
    instances_.push_back(device);
    return {};
  }
  // GPU:INSTANCE, where the GPU is numbered like any index.
  const std::size_t colon = device.find(':');
  const auto number = parse_number(std::string_view(device).substr(0, colon));
  const bool instance =
      colon != device.npos && number && parse_number(std::string_view(device).substr(colon + 1));
  if (number && (colon == device.npos || instance)) {
    if (vendors.size() > 1)
      return fail(Code::kUsage, "--gpus {} could be a GPU of {}", device,
                  fmt::join(vendors, " or of "))
          .hint(fmt::format("say which: --device {} or --device {}", cdi_name(vendors[0], device),
                            cdi_name(vendors[1], device)));
    if (slots_.empty()) {
      add(cdi_name(vendors.front(), device), "named");
      return {};
    }
    const std::vector<GpuSlot> all = candidates(vendors.front());
    const auto at = job_
                        ? (*number < all.size() ? all.begin() + static_cast<std::ptrdiff_t>(*number)
                                                : all.end())
                        : std::ranges::find(all, *number, &GpuSlot::index);
    if (at == all.end()) return unknown(device);
    if (!instance) return take_slot(*at, device);
    add(cdi_name("nvidia", fmt::format("{}{}", at->index, device.substr(colon))), "named");
    instances_.emplace_back();
    return {};
  }
  for (const GpuSlot& slot : candidates("")) {
    // As in nvidia-smi and Docker: any prefix of a UUID that is long enough to be unambiguous.
    const bool uuid = device.size() >= 8 && !slot.uuid.empty() && slot.uuid.starts_with(device);
    if (uuid || (!slot.address.empty() && slot.address == device)) return take_slot(slot, device);
  }
  // Plain files may not tell UUIDs; then the specification decides.
  const bool blind = std::ranges::any_of(slots_, [](const GpuSlot& s) { return s.uuid.empty(); });
  if (slots_.empty() || (blind && !job_ && device.starts_with("GPU-"))) {
    add(cdi_name(vendors.front(), device), "named");
    return {};
  }
  return unknown(device);
}

Result<void> Chooser::take(const std::string& value) {
  TRY(const GpuWords words, parse_gpu_words(value));
  if (!words.capabilities.empty())
    out_.notices.push_back(fmt::format(
        "capabilities={} has no effect: the container gets the libraries of the CDI specification",
        fmt::join(words.capabilities, ",")));
  if (words.none) {
    none_ = true;
    out_.reasons.emplace_back("--gpus none: no GPU");
    return {};
  }
  if (words.all) return take_all(words, fmt::format("--gpus {}", value));
  if (words.count) return take_count(words, *words.count);
  for (const std::string& device : words.devices) TRY_DO(take_one(words, device));
  return {};
}

/// "A", "A:B", "A:rw", "A:B:rw", as docker takes them.
Result<void> Chooser::take_node(const std::string& value) {
  std::vector<std::string_view> parts = split(value, ':');
  const auto permits = [](std::string_view word) {
    return !word.empty() && word.find_first_not_of("rwm") == word.npos;
  };
  if (parts.size() > 1 && permits(parts.back())) {
    if (parts.back().find('w') == parts.back().npos || parts.back().find('r') == parts.back().npos)
      return fail(Code::kUsage, "--device {}: the rights of a node cannot be narrowed", value)
          .hint("what the node's own mode gives you is what the container has: leave them out");
    parts.pop_back();
  }
  cdi::DeviceNode node;
  node.path = parts.back();
  if (parts.size() > 1) node.host_path = parts.front();
  if (parts.size() > 2 || !cdi::complaint_about_node(parts.front()).empty() ||
      !cdi::complaint_about_node(parts.back()).empty())
    return fail(Code::kUsage, "--device {} names no node below /dev", value)
        .hint("--device /dev/A, or /dev/A:/dev/B for another name in the container");
  out_.nodes.push_back(std::move(node));
  return {};
}

Result<void> Chooser::take_device(const std::string& value) {
  if (value.starts_with('/')) return take_node(value);
  if (is_qualified(value)) {
    add(value, "named with --device");
    return {};
  }
  return fail(Code::kUsage, "--device '{}' is neither a node of /dev nor a CDI device", value)
      .hint("--device /dev/fuse, or --device nvidia.com/gpu=0; flense cdi list shows the devices");
}

void Chooser::take_present(std::string_view vendor, std::string_view option) {
  GpuWords words;
  words.driver = vendor;
  GpuChoice before = out_;
  const std::size_t nvidia = nvidia_, amd = amd_;
  if (take_all(words, option)) return;
  out_ = std::move(before);
  nvidia_ = nvidia;
  amd_ = amd;
  out_.reasons.push_back(fmt::format("{}: there is no such GPU, which is not an error", option));
}

/// What the caller has in these counts GPUs that the container does not see.
void Chooser::set_visible() {
  const auto set = [&](std::string_view name) {
    const auto value = variable_(name);
    return value && !value->empty();
  };
  const auto first = [](std::size_t count) {
    std::vector<std::size_t> numbers(count);
    for (std::size_t i = 0; i < count; ++i) numbers[i] = i;
    return fmt::format("{}", fmt::join(numbers, ","));
  };
  const bool named = std::ranges::none_of(instances_, &std::string::empty);
  if (!instances_.empty() && named)
    out_.env.push_back(fmt::format("CUDA_VISIBLE_DEVICES={}", fmt::join(instances_, ",")));
  else if (nvidia_ > 0 && instances_.empty() && set("CUDA_VISIBLE_DEVICES"))
    out_.env.push_back("CUDA_VISIBLE_DEVICES=" + first(nvidia_));
  if (amd_ == 0) return;
  for (const char* name : {"ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"})
    if (set(name)) out_.env.push_back(fmt::format("{}={}", name, first(amd_)));
  if (nvidia_ == 0 && instances_.empty() && set("CUDA_VISIBLE_DEVICES"))
    out_.env.push_back("CUDA_VISIBLE_DEVICES=" + first(amd_));
}

Result<GpuChoice> Chooser::end() {
  if (none_ && !out_.names.empty())
    return fail(Code::kUsage, "--gpus none and other GPUs exclude each other");
  set_visible();
  return std::move(out_);
}

}  // namespace

Result<GpuChoice> choose_gpus(
    const GpuRequest& request, const host::Profile& host,
    const std::function<std::optional<std::string>(std::string_view)>& variable,
    const std::optional<std::set<std::uint64_t>>& openable) {
  Chooser chooser(host, variable, openable);
  for (const std::string& value : request.gpus) TRY_DO(chooser.take(value));
  if (request.nvidia) chooser.take_present("nvidia", "--nv");
  if (request.rocm) chooser.take_present("amd", "--rocm");
  for (const std::string& value : request.devices) TRY_DO(chooser.take_device(value));
  return chooser.end();
}

std::optional<std::set<std::uint64_t>> openable_minors(const host::Tree& dev,
                                                       const host::Profile& host) {
  std::set<std::uint64_t> out;
  for (const GpuSlot& slot : slots_of(host)) {
    if (slot.vendor != "nvidia" || !slot.minor) continue;
    const auto node = dev.node(fmt::format("nvidia{}", *slot.minor));
    // Missing nodes say nothing about what the job has.
    if (!node || !node->refusal) return std::nullopt;
    if (*node->refusal == 0) out.insert(*slot.minor);
  }
  return out;
}

}  // namespace flense::launch
