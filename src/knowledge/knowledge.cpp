#include "knowledge/knowledge.h"

#include <utility>

namespace flense::knowledge {

Result<Knowledge> Knowledge::load(const std::optional<std::filesystem::path>& directory) {
  TRY(TableSet tables, TableSet::load(directory));
  return read(std::move(tables));
}

Result<Knowledge> Knowledge::load_for_verdicts() {
  TRY(TableSet tables, TableSet::load({}, TableSet::Scope::kVerdicts));
  return read(std::move(tables));
}

Knowledge Knowledge::read(TableSet tables) {
  Knowledge out;
  out.tables = std::move(tables);
  out.drivers = Drivers::read(out.tables);
  out.architectures = Architectures::read(out.tables);
  out.forward_compat = ForwardCompat::read(out.tables);
  out.rocm = Rocm::read(out.tables);
  out.glibc = Glibc::read(out.tables);
  out.cpu_isa = CpuIsa::read(out.tables);
  out.frameworks = Frameworks::read(out.tables);
  out.redistribution = Redistribution::read(out.tables);
  out.build = BuildFacts::read(out.tables);
  out.images = Images::read(out.tables);
  out.launch = LaunchFacts::read(out.tables);
  out.releases = Releases::read(out.tables);
  out.explained = Explained::read(out.tables);
  return out;
}

}  // namespace flense::knowledge
