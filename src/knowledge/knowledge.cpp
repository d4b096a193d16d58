#include "knowledge/knowledge.h"

namespace flense::knowledge {

Result<Knowledge> Knowledge::load(const OwnTables& own, std::span<const std::string_view> names) {
  Knowledge out;
  TRY(out.tables, TableSet::load(own, names));
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
  out.gpus = Gpus::read(out.tables);
  out.instances = Instances::read(out.tables);
  out.container_toolkit = ContainerToolkit::read(out.tables);
  out.budgets = read_budgets(out.tables);
  return out;
}

}  // namespace flense::knowledge
