#include "knowledge/knowledge.h"

namespace flense::knowledge {

Result<Knowledge> Knowledge::load(const std::optional<std::filesystem::path>& directory) {
  Knowledge out;
  TRY(out.tables, TableSet::load(directory));
  out.drivers = Drivers::read(out.tables);
  out.architectures = Architectures::read(out.tables);
  out.forward_compat = ForwardCompat::read(out.tables);
  return out;
}

}  // namespace flense::knowledge
