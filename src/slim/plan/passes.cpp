#include "slim/plan/passes.h"

namespace flense::slim {

std::vector<Pass> all_passes() {
  std::vector<Pass> out = {kShadowedFiles, kGpuFiles,         kHubCache,     kPickledWeights,
                           kUnreachable,   kCudaCopies,       kEqualFiles,   kDeviceCode,
                           kDevicePtx,     kRecompressedCode, kDebugSections};
  for (const inventory::WasteRule& rule : inventory::waste_rules()) out.emplace_back(rule);
  return out;
}

}  // namespace flense::slim
