// docs/passes.md is held against the code: each pass stands in it, with its level and its verdict,
// and no other.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "slim/plan/passes.h"

namespace flense::slim {
namespace {

using Said = std::pair<std::string, std::string>;  // level, verdict

/// By id, of every row of the tables.
std::map<std::string, Said> documented_passes() {
  std::ifstream file(FLENSE_SOURCE_DIR "/docs/passes.md");
  EXPECT_TRUE(file.good());
  std::map<std::string, Said> out;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| `")) continue;
    const std::size_t end = line.find("` |", 3);
    if (end == std::string::npos) continue;
    const std::size_t bar = line.find(" | ", end + 4);
    const std::string cells = line.substr(end + 4, bar - end - 4);
    const std::string verdict = line.substr(bar + 3, line.find(" |", bar + 3) - bar - 3);
    const Said said{cells.substr(0, cells.find_first_of(" ,|")), verdict};
    EXPECT_TRUE(out.emplace(line.substr(3, end - 3), said).second) << line;
  }
  return out;
}

TEST(PassesDocument, HasEveryPassOnceAndNoOther) {
  std::map<std::string, Said> passes;
  for (const Pass pass : all_passes())
    passes[std::string(pass.id())] = {std::string(device::to_string(pass.level())),
                                      std::string(to_string(pass.verdict()))};
  // What else than a level asks for a row, and what no level cuts.
  passes[std::string(kRecompressedCode.id)].first = "`--recompress-code`";
  passes[std::string(kPickledWeights.id)].first = "report";
  for (const inventory::WasteRule& rule : inventory::waste_rules())
    if (!rule.reported.empty()) passes[std::string(rule.id)].first = "report";
  EXPECT_EQ(passes.size(), all_passes().size()) << "an id stands twice";
  EXPECT_EQ(documented_passes(), passes);
}

}  // namespace
}  // namespace flense::slim
