#include "host/node_facts.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/numbers.h"
#include "host/gpu_models.h"
#include "host/probe.h"
#include "host/text_formats.h"

namespace flense::host {

const Text& NodeTables::architecture_of(const std::string& model) {
  const auto [at, fresh] = architectures_.try_emplace(model);
  if (fresh) at->second = architecture_by_name(known.gpus, model);
  return at->second;
}

const Text& NodeTables::cuda_of(const std::string& driver) {
  const auto [at, fresh] = cuda_.try_emplace(driver);
  if (fresh) at->second = cuda_by_branch(known.drivers, driver);
  return at->second;
}

std::optional<std::uint64_t> parse_quantity(std::string_view text) {
  struct Unit {
    std::string_view suffix;
    std::uint64_t factor;
  };
  static constexpr std::array<Unit, 9> kUnits = {{{"Ki", std::uint64_t{1} << 10},
                                                  {"Mi", std::uint64_t{1} << 20},
                                                  {"Gi", std::uint64_t{1} << 30},
                                                  {"Ti", std::uint64_t{1} << 40},
                                                  {"k", 1'000},
                                                  {"M", 1'000'000},
                                                  {"G", 1'000'000'000},
                                                  {"T", 1'000'000'000'000},
                                                  {"", 1}}};
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number(text.substr(0, end));
  const std::string_view suffix = text.substr(end);
  if (!number) return std::nullopt;
  if (suffix == "m") return *number / 1000;
  for (const Unit& unit : kUnits)
    if (suffix == unit.suffix)
      return *number > UINT64_MAX / unit.factor ? std::nullopt
                                                : std::optional(*number * unit.factor);
  return std::nullopt;
}

std::string kernel_of_os(std::string_view text) {
  constexpr std::string_view kLinux = "Linux ";
  if (!text.starts_with(kLinux)) return {};
  text.remove_prefix(kLinux.size());
  return clean(text.substr(0, text.find(' ')));
}

void add_instance(const knowledge::Gpus& gpus, const knowledge::InstanceType& type,
                  const std::string& evidence, Profile& out) {
  Gpu gpu;
  if (const knowledge::GpuProduct* product = gpus.named(type.gpu)) {
    gpu.vendor = product->vendor;
    gpu.name = Text::known(product->display, evidence);
    gpu.architecture = Text::known(product->architecture, evidence);
  }
  gpu.memory_bytes = Number::known(type.memory_bytes, evidence);
  out.gpu_count = Number::known(type.count, evidence);
  out.gpus.insert(out.gpus.end(), type.count, gpu);
  if (!out.system.architecture.value) out.system.architecture = Text::known(type.cpu, evidence);
  if (!type.rdma.empty()) {
    Network card;
    card.name = type.rdma;
    card.link_layer = Text::known(type.rdma, evidence);
    out.networks.push_back(std::move(card));
  }
}

void mark_unknown(Profile& out, const std::string& reason) {
  const auto mark = [&](auto& fact) {
    if (!fact.value && fact.evidence.empty()) fact.evidence = reason;
  };
  const bool nvidia =
      std::ranges::any_of(out.gpus, [](const Gpu& gpu) { return gpu.vendor == "nvidia"; });
  const bool amd =
      std::ranges::any_of(out.gpus, [](const Gpu& gpu) { return gpu.vendor == "amd"; });
  mark(out.gpu_count);
  if (nvidia || !amd)
    for (Text* fact : {&out.nvidia.module_version, &out.nvidia.library_version, &out.nvidia.cuda})
      mark(*fact);
  if (nvidia || !amd) mark(out.nvidia.agree);
  if (amd || !nvidia) mark(out.amd.driver_version);
  for (Gpu& gpu : out.gpus) {
    mark(gpu.name);
    mark(gpu.architecture);
    mark(gpu.memory_bytes);
  }
  for (Text* fact : {&out.system.kernel, &out.system.architecture, &out.system.distribution,
                     &out.system.libc, &out.system.libc_version, &out.system.cpu_level})
    mark(*fact);
}

}  // namespace flense::host
