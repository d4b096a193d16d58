#include "inventory/names/jit_metadata.h"

#include "base/path.h"

namespace flense::inventory {

std::string_view up_to_component(std::string_view path, std::size_t at) {
  const std::size_t slash = path.find('/', at);
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

std::string_view compiler_tree(std::string_view path) {
  for (const std::string_view place : {"tmp/", "var/tmp/"})
    if (path.starts_with(place) && path.substr(place.size()).starts_with("torchinductor_"))
      return up_to_component(path, place.size());
  constexpr std::string_view kVllm = ".cache/vllm/torch_compile_cache/";
  const std::size_t at = path.find(kVllm);
  if (at == std::string_view::npos || (at > 0 && path[at - 1] != '/')) return {};
  return up_to_component(path, at + kVllm.size());
}

bool is_jit_metadata(std::string_view path) {
  // "__grp__NAME.json" lists the files of the folder.
  if (!path.ends_with(".json") || base_name(path).starts_with("__grp__")) return false;
  const std::string_view cache = parent_path(parent_path(path));
  if (cache == ".triton/cache" || cache.ends_with("/.triton/cache")) return true;
  if (compiler_tree(path).empty()) return false;
  return base_name(cache) == "triton_cache" || base_name(parent_path(cache)) == "triton";
}

}  // namespace flense::inventory
