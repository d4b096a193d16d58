// Headers of model weights and the names that files mention: bytes that come straight from an
// image.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "inventory/scan/mentions.h"
#include "inventory/scan/model_file.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flense;
  using inventory::ModelFormat;
  const Bytes bytes = std::as_bytes(std::span(data, size));
  static_cast<void>(inventory::model_format("m/blobs/x", bytes));
  for (const ModelFormat format :
       {ModelFormat::kSafetensors, ModelFormat::kGguf, ModelFormat::kPickle}) {
    for (const std::uint64_t file_size : {std::uint64_t{size}, std::uint64_t{1} << 40U}) {
      const inventory::ModelFile model = inventory::read_model_file(format, bytes, file_size);
      require(model.unreadable.empty() || model.types.empty());
      std::uint64_t total = 0;
      for (const inventory::TensorType& type : model.types) {
        require(type.tensors > 0 && type.bytes <= file_size);
        total += type.bytes;
      }
      require(inventory::half_precision_saves(model) <= total);
    }
  }
  for (const std::string& name : inventory::mentioned_libraries(as_text(bytes)))
    require(name.starts_with("lib") && name.size() <= 100);
  return 0;
}
