// Kernels that earlier runs have compiled, by the GPU that they are for.
//   - Triton writes it beside them: `.triton/cache/KEY/NAME.json` has "target": {"backend": "cuda",
//     "arch": 90} (triton compiler/compiler.py), and the key is made from it, so that no other GPU
//     ever looks there.
//   - PyTorch's compiler puts Triton's cache beside its own: /tmp/torchinductor_USER/triton/DEVICE/
//     (torch/_inductor/runtime/cache_dir_utils.py), and vLLM below torch_compile_cache/HASH/
//     (vllm/compilation/compiler_interface.py). All of such a tree is for the GPU of its kernels.
//   - FlashInfer's are in .cache/flashinfer/VERSION/80_90a/ (flashinfer/jit/env.py).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "device/target.h"
#include "inventory/names/waste.h"
#include "inventory/scan/contents.h"

namespace flense::slim {

class JitCaches {
 public:
  enum class Fit { kUnknown, kServes, kOtherGpu };

  static JitCaches find(const inventory::Contents& contents, const device::Targets& targets);
  /// Of a file in a cache; kUnknown where nothing says for which GPU it is.
  Fit fit(std::string_view path) const;

  /// Whether the rule takes the path at `level`: what serves a target stays at every level, what
  /// serves none goes from standard on.
  bool takes(const inventory::WasteRule& rule, std::string_view path, device::Level level) const;

 private:
  std::map<std::string, Fit, std::less<>> folders_;
  std::map<std::string, Fit, std::less<>> trees_;  ///< of PyTorch's compiler
  device::Targets targets_;
};

}  // namespace flense::slim
