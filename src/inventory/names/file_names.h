// What the name of a file alone tells.
#pragma once

#include <string>
#include <string_view>

namespace flense::inventory {

/// Name of a library that the host's NVIDIA driver brings, not the image: libcuda.so.1,
/// libnvidia-ml.so.1, …
bool is_driver_library(std::string_view name);
/// Model weights by name: *.safetensors, *.gguf, *.pt, …, blobs of the Hugging Face hub's cache.
bool is_weights_file(std::string_view path);
/// A library's name without what wheels and Python put in it: "libcudart.so.12" of
/// "libcudart-9335f6a2.so.12" (auditwheel) and of "libcudart.9335f6a2.so.12" (PyTorch's wheels),
/// "_C.so" of "_C.cpython-311-x86_64-linux-gnu.so".
std::string plain_library_name(std::string_view name);
/// The path has a component of this name.
bool has_component(std::string_view path, std::string_view name);

}  // namespace flense::inventory
