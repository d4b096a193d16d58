// Which of a host's GPUs CUDA_VISIBLE_DEVICES of the image leaves to CUDA.
#pragma once

#include <string>
#include <vector>

#include "compat/facts/question.h"

namespace flense::compat {

struct VisibleGpus {
  /// Each a set of GPUs that CUDA may see, as the host without the others; of several it is not
  /// told which. Empty: the variable hides none, or all are of one architecture.
  std::vector<host::Profile> alternatives;
  std::string statement;  ///< "CUDA_VISIBLE_DEVICES=0 leaves 1 of 2 GPUs"
};

VisibleGpus visible_gpus(const needs::Needs& image, const host::Profile& host);

}  // namespace flense::compat
