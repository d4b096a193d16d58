#include "report/hosts/text.h"

#include <algorithm>

#include "base/format.h"
#include "base/printable.h"
#include "host/profile_fields.h"
#include "report/format/table.h"

namespace flense::report {

namespace {

using host::Fact;
using host::Gpu;
using host::Profile;

std::string heading(const HostTextOptions& options, std::string_view title) {
  return "\n" + options.style.paint(Ink::kBold, title) + "\n";
}

std::string cell(const std::string& value) {
  return value;
}
std::string cell(std::uint64_t value) {
  return grouped(value);
}
std::string cell(bool value) {
  return value ? "yes" : "no";
}
std::string cell(const std::vector<std::string>& values) {
  return values.empty() ? "none" : fmt::format("{}", fmt::join(values, " "));
}
template <class T>
std::string cell(const Fact<T>& fact) {
  return fact.value ? cell(*fact.value) : "?";
}

/// Memory sizes are powers of two, so 80 GiB is what people call an 80 GB card.
std::string memory_cell(const host::Number& bytes) {
  if (!bytes.value) return "?";
  return fmt::format("{} GiB", (*bytes.value + (1u << 29)) >> 30);
}

Table fact_table() {
  return Table({{"", Align::kLeft, Column::Flex::kNone},
                {"", Align::kLeft, Column::Flex::kWrap},
                {"", Align::kLeft, Column::Flex::kWrap}});
}

template <class T>
void add(Table& table, std::string name, const Fact<T>& fact, Ink ink = Ink::kPlain) {
  if (!fact.value && fact.evidence.empty()) return;  // does not apply
  table.add({std::move(name), cell(fact), fact.evidence}, fact.value ? ink : Ink::kDim);
}

std::string summary(const Profile& profile, const HostTextOptions& options) {
  std::string out = options.style.paint(
      Ink::kBold, profile.source == "this" ? "this machine" : printable(profile.source));
  for (const host::Text* fact :
       {&profile.system.distribution, &profile.system.kernel, &profile.system.architecture})
    if (fact->value) out += "  " + printable(*fact->value);
  return out + "\n";
}

std::string notices(const Profile& profile, const HostTextOptions& options) {
  std::string out;
  for (const std::string& notice : profile.notices)
    out += options.style.paint(Ink::kYellow, "note: ") + printable(notice) + "\n";
  return out;
}

std::string link_cell(const Gpu& gpu) {
  if (!gpu.link_speed.value || !gpu.link_width.value) return "?";
  std::string out = fmt::format("{} x{}", *gpu.link_speed.value, *gpu.link_width.value);
  const auto less = [](const auto& now, const auto& most) {
    return most.value && most.value != now.value;
  };
  // An idle GPU lets its link sleep, so running below the maximum is not a fault in itself.
  if (less(gpu.link_speed, gpu.link_speed_max) || less(gpu.link_width, gpu.link_width_max))
    out += fmt::format(" of {} x{}", cell(gpu.link_speed_max), cell(gpu.link_width_max));
  return out;
}

std::string split_cell(const Gpu& gpu) {
  if (gpu.sharing.value)
    return fmt::format("{} by {}", cell(gpu.replicas), printable(*gpu.sharing.value));
  if (gpu.mig_instances.value.value_or(0) > 0)
    return fmt::format("{} MIG", *gpu.mig_instances.value);
  if (gpu.partition.value) return fmt::format("{}, {}", *gpu.partition.value, cell(gpu.partitions));
  return "-";
}

std::string gpus(const Profile& profile, const HostTextOptions& options) {
  if (profile.gpus.empty()) {
    if (!profile.gpu_count.value && profile.gpu_count.evidence.empty()) return {};
    const std::string text =
        profile.gpu_count.value ? "none" : "? (" + printable(profile.gpu_count.evidence) + ")";
    return heading(options, "GPUS") + "  " + text + "\n";
  }
  std::vector<Column> columns = {
      {"#", Align::kRight, Column::Flex::kNone},   {"GPU", Align::kLeft, Column::Flex::kEnd},
      {"ARCH", Align::kLeft, Column::Flex::kNone}, {"MEMORY", Align::kRight, Column::Flex::kNone},
      {"PCI", Align::kLeft, Column::Flex::kNone},  {"NUMA", Align::kRight, Column::Flex::kNone},
      {"LINK", Align::kLeft, Column::Flex::kNone}, {"SPLIT", Align::kLeft, Column::Flex::kNone}};
  if (options.verbose) columns.push_back({"UUID", Align::kLeft, Column::Flex::kNone});
  Table table(std::move(columns));
  for (std::size_t i = 0; i < profile.gpus.size(); ++i) {
    const Gpu& gpu = profile.gpus[i];
    const std::string name = gpu.name.value     ? *gpu.name.value
                             : gpu.pci_id.value ? gpu.vendor + " " + *gpu.pci_id.value
                                                : gpu.vendor;
    std::vector<std::string> cells = {std::to_string(i),      name,
                                      cell(gpu.architecture), memory_cell(gpu.memory_bytes),
                                      cell(gpu.pci_address),  cell(gpu.numa_node),
                                      link_cell(gpu),         split_cell(gpu)};
    if (options.verbose) cells.push_back(cell(gpu.uuid));
    table.add(std::move(cells));
  }
  std::string out = heading(options, "GPUS") + table.text(options.style);
  if (!options.verbose) return out;
  for (std::size_t i = 0; i < profile.gpus.size(); ++i) {
    Table facts = fact_table();
    host::each_field(profile.gpus[i], [&](const char* name, const auto& member) {
      if constexpr (requires { member.evidence; }) add(facts, name, member);
    });
    out += heading(options, fmt::format("GPU {}", i)) + facts.text(options.style);
  }
  return out;
}

std::string driver(const Profile& profile, const HostTextOptions& options) {
  const host::Nvidia& nvidia = profile.nvidia;
  std::string out;
  const bool any = nvidia.module_version.value || nvidia.library_version.value ||
                   nvidia.library_path.value || nvidia.toolkit_version.value;
  if (any) {
    Table table = fact_table();
    add(table, "kernel module", nvidia.module_version);
    add(table, "module kind", nvidia.module_kind);
    add(table, "libcuda", nvidia.library_version);
    add(table, "driver root", nvidia.driver_root);
    if (nvidia.agree.value == false) add(table, "agree", nvidia.agree, Ink::kRed);
    add(table, "CUDA", nvidia.cuda);
    add(table, "persistenced", nvidia.persistenced);
    if (nvidia.mps_directory.value) add(table, "MPS daemon", nvidia.mps_directory);
    add(table, "container toolkit", nvidia.toolkit_version);
    out += heading(options, "NVIDIA DRIVER") + table.text(options.style);
  }
  const bool amd = std::any_of(profile.gpus.begin(), profile.gpus.end(),
                               [](const Gpu& gpu) { return gpu.vendor == "amd"; });
  if (amd || profile.amd.driver_version.value || profile.amd.rocm_version.value) {
    Table table = fact_table();
    add(table, "amdgpu", profile.amd.driver_version);
    add(table, "ROCm", profile.amd.rocm_version);
    out += heading(options, "AMD DRIVER") + table.text(options.style);
  }
  return out;
}

std::string system(const Profile& profile, const HostTextOptions& options) {
  const host::System& system = profile.system;
  Table table = fact_table();
  add(table, "kernel", system.kernel);
  add(table, "architecture", system.architecture);
  add(table, "distribution", system.distribution);
  add(table, "libc", system.libc);
  add(table, "libc version", system.libc_version);
  add(table, "processor", system.cpu_model);
  add(table, "level", system.cpu_level);
  add(table, "processors", system.cpus);
  if (options.verbose) add(table, "flags", system.cpu_flags);
  if (system.memory_bytes.value)
    table.add({"memory", memory_cell(system.memory_bytes), system.memory_bytes.evidence});
  if (system.wsl2.value == true) add(table, "WSL2", system.wsl2);
  if (system.jetson.value) add(table, "Jetson Linux", system.jetson);
  if (system.board.value) add(table, "board", system.board);
  if (system.in_container.value == true) add(table, "in a container", system.in_container);
  add(table, "cgroups", profile.isolation.cgroups);
  add(table, "user namespaces", profile.isolation.user_namespaces);
  add(table, "overlay", profile.isolation.overlay);
  add(table, "FUSE", profile.isolation.fuse);
  if (table.empty()) return {};
  return heading(options, "SYSTEM") + table.text(options.style);
}

std::string networks(const Profile& profile, const HostTextOptions& options) {
  if (profile.networks.empty()) return {};
  Table table({{"CARD", Align::kLeft, Column::Flex::kNone},
               {"LINK LAYER", Align::kLeft, Column::Flex::kNone},
               {"STATE", Align::kLeft, Column::Flex::kNone},
               {"RATE", Align::kLeft, Column::Flex::kNone},
               {"PCI", Align::kLeft, Column::Flex::kNone},
               {"NUMA", Align::kRight, Column::Flex::kNone},
               {"DISTANCE TO GPUS", Align::kLeft, Column::Flex::kWrap}});
  for (const host::Network& card : profile.networks) {
    std::string distances;
    for (const host::Distance& distance : card.distances) {
      const auto gpu = std::find_if(profile.gpus.begin(), profile.gpus.end(), [&](const Gpu& one) {
        return one.pci_address.value == distance.gpu;
      });
      const auto index = static_cast<std::size_t>(gpu - profile.gpus.begin());
      distances += fmt::format("{}{}:{}", distances.empty() ? "" : " ", index, distance.numa);
    }
    table.add({card.name, cell(card.link_layer), cell(card.state), cell(card.rate),
               cell(card.pci_address), cell(card.numa_node), distances.empty() ? "?" : distances});
  }
  return heading(options, "NETWORK") + table.text(options.style);
}

std::string engines(const Profile& profile, const HostTextOptions& options) {
  if (profile.engines.empty()) return {};
  Table table({{"ENGINE", Align::kLeft, Column::Flex::kNone},
               {"VERSION", Align::kLeft, Column::Flex::kEnd},
               {"CDI", Align::kLeft, Column::Flex::kNone},
               {"NVIDIA RUNTIME", Align::kLeft, Column::Flex::kNone},
               {"EVIDENCE", Align::kLeft, Column::Flex::kWrap}});
  for (const host::Engine& engine : profile.engines)
    table.add({engine.name, cell(engine.version), cell(engine.cdi), cell(engine.nvidia_runtime),
               fmt::format("{}; CDI: {}", engine.path.evidence, engine.cdi.evidence)});
  std::string out = heading(options, "ENGINES") + table.text(options.style);
  if (profile.cdi_specs.value)
    out += fmt::format("  CDI specifications: {}\n", printable(cell(profile.cdi_specs)));
  return out;
}

}  // namespace

std::string host_text(const Profile& profile, const HostTextOptions& options) {
  std::string out = summary(profile, options) + notices(profile, options);
  out += gpus(profile, options);
  if (options.quiet) return out;
  return out + driver(profile, options) + networks(profile, options) + system(profile, options) +
         engines(profile, options);
}

}  // namespace flense::report
