// Headers of model weights: safetensors (README "Format" of huggingface/safetensors), GGUF versions
// 2 and 3 (ggml docs/gguf.md), and pickles told by their first bytes. Only headers are read; any
// bytes are safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace flense::inventory {

struct TensorType {
  std::string type;  ///< as the format spells it: "BF16", "F32", "Q4_K"
  std::uint64_t tensors = 0, parameters = 0;
  std::uint64_t bytes = 0;  ///< in the file
  bool operator==(const TensorType&) const = default;
};

struct ModelFile {
  std::string format;             ///< "safetensors", "gguf", "pickle"
  std::string architecture;       ///< GGUF general.architecture; else empty
  std::vector<TensorType> types;  ///< most bytes first; empty for pickles
  std::string unreadable;         ///< what is wrong with the header; then no types
};

/// What a file of that name and beginning is; nullopt for all that is no model. `head` holds at
/// least the first 64 bytes, or the whole file.
enum class ModelFormat { kSafetensors, kGguf, kPickle };
std::optional<ModelFormat> model_format(std::string_view path, Bytes head);

/// How many bytes of the beginning read_model_file() wants; headers of real models take a tenth.
inline constexpr std::uint64_t kMaxModelHeader = 16U << 20;

/// `head` is the beginning of a file of `file_size` bytes: all of it, or kMaxModelHeader.
ModelFile read_model_file(ModelFormat format, Bytes head, std::uint64_t file_size);

/// Bytes that 16-bit copies of the 32- and 64-bit floating-point tensors would save.
std::uint64_t half_precision_saves(const ModelFile& model);

}  // namespace flense::inventory
