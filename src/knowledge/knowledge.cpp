#include "knowledge/knowledge.h"

namespace flense::knowledge {

Result<Knowledge> Knowledge::load(const std::optional<std::filesystem::path>& directory) {
  Knowledge out;
  TRY(out.tables, TableSet::load(directory));
  return out;
}

}  // namespace flense::knowledge
