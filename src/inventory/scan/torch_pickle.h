// The tensors of a file that torch.save() made, by its header alone: the archive's first member,
// data.pkl. A pickle is a program; this reads the few instructions and calls of a plain table of
// tensors, runs nothing, and takes anything else for unreadable.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::inventory {

/// One tensor of a file, as its header describes it.
struct TensorShape {
  std::string name;
  std::string type;  ///< as safetensors spells it: "F32", "BF16"
  std::vector<std::uint64_t> shape;
  std::string storage;  ///< of a pickle: what several tensors may share, with the place in it
  bool operator==(const TensorShape&) const = default;
};

/// More are not kept: then nobody compares them.
inline constexpr std::size_t kMostTensors = 20'000;

/// `head` is the beginning of the file. In the order of the file.
Result<std::vector<TensorShape>> torch_tensors(Bytes head);

/// The same of the pickle itself.
Result<std::vector<TensorShape>> pickled_tensors(Bytes pickle);

}  // namespace flense::inventory
