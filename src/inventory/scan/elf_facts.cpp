#include "inventory/scan/elf_facts.h"

#include <elf.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/ascii.h"
#include "base/format.h"
#include "base/path.h"
#include "base/version_numbers.h"
#include "device/amd_bundle.h"
#include "device/amd_code.h"
#include "device/amd_target.h"
#include "device/entry_content.h"
#include "device/fatbin.h"
#include "elf/edit.h"
#include "elf/file.h"
#include "elf/notes.h"
#include "inventory/scan/compile_marks.h"
#include "inventory/scan/library_functions.h"
#include "inventory/scan/mentions.h"
#include "text/json.h"

namespace flense::inventory {

namespace {

// How ArchCount and CodeFate name what AMD's bundles hold.
constexpr const char* kCodeObject = "code-object";
constexpr const char* kUnknownCode = "unknown";

/// "2.28" of "GLIBC_2.28" with that prefix as a number that orders; 0 when it is no such name.
std::uint64_t version_order(std::string_view version, std::string_view prefix) {
  if (!version.starts_with(prefix)) return 0;
  version.remove_prefix(prefix.size());
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

constexpr std::size_t kMostVersions = 1000;  ///< of symbols, asked of a file or by it

/// Keeps the newest of the versions that it sees.
class Newest {
 public:
  Newest(std::string_view prefix, std::string& out) : prefix_(prefix), out_(out) {}
  void see(const std::string& version) {
    const std::uint64_t order = version_order(version, prefix_);
    if (order <= newest_) return;
    newest_ = order;
    out_ = version.substr(prefix_.size());
  }

 private:
  std::string_view prefix_;
  std::string& out_;
  std::uint64_t newest_ = 0;
};

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

/// Of a ptxas its release; of nvJitLink and what links it the newest of its entry points, which
/// carry their version: "__nvJitLinkComplete_12_4".
std::string toolkit_named(const elf::File& file, const std::string& name,
                          const std::vector<std::string>& needed) {
  constexpr std::string_view kLinker = "libnvJitLink.so", kEntry = "__nvJitLink";
  const auto text = [&](const char* section_name) {
    const elf::Section* section = file.find_section(section_name);
    return section == nullptr ? std::string_view() : as_text(file.section_bytes(*section));
  };
  if (base_name(name).starts_with("ptxas")) return device::toolkit_release(text(".rodata"));
  const auto links = [&](std::string_view one) { return one.starts_with(kLinker); };
  if (!links(base_name(name)) && std::ranges::none_of(needed, links)) return {};
  std::string newest;
  const std::string_view names = text(".dynstr");
  for (std::size_t at = names.find(kEntry); at != std::string_view::npos;
       at = names.find(kEntry, at + 1)) {
    std::string version(names.substr(at, names.find('\0', at) - at));
    std::ranges::replace(version, '_', '.');
    version.erase(0, version.find_last_not_of("0123456789.") + 1);
    if (!version.starts_with('.')) continue;
    version.erase(0, 1);
    if (is_version(version) && compare_versions(version, newest) > 0) newest = std::move(version);
  }
  return newest;
}

/// nvcc writes code for each source file, also for one without kernels, and CMake's device link
/// some for its own default architecture, which may hold variables: no kernel is found in either.
bool is_hollow(Bytes bytes, const device::Region& region, const device::Entry& entry) {
  constexpr std::uint64_t kMost = 16u << 10;
  if (entry.payload_size > kMost || (entry.compressed() && entry.uncompressed_size > kMost))
    return false;
  const Result<std::string> content = device::entry_start(
      bytes.subspan(region.offset + entry.offset, static_cast<std::size_t>(entry.size())), entry,
      kMost + 1);
  if (!content || content->size() > kMost) return false;
  if (entry.kind == device::EntryKind::kPtx)
    return content->find(".version") != std::string::npos &&
           content->find(".global") != std::string::npos &&
           content->find(".entry") == std::string::npos &&
           content->find(".func") == std::string::npos;
  if (entry.kind != device::EntryKind::kCubin) return false;
  const Result<elf::File> cubin = elf::File::parse(as_bytes(*content), "cubin");
  if (!cubin || cubin->sections().empty()) return false;
  return std::ranges::none_of(cubin->sections(), [](const elf::Section& section) {
    return (section.flags & SHF_EXECINSTR) != 0 || section.name.find("text") != std::string::npos ||
           section.name.find("merc") != std::string::npos;
  });
}

/// Of so many cubins of a file the toolkit is asked: one compiler wrote most of them.
constexpr int kMostAsked = 16;

std::string toolkit_of(Bytes bytes, const device::Region& region, const device::Entry& entry,
                       int& asked) {
  if (entry.kind != device::EntryKind::kCubin || asked++ >= kMostAsked) return {};
  const Result<std::string> start = device::entry_start(
      bytes.subspan(region.offset + entry.offset, static_cast<std::size_t>(entry.size())), entry,
      device::kToolkitStart);
  return start ? device::cubin_toolkit(as_bytes(*start)) : std::string();
}

std::string arch_name(device::EntryKind kind, device::CudaArch arch) {
  return device::to_string(arch, kind == device::EntryKind::kPtx ? "compute" : "sm");
}

void add_code(Bytes bytes, ElfFacts& facts, const device::FileCode& code) {
  using Key = std::tuple<device::EntryKind, device::CudaArch>;
  std::map<Key, ArchCount> counts;
  std::map<Key, std::pair<std::uint16_t, std::uint16_t>> newest;
  int asked = 0;
  for (const device::SectionCode& section : code.sections) {
    facts.device_bytes += section.size;
    facts.regions += section.regions.size();
    for (const device::Region& region : section.regions) {
      for (const device::Entry& entry : region.entries) {
        ArchCount& count = counts[{entry.kind, entry.arch}];
        ++count.count;
        count.bytes += entry.size();
        if (entry.zstd()) ++count.zstd;
        if (is_hollow(bytes, region, entry)) ++count.hollow;
        auto& version = newest[{entry.kind, entry.arch}];
        version = std::max(version, std::pair(entry.version_major, entry.version_minor));
        std::string toolkit = toolkit_of(bytes, region, entry, asked);
        if (compare_versions(toolkit, count.version) > 0) count.version = std::move(toolkit);
      }
    }
  }
  for (auto& [key, count] : counts) {
    const auto& [kind, arch] = key;
    count.vendor = "nvidia";
    count.kind = device::to_string(kind);
    count.arch = arch_name(kind, arch);
    if (kind == device::EntryKind::kPtx)
      count.version = fmt::format("{}.{}", newest[key].first, newest[key].second);
    facts.code.push_back(std::move(count));
  }
}

/// Sums bundles up by target; a bundle that could not be unpacked counts as one unknown.
void add_bundles(const std::vector<device::AmdBundle>& bundles, std::vector<ArchCount>& code) {
  std::map<std::pair<std::string, std::string>, ArchCount> counts;
  const auto add = [&](std::string kind, const std::string& arch, std::uint64_t bytes) {
    ArchCount& count = counts[{kind, arch}];
    count.vendor = "amd";
    count.kind = std::move(kind);
    count.arch = arch;
    ++count.count;
    count.bytes += bytes;
  };
  for (const device::AmdBundle& bundle : bundles) {
    if (!bundle.unread.empty()) add(kUnknownCode, kUnknownCode, bundle.size);
    const std::vector<std::uint64_t> shares = device::stored_shares(bundle);
    for (std::size_t i = 0; i < bundle.entries.size(); ++i)
      add(kCodeObject, bundle.entries[i].target, shares[i]);
  }
  for (auto& [key, count] : counts) code.push_back(std::move(count));
}

/// What the bundles of the file are; nothing of a code object, which is one itself.
device::AmdCode add_amd_code(const elf::File& file, ElfFacts& facts) {
  if (auto target = device::amd_target_of_code_object(file)) {
    facts.regions = 1;
    facts.device_bytes = file.bytes().size();
    facts.code.push_back({"amd", kCodeObject, std::move(*target), 1, facts.device_bytes, {}, 0});
    return {};
  }
  Result<device::AmdCode> code = device::find_amd_code(file);
  if (!code) {
    facts.unreadable = code.error().message;
    return {};
  }
  facts.regions += code->bundles.size();
  facts.device_bytes += code->section_bytes;
  add_bundles(code->bundles, facts.code);
  return *std::move(code);
}

/// A file that is a cubin itself, as libraries ship them by the thousand to choose from.
void add_cubin(const elf::File& file, ElfFacts& facts) {
  const auto arch = device::cubin_arch(file);
  if (!arch) return;
  facts.regions = 1;
  facts.device_bytes = file.bytes().size();
  facts.code.push_back({"nvidia", std::string(device::to_string(device::EntryKind::kCubin)),
                        arch_name(device::EntryKind::kCubin, *arch), 1, facts.device_bytes,
                        device::cubin_toolkit(file.bytes()), 0, 0});
}

/// NVIDIA writes one line of JSON into the note; the toolkit's reader takes its keys in any case.
std::optional<ForwardNote> forward_note(const elf::File& file) {
  constexpr std::size_t kMostText = 64u << 10, kMostNumbers = 1000;
  const elf::Section* section = file.find_section(".note.cuda.fwd_compatibility");
  if (section == nullptr) return std::nullopt;
  const std::string_view text = as_text(elf::find_note(
      file.section_bytes(*section), section->alignment, "NVIDIA Corporation", std::nullopt));
  const std::string_view document = text.substr(0, text.find('\0'));
  if (document.empty() || document.size() > kMostText) return std::nullopt;
  const Result<text::Json> json = text::parse_json(document, file.name());
  if (!json || !json->is_object()) return std::nullopt;
  ForwardNote out;
  const auto numbers = [&](const text::Json& list, std::vector<std::uint64_t>& to) {
    for (const text::Json& item : list.items())
      if (item.is_number() && to.size() < kMostNumbers) to.push_back(item.unsigned_or(0));
  };
  for (const auto& [name, value] : json->members()) {
    if (same_text(name, "CUDA version") && value.text().size() <= 32) out.cuda = value.text();
    if (same_text(name, "driver")) numbers(value, out.drivers);
    if (same_text(name, "device")) numbers(value, out.brands);
  }
  return out;
}

std::vector<CodeFate> fates_of(const device::FileCode& code, const device::AmdCode& amd,
                               const device::PrunePlan& plan) {
  std::map<std::tuple<std::string, std::string, device::Reason>, std::uint64_t> fates;
  for (const device::EntryDecision& decision : plan.decisions) {
    const device::Entry& entry =
        code.sections[decision.section].regions[decision.region].entries[decision.entry];
    fates[{std::string(device::to_string(entry.kind)), arch_name(entry.kind, entry.arch),
           decision.reason}] += entry.size();
  }
  for (const device::AmdDecision& decision : plan.amd) {
    const bool whole = decision.entry == device::AmdDecision::kWhole;
    const std::string target =
        whole ? kUnknownCode : amd.bundles[decision.bundle].entries[decision.entry].target;
    fates[{whole ? kUnknownCode : kCodeObject, target, decision.reason}] += decision.bytes;
  }
  std::vector<CodeFate> out;
  for (const auto& [key, bytes] : fates) {
    const auto& [kind, arch, reason] = key;
    out.push_back({kind, arch, reason, bytes});
  }
  return out;
}

PruneSummary summarise_prune(const elf::File& file, const device::FileCode& code,
                             const device::AmdCode& amd, const device::PruneOptions& options) {
  PruneSummary summary;
  summary.output_size = file.bytes().size();
  const Result<device::PrunePlan> plan =
      device::plan_prune(file, code, amd, options, device::PlanUse::kMeasure);
  if (!plan) {
    summary.left_alone = plan.error().message;
    return summary;
  }
  summary.bytes = plan->bytes;
  summary.code = fates_of(code, amd, *plan);
  for (const device::AmdDecision& decision : plan->amd)
    if (device::is_drop(decision.reason)) summary.amd_dropped += decision.bytes;
  summary.bolder = device::bolder_gains(code, *plan, options);
  summary.left_alone = plan->left_alone;
  summary.withheld = plan->withheld;
  if (!summary.left_alone.empty()) return summary;
  const Result<elf::EditResult> result = elf::measure(file, plan->edit);
  if (!result) {
    summary.left_alone = result.error().message;
  } else if (result->output_size < result->input_size) {
    summary.output_size = result->output_size;
    summary.removed_debug_bytes = result->debug_bytes_removed;
    summary.recompressed_bytes = plan->recompressed.saved();
    summary.raised_entries = plan->recompressed.raised;
  }
  return summary;
}

}  // namespace

std::optional<BareCode> read_bare_code(Bytes bytes) {
  const Result<std::vector<device::AmdBundle>> bundles = device::read_amd_bundles(bytes);
  if (!bundles || bundles->empty()) return std::nullopt;
  BareCode out{bundles->size(), bytes.size(), {}};
  add_bundles(*bundles, out.code);
  return out;
}

std::optional<ElfFacts> read_elf_facts(Bytes bytes, const std::string& name,
                                       const device::PruneOptions* prune,
                                       std::span<const device::PruneOptions> further) {
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

  constexpr std::string_view kGlibc = "GLIBC_", kGlibcxx = "GLIBCXX_", kCxxabi = "CXXABI_";
  Newest glibc(kGlibc, facts.glibc), glibcxx(kGlibcxx, facts.cxx_asked.glibcxx),
      cxxabi(kCxxabi, facts.cxx_asked.cxxabi);
  const auto is_system = [&](std::string_view version) {
    return starts_with_any(version, {kGlibc, kGlibcxx, kCxxabi});
  };
  for (const auto& [library, version] : file->version_needs()) {
    for (Newest* newest : {&glibc, &glibcxx, &cxxabi}) newest->see(version);
    if (!is_system(version) && facts.versions.asked.size() < kMostVersions)
      facts.versions.asked.push_back(fmt::format("{} {}", library, version));
  }
  for (const std::string& version : file->version_definitions())
    if (!is_system(version)) facts.versions.own.push_back(version);
  if (facts.versions.own.size() > kMostVersions) facts.versions.own.clear();
  Newest own_glibcxx(kGlibcxx, facts.cxx.glibcxx), own_cxxabi(kCxxabi, facts.cxx.cxxabi);
  if (base_name(name).starts_with("libstdc++.so.6"))
    for (const std::string& version : file->version_definitions())
      for (Newest* newest : {&own_glibcxx, &own_cxxabi}) newest->see(version);
  facts.x86_isa = elf::x86_isa_needed(*file);
  for (const elf::Segment& segment : file->segments())
    if (segment.type == PT_LOAD && (facts.page == 0 || segment.alignment < facts.page))
      facts.page = segment.alignment;
  facts.toolkit = toolkit_named(*file, name, facts.needed);
  facts.functions = library_functions(*file, name, facts.needed);
  facts.forward = forward_note(*file);
  const elf::Strippable strippable = elf::strippable(*file);
  facts.debug_bytes = strippable.debug;
  facts.symbol_bytes = strippable.symbols;

  const Result<device::FileCode> code = device::find_device_code(*file);
  const device::FileCode known_code = code ? *code : device::FileCode();
  facts.mentions = mentioned_libraries(*file, known_code);
  facts.compiles = compile_marks(*file, known_code);
  if (!code) {
    facts.unreadable = code.error().message;
    return facts;
  }
  add_code(bytes, facts, *code);
  add_cubin(*file, facts);
  const device::AmdCode amd = add_amd_code(*file, facts);
  if (prune == nullptr) return facts;
  const device::PruneOptions options = device::options_for_file(*prune, name);
  if (!code->any() && !amd.places.any() && !device::worth_stripping(strippable, options))
    return facts;
  facts.prune = summarise_prune(*file, *code, amd, options);
  for (const device::PruneOptions& one : further)
    facts.further.push_back(
        summarise_prune(*file, *code, amd, device::options_for_file(one, name)));
  return facts;
}

}  // namespace flense::inventory
