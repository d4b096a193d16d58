// Which of a host's GPUs the variables of the image leave to CUDA and to ROCm, and which of them
// their driver has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compat/facts/question.h"

namespace flense::compat {

/// Another kernel driver than the vendor's holds it ("vfio-pci", "nouveau"): no program sees it.
bool is_held_by_another(const host::Gpu& gpu);
/// It was looked for, and no kernel driver was found.
bool is_held_by_none(const host::Gpu& gpu);
/// The host without such GPUs, where the vendor's driver has others.
host::Profile without_held_gpus(const host::Profile& host);

struct VisibleGpus {
  /// Each a set of GPUs that programs may see, as the host without the others; of several it is not
  /// told which. Empty: no variable hides any, or all are of one architecture.
  std::vector<host::Profile> alternatives;
  std::string statement;  ///< "CUDA_VISIBLE_DEVICES=0 leaves 1 of 2 GPUs"
};
VisibleGpus visible_gpus(const Question& question);

/// A variable of the image, read by a runtime, that leaves no GPU, or perhaps none.
struct HidingVariable {
  std::string name, value, source;
  std::uint64_t devices = 0;  ///< from which it chooses
  std::string doubt;          ///< why that is not certain; empty: it is
};
std::vector<HidingVariable> hiding_variables(const Question& question, std::string_view vendor);

}  // namespace flense::compat
