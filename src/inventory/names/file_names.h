// What the name of a file alone tells.
#pragma once

#include <string_view>

namespace flense::inventory {

/// Name of a library that the host's NVIDIA driver brings, not the image: libcuda.so.1,
/// libnvidia-ml.so.1, …
bool is_driver_library(std::string_view name);
/// Model weights by name: *.safetensors, *.gguf, *.pt, …, blobs of the Hugging Face hub's cache.
bool is_weights_file(std::string_view path);
/// The path has a component of this name.
bool has_component(std::string_view path, std::string_view name);

}  // namespace flense::inventory
