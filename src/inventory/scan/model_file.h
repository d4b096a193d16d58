// Headers of model weights: safetensors (README "Format" of huggingface/safetensors), GGUF versions
// 2 and 3 (ggml docs/gguf.md), what torch.save() writes, the version of TensorRT's plans, and other
// forms told by name and first bytes. Only headers are read; any bytes are safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "inventory/scan/torch_pickle.h"

namespace flense::inventory {

struct TensorType {
  std::string type;  ///< as the format spells it: "BF16", "F32", "Q4_K"
  std::uint64_t tensors = 0, parameters = 0;
  std::uint64_t bytes = 0;  ///< in the file
  bool operator==(const TensorType&) const = default;
};

struct ModelFile {
  /// "safetensors", "gguf", "pickle", "tensorrt", "onnx", "hdf5", "msgpack", "tensorflow",
  /// "tflite", "torchscript"
  std::string format;
  std::string architecture;          ///< GGUF general.architecture; else empty
  std::vector<TensorType> types;     ///< most bytes first; empty for pickles
  std::string unreadable;            ///< what is wrong with the header; then no types
  std::vector<TensorShape> tensors;  ///< of safetensors, and of pickles that are a plain table
  std::string untold;   ///< why the tensors of a pickle, or the GPU of a plan, are not known
  std::string version;  ///< of the TensorRT that made a plan: "10.3.0.26"
};

/// What a file of that name and beginning is; nullopt for all that is no model. `head` holds at
/// least the first 64 bytes, or the whole file.
enum class ModelFormat { kSafetensors, kGguf, kPickle, kTensorRt, kOther };
std::optional<ModelFormat> model_format(std::string_view path, Bytes head);

/// How many bytes of the beginning read_model_file() wants; headers of real models take a tenth.
inline constexpr std::uint64_t kMaxModelHeader = 16U << 20;

/// `head` is the beginning of a file of `file_size` bytes: all of it, or kMaxModelHeader.
ModelFile read_model_file(ModelFormat format, Bytes head, std::uint64_t file_size,
                          std::string_view path = {});

/// The form of other frameworks' weights by name and first bytes: "onnx", "hdf5"; empty for none.
std::string_view other_form(std::string_view path, Bytes head);

/// Bytes that 16-bit copies of the 32- and 64-bit floating-point tensors would save.
std::uint64_t half_precision_saves(const ModelFile& model);

/// Tensors of one place and type: "encoder.layer.*.attention", "lm_head"; and what narrower ones
/// would save. Quantisers to 8 bits take matrices alone; their scales, a hundredth, are not
/// counted.
struct TensorGroup {
  std::string name, type;
  std::uint64_t tensors = 0, bytes = 0, half_saves = 0, eighth_saves = 0;
  bool operator==(const TensorGroup&) const = default;
};

/// Most bytes first; empty where the header tells no tensors.
std::vector<TensorGroup> tensor_groups(const ModelFile& model);

}  // namespace flense::inventory
