// Calls in a Python text that fetch a model or a data set over the network.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flense::lint {

struct ModelCall {
  std::string name;  ///< "from_pretrained(", "download=True"
  bool data = false;
  bool may_be_small = false;
};

/// The first call that fetches by name; what loads a path of the disk is none.
std::optional<ModelCall> model_call_in(std::string_view script);

/// Whether a name tells of gigabytes: "Qwen3-8B", "whisper-large-v3", "stable-diffusion". Of a
/// detector or an encoder of sentences nobody need think twice.
bool names_large(std::string_view text);

/// What is fetched by this name, or to it, is weights of a size that counts.
bool is_fetched_weights(std::string_view url);

}  // namespace flense::lint
