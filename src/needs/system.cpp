// The C library of the image, and the processor that loader, libc and start program ask for.
#include <elf.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <iterator>
#include <map>
#include <utility>

#include "base/path.h"
#include "inventory/describe/start.h"
#include "needs/collectors.h"

namespace flense::needs {

namespace {

/// Version of the libc.so.6 that programs get; what a package or another copy says, when that one
/// does not tell.
std::string glibc_version(const inventory::Survey& survey) {
  for (const std::string& directory : survey.paths.system)
    if (const inventory::ElfFacts* libc = survey.elf_at(directory + "/libc.so.6");
        libc != nullptr && !libc->libc_release.empty())
      return libc->libc_release;
  return {};
}

std::string stated_version(const inventory::Inventory& inventory, std::string_view libc) {
  for (const inventory::Runtime& runtime : inventory.runtimes)
    if (runtime.name == libc && !runtime.version.empty()) return runtime.version;
  return {};
}

/// "x86-64-v3" of the highest bit (elf/notes.h).
std::string level_of(std::uint32_t isa) {
  const auto level = std::bit_width(isa & 0xfU);
  if (level <= 1) return "x86-64";
  return fmt::format("x86-64-v{}", level);
}

void add_cpu(const inventory::Survey& survey, const std::vector<std::string>& loaded,
             Needs& needs) {
  std::vector<std::string> paths;
  if (auto program = start_program(survey)) {
    if (const inventory::ElfFacts* elf = survey.elf_at(*program); !elf->interpreter.empty())
      paths.push_back(resolve_link_text("", elf->interpreter));
    paths.push_back(std::move(*program));
  }
  for (const std::string& directory : survey.paths.system)
    for (const char* name : {"/ld-linux-x86-64.so.2", "/libc.so.6"})
      paths.push_back(directory + name);
  paths.insert(paths.end(), loaded.begin(), loaded.end());
  std::uint32_t highest = 0;
  for (const std::string& path : paths) {
    const inventory::ElfFacts* elf = survey.elf_at(path);
    if (elf == nullptr || (elf->x86_isa & 0xf) <= highest) continue;
    highest = elf->x86_isa & 0xf;
    needs.cpu = CpuNeed{level_of(highest), *survey.resolve(path)};
  }
}

/// ld.so: "ELF load command alignment not page-aligned".
void add_pages(const inventory::Survey& survey, const std::vector<std::string>& loaded,
               Needs& needs) {
  constexpr std::uint64_t kLargest = 64U << 10;
  constexpr std::size_t kMost = 200;
  std::vector<needs::Sighting> others;
  for (const inventory::SurveyFile& file : survey.files) {
    if (file.elf == nullptr || file.elf->machine != EM_AARCH64 || file.elf->page == 0 ||
        file.elf->page >= kLargest || (file.elf->type != ET_DYN && file.elf->type != ET_EXEC))
      continue;
    const bool starts = std::ranges::find(loaded, file.path) != loaded.end();
    (starts ? needs.small_pages : others)
        .push_back({file.path, starts ? "loaded by the start" : "", file.elf->page});
  }
  std::ranges::move(others, std::back_inserter(needs.small_pages));
  if (needs.small_pages.size() > kMost) needs.small_pages.resize(kMost);
}

std::vector<std::string> processors_of(const inventory::Survey& survey) {
  std::map<std::uint16_t, std::size_t> counts;
  for (const inventory::SurveyFile& file : survey.files)
    if (file.elf != nullptr && !processor_name(file.elf->machine).empty())
      ++counts[file.elf->machine];
  std::vector<std::pair<std::uint16_t, std::size_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::ranges::greater(),
                           [](const auto& one) { return one.second; });
  std::vector<std::string> out;
  for (const auto& [machine, count] : sorted) out.emplace_back(processor_name(machine));
  return out;
}

}  // namespace

std::string_view processor_name(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86_64";
    case EM_AARCH64:
      return "aarch64";
    case EM_PPC64:
      return "ppc64le";
    default:
      return {};
  }
}

std::string other_processor(const inventory::Survey& survey, std::string_view library) {
  for (const inventory::SurveyFile& file : survey.files) {
    if (file.elf == nullptr || file.elf->machine == survey.machine ||
        (base_name(file.path) != library && file.elf->soname != library))
      continue;
    const std::string_view name = processor_name(file.elf->machine);
    return std::string(name.empty() ? "another processor" : name);
  }
  return {};
}

std::optional<std::string> start_program(const inventory::Survey& survey) {
  for (const std::string& path : inventory::start_paths(survey.image)) {
    auto real = survey.resolve(path);
    if (!real) continue;
    if (survey.elf_at(*real) != nullptr) return real;
    const image::EntryRef ref = *survey.contents.tree().find(*real)->content;
    const auto& scripts = survey.contents.scan(ref).scripts;
    const auto script = scripts.find(ref.index);
    if (script == scripts.end()) continue;
    const inventory::Interpreter interpreter = inventory::parse_interpreter(script->second);
    std::vector<std::string> candidates = {interpreter.path};
    if (interpreter.program.find('/') != std::string::npos)
      candidates.insert(candidates.begin(), resolve_link_text("", interpreter.program));
    else if (!interpreter.program.empty())
      for (const std::string& directory : inventory::program_path(survey.image))
        candidates.insert(candidates.end() - 1, directory + "/" + interpreter.program);
    for (const std::string& candidate : candidates)
      if (survey.elf_at(candidate) != nullptr) return survey.resolve(candidate);
  }
  return std::nullopt;
}

void collect_system(const inventory::Survey& survey, const inventory::Inventory& inventory,
                    const std::vector<std::string>& loaded, Needs& needs) {
  bool glibc = survey.has_library("ld-linux*");
  if (inventory::uses_musl(survey.contents.tree())) {
    needs.libc = "musl";
    needs.libc_version = stated_version(inventory, "musl");
  } else if (glibc) {
    needs.libc = "glibc";
    needs.libc_version = glibc_version(survey);
    if (needs.libc_version.empty()) needs.libc_version = stated_version(inventory, "glibc");
  }
  add_cpu(survey, loaded, needs);
  add_pages(survey, loaded, needs);
  needs.machines = processors_of(survey);
}

}  // namespace flense::needs
