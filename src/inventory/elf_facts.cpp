#include "inventory/elf_facts.h"

#include <algorithm>
#include <tuple>

#include "base/path.h"
#include "device/fatbin.h"
#include "elf/edit.h"
#include "elf/file.h"

namespace flense::inventory {

namespace {

/// "2.28" of "GLIBC_2.28" as a number that orders; 0 when it is no such name.
std::uint64_t glibc_order(std::string_view version) {
  if (!version.starts_with("GLIBC_")) return 0;
  version.remove_prefix(6);
  std::uint64_t parts[3] = {0, 0, 0};
  std::size_t part = 0;
  for (const char c : version) {
    if (c == '.') {
      if (++part == 3) return 0;
    } else if (c >= '0' && c <= '9' && parts[part] < 10000) {
      parts[part] = parts[part] * 10 + static_cast<std::uint64_t>(c - '0');
    } else {
      return 0;  // GLIBC_PRIVATE
    }
  }
  return parts[0] * 100'000'000 + parts[1] * 10'000 + parts[2];
}

/// glibc prints its banner from .rodata: "… stable release version 2.36."
std::string libc_release(const elf::File& file, const std::string& name) {
  const std::string_view base = base_name(name);
  if (base != "libc.so.6" && !(base.starts_with("libc-2.") && base.ends_with(".so"))) return {};
  const elf::Section* section = file.find_section(".rodata");
  if (section == nullptr) return {};
  const std::string_view text = as_text(file.section_bytes(*section));
  constexpr std::string_view kBanner = "stable release version ";
  const std::size_t at = text.find(kBanner);
  if (at == std::string_view::npos) return {};
  std::string_view rest = text.substr(at + kBanner.size(), 16);
  rest = rest.substr(0, rest.find_first_not_of("0123456789."));
  while (rest.ends_with('.')) rest.remove_suffix(1);
  return std::string(rest);
}

void add_code(ElfFacts& facts, const device::FileCode& code) {
  std::map<std::tuple<device::EntryKind, device::CudaArch>, ArchCount> counts;
  for (const device::SectionCode& section : code.sections) {
    facts.device_bytes += section.size;
    facts.regions += section.regions.size();
    for (const device::Region& region : section.regions) {
      for (const device::Entry& entry : region.entries) {
        ArchCount& count = counts[{entry.kind, entry.arch}];
        ++count.count;
        count.bytes += entry.size();
      }
    }
  }
  for (auto& [key, count] : counts) {
    const auto& [kind, arch] = key;
    count.vendor = "nvidia";
    count.kind = device::to_string(kind);
    count.arch = device::to_string(arch, kind == device::EntryKind::kPtx ? "compute" : "sm");
    facts.code.push_back(std::move(count));
  }
}

PruneSummary summarise_prune(const elf::File& file, const device::FileCode& code,
                             const device::PruneOptions& options) {
  PruneSummary summary;
  summary.output_size = file.bytes().size();
  const Result<device::PrunePlan> plan = device::plan_prune(file, code, options);
  if (!plan) {
    summary.left_alone = plan.error().message;
    return summary;
  }
  summary.bytes = plan->bytes;
  summary.bolder = device::bolder_gains(code, *plan, options);
  summary.left_alone = plan->left_alone;
  if (!summary.left_alone.empty()) return summary;
  const Result<elf::EditResult> result = elf::measure(file, plan->edit);
  if (!result) {
    summary.left_alone = result.error().message;
  } else if (result->output_size < result->input_size) {
    summary.output_size = result->output_size;
    summary.removed_debug_bytes = result->debug_bytes_removed;
  }
  return summary;
}

}  // namespace

std::optional<ElfFacts> read_elf_facts(Bytes bytes, const std::string& name,
                                       const device::PruneOptions* prune) {
  const Result<elf::File> file = elf::File::parse(bytes, name);
  if (!file) return std::nullopt;
  ElfFacts facts;
  facts.machine = file->machine();
  facts.type = file->type();
  facts.soname = file->soname();
  facts.needed = file->needed();
  facts.rpath = file->rpath();
  facts.runpath = file->runpath();
  facts.interpreter = file->interpreter();
  facts.build_id = file->build_id();
  facts.libc_release = libc_release(*file, name);

  std::uint64_t newest = 0;
  for (const auto& [library, version] : file->version_needs()) {
    if (const std::uint64_t order = glibc_order(version); order > newest) {
      newest = order;
      facts.glibc = version.substr(6);
    }
  }
  const elf::Strippable strippable = elf::strippable(*file);
  facts.debug_bytes = strippable.debug;
  facts.symbol_bytes = strippable.symbols;

  const Result<device::FileCode> code = device::find_device_code(*file);
  if (!code) {
    facts.unreadable = code.error().message;
    return facts;
  }
  add_code(facts, *code);
  if (prune == nullptr) return facts;
  const device::PruneOptions options = device::options_for_file(*prune, name);
  if (code->any() || device::worth_stripping(strippable, options))
    facts.prune = summarise_prune(*file, *code, options);
  return facts;
}

}  // namespace flense::inventory
