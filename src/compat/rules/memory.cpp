// A hint: would the weights in the image fit into the memory of the GPU or MIG slice? Programs need
// more than the weights, so "fits" is not a promise.
#include <algorithm>
#include <limits>

#include "compat/facts/facts.h"
#include "compat/facts/software.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

/// MIG User Guide, supported profiles: these have four slices of memory, and all others eight.
bool has_quarters(const host::Gpu& gpu) {
  const std::string name = gpu.name.value.value_or("");
  return name.contains("A30") || name.contains("RTX PRO 6000");
}

/// The most that the largest of `instances` MIG slices of a GPU can have. Of eight slices of memory
/// and seven of compute, or of four; sizes are 1, 2, 4 and 8 slices of memory.
std::uint64_t largest_slice(std::uint64_t memory, std::uint64_t instances, bool quarters) {
  if (instances <= 1) return memory;
  if (quarters) return instances <= 3 ? memory / 2 : memory / 4;
  if (instances <= 5) return memory / 2;
  return instances == 6 ? memory / 4 : memory / 8;
}

/// What one job has of a GPU.
struct Part {
  std::uint64_t least = 0, most = 0;
  std::string how;            ///< ", cut into 7 MIG instances"; empty: all of it
  std::uint64_t crowded = 1;  ///< jobs that take turns without a limit
};

bool is_sliced(const host::Gpu& gpu) {
  return gpu.mig.value == true && gpu.mig_instances.value != 0;
}

Part part_of(const host::Gpu& gpu, std::uint64_t memory) {
  if (is_sliced(gpu)) {
    // Labels tell the memory of the device itself.
    if (gpu.mig_memory_bytes.value) return {memory, memory, ", of each MIG device"};
    const std::uint64_t slices = gpu.mig_instances.value.value_or(1);
    const bool quarters = has_quarters(gpu);
    return {memory / (quarters ? 4 : 8), largest_slice(memory, slices, quarters),
            gpu.mig_instances.value ? fmt::format(", cut into {} MIG instances", slices)
                                    : ", in MIG mode"};
  }
  Part out;
  const std::uint64_t partitions = std::max<std::uint64_t>(1, gpu.partitions.value.value_or(1));
  out.least = out.most = memory / partitions;
  if (partitions > 1) out.how = fmt::format(", cut into {} partitions", partitions);
  const std::uint64_t jobs = gpu.replicas.value.value_or(1);
  if (gpu.sharing.value && jobs > 1) {
    out.how += fmt::format(", shared by {} jobs ({})", jobs, *gpu.sharing.value);
    out.least /= jobs;
    if (gpu.sharing.value == "mps")
      out.most = out.least;
    else
      out.crowded = jobs;
  }
  return out;
}

constexpr std::string_view kGpu = "GPU";

struct Room {
  std::uint64_t least = 0;  ///< what any device of this host surely has
  std::uint64_t most = 0;   ///< what the largest can have
  std::uint64_t all = 0;    ///< all GPUs together
  std::string evidence, unknown;
  std::string_view unit = kGpu;
  std::uint64_t crowded = 1;
};

Room room_of(const host::Profile& host) {
  Room out;
  out.least = std::numeric_limits<std::uint64_t>::max();
  for (const host::Gpu& gpu : host.gpus) {
    if (!gpu.memory_bytes.value) {
      out.unknown =
          fmt::format("memory of {} {}", gpu_text(gpu), unknown_because(gpu.memory_bytes));
      continue;
    }
    const std::uint64_t memory = *gpu.memory_bytes.value;
    const Part part = part_of(gpu, memory);
    if (part.most > out.most) {
      out.most = part.most;
      out.evidence = fmt::format("{} with {}{}", gpu_text(gpu), human_bytes(memory), part.how);
    }
    if (is_sliced(gpu))
      out.unit = "MIG slice";
    else if (gpu.sharing.value == "mps")
      out.unit = "share of a GPU";
    out.crowded = std::max(out.crowded, part.crowded);
    out.least = std::min(out.least, part.least);
    // How many GPUs the devices are of is not told.
    if (gpu.mig_memory_bytes.value) out.all = std::numeric_limits<std::uint64_t>::max();
    out.all += std::min(memory, std::numeric_limits<std::uint64_t>::max() - out.all);
  }
  return out;
}

}  // namespace

void rule_weights_memory(const Question& question, std::vector<Check>& checks) {
  const ModelWeights& weights = question.facts->weights;
  if (weights.bytes == 0 || question.host.gpus.empty()) return;
  const Room room = room_of(question.host);
  Check check;
  check.id = "weights-memory";
  check.decisive = false;
  check.evidence = {
      {"image", fmt::format("{} of weights in {} ({} file{})", human_bytes(weights.bytes),
                            weights.folder, weights.files, weights.files == 1 ? "" : "s")},
      {"host", room.most == 0 ? room.unknown : room.evidence}};
  check.source = "sizes of files against the host's memory facts";
  if (room.most == 0) {
    check.verdict = Verdict::kUnknown;
    check.message = fmt::format("whether {} of weights fit is unknown", human_bytes(weights.bytes));
    check.fix = "name a product whose memory is known, or check against a profile of the machine";
  } else if (weights.bytes > room.all && room.unknown.empty()) {
    check.verdict = Verdict::kWarn;
    check.message = fmt::format("{} of weights are more than all GPUs have together ({})",
                                human_bytes(weights.bytes), human_bytes(room.all));
    check.fix = "use more or larger GPUs, or quantised weights";
  } else if (weights.bytes > room.most) {
    check.verdict = Verdict::kWarn;
    check.message = fmt::format("{} of weights are more than one {} can have ({})",
                                human_bytes(weights.bytes), room.unit, human_bytes(room.most));
    check.fix = room.unit == kGpu ? "spread the model over GPUs, or use quantised weights"
                                  : "use a larger slice or a whole GPU";
  } else if (weights.bytes > room.least && room.crowded > 1) {
    check.verdict = Verdict::kUnknown;
    check.message =
        fmt::format("whether {} of weights fit depends on what up to {} other jobs on the GPU hold",
                    human_bytes(weights.bytes), room.crowded - 1);
    check.fix = "share the GPU by MPS or MIG, which give each job memory of its own";
  } else if (weights.bytes > room.least) {
    check.verdict = Verdict::kUnknown;
    check.message = fmt::format("whether {} of weights fit depends on which {} is given",
                                human_bytes(weights.bytes), room.unit);
    check.fix = "nvidia-smi -L and nvidia-smi mig -lgi show the sizes";
  } else {
    check.message = fmt::format("{} of weights fit into {}", human_bytes(weights.bytes),
                                human_bytes(room.least));
  }
  checks.push_back(std::move(check));
}

}  // namespace flense::compat
