// docs/passes.md is held against the code: each pass stands in it, with its level, and no other.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "inventory/candidates/cuda_copies.h"
#include "inventory/candidates/equal_files.h"
#include "inventory/candidates/gpu_files.h"
#include "inventory/candidates/hub_cache.h"
#include "inventory/names/waste.h"

namespace flense::inventory {
namespace {

/// Id -> level, of every row of the tables.
std::map<std::string, std::string> documented_passes() {
  std::ifstream file(FLENSE_SOURCE_DIR "/docs/passes.md");
  EXPECT_TRUE(file.good());
  std::map<std::string, std::string> out;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| `")) continue;
    const std::size_t end = line.find("` |", 3);
    if (end == std::string::npos) continue;
    std::string level = line.substr(end + 4);
    level = level.substr(0, level.find_first_of(" ,|"));
    EXPECT_TRUE(out.emplace(line.substr(3, end - 3), level).second) << line;
  }
  return out;
}

TEST(PassesDocument, HasEveryPassOnceAndNoOther) {
  std::map<std::string, std::string> passes = {
      {"shadowed-files", "safe"},
      {"device-code", "safe"},
      {"device-ptx", "standard"},
      {"recompressed-code", "`--recompress-code`"},
      {"debug-sections", "standard"},
      {"unreachable", "aggressive"},
      {std::string(kGpuFiles), "standard"},
      {std::string(kHubCache), "standard"},
      {std::string(kCudaCopies), "aggressive"},
      {std::string(kEqualFiles), "standard"},
  };
  for (const WasteRule& rule : waste_rules())
    passes.emplace(rule.id, rule.reported.empty() ? device::to_string(rule.level) : "report");
  EXPECT_EQ(documented_passes(), passes);
}

}  // namespace
}  // namespace flense::inventory
