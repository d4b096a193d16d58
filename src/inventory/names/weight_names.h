// Names under which transformers, diffusers and peft look for weights of one kind: safetensors
// first, wherever they find them (modeling_utils.py), pickles only without.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace flense::inventory {

struct WeightNames {
  std::string_view safe;      ///< "model.safetensors"
  std::string_view pickled;   ///< "pytorch_model.bin"
  std::string_view settings;  ///< without which no loader takes the directory for a model
};
std::span<const WeightNames> weight_names();

/// "model-00002-of-00004.safetensors" is part 2 of 4 of "model.safetensors"; the name itself is
/// part 1 of 1. Nullopt for other names.
struct WeightPart {
  std::uint64_t number = 1, of = 1;
};
std::optional<WeightPart> part_of(std::string_view name, std::string_view whole);

}  // namespace flense::inventory
