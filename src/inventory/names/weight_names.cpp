#include "inventory/names/weight_names.h"

#include <array>

#include "base/numbers.h"

namespace flense::inventory {

std::span<const WeightNames> weight_names() {
  static constexpr auto kNames = std::to_array<WeightNames>(
      {{"model.safetensors", "pytorch_model.bin", "config.json"},
       {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "config.json"},
       {"adapter_model.safetensors", "adapter_model.bin", "adapter_config.json"}});
  return kNames;
}

std::optional<WeightPart> part_of(std::string_view name, std::string_view whole) {
  if (name == whole) return WeightPart{};
  const std::size_t dot = whole.rfind('.');
  const std::string_view stem = whole.substr(0, dot), ending = whole.substr(dot);
  if (name.size() <= whole.size() || !name.starts_with(stem) || !name.ends_with(ending))
    return std::nullopt;
  // "-00001-of-00004"
  const std::string_view middle =
      name.substr(stem.size(), name.size() - stem.size() - ending.size());
  const std::size_t between = middle.find("-of-");
  if (!middle.starts_with('-') || between == std::string_view::npos) return std::nullopt;
  const auto number = parse_number(middle.substr(1, between - 1));
  const auto of = parse_number(middle.substr(between + 4));
  if (!number || !of || *number == 0 || *number > *of) return std::nullopt;
  return WeightPart{*number, *of};
}

}  // namespace flense::inventory
