// Device code, and libraries of the driver that lie in the image: for older drivers, by mistake, as
// stubs.
#include <elf.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/path.h"
#include "inventory/names/file_names.h"
#include "needs/collectors.h"

namespace flense::needs {

namespace {

constexpr std::string_view kCuda = "libcuda.so.";

/// "575.57.08" of "libcuda.so.575.57.08"; empty when there is no such version ("libcuda.so.1").
std::string_view version_of(std::string_view name) {
  const std::size_t at = name.find(".so.");
  if (at == std::string_view::npos) return {};
  const std::string_view version = name.substr(at + 4);
  const bool plain = version.find_first_not_of("0123456789.") == std::string_view::npos;
  return plain && version.find('.') != std::string_view::npos ? version : std::string_view{};
}

/// Directories are called compat, and compat_orin where there is more than one line of packages.
bool in_compat_directory(std::string_view path) {
  std::string_view folder = base_name(parent_path(path));
  // Where the entry point of NGC's images makes a link to it from compat/lib.
  if (folder == "lib.real") folder = base_name(parent_path(parent_path(path)));
  // conda-forge's package of them has cuda-compat.
  return folder.starts_with("compat") || folder == "cuda-compat";
}

void add_compat(const inventory::Survey& survey, const inventory::SurveyFile& file, Needs& needs) {
  const std::string_view name = base_name(file.path);
  if (!name.starts_with(kCuda) || version_of(name).empty()) return;
  CompatPackage package;
  package.path = file.path;
  package.version = version_of(name);
  package.aside = survey.resolve(fmt::format("usr/local/cuda/compat/{}", name)) != file.path;
  if (file.elf != nullptr && file.elf->forward) {
    package.note = true;
    package.cuda = file.elf->forward->cuda;
    package.drivers = file.elf->forward->drivers;
    package.brands = file.elf->forward->brands;
  }
  needs.compat.push_back(std::move(package));
}

void add_driver_file(const inventory::SurveyFile& file, Needs& needs) {
  const std::string_view version = version_of(base_name(file.path));
  std::string what = "driver library";
  if (!version.empty()) what += fmt::format(" of version {}", version);
  // What a runtime mounts the host's library on, kept by `docker commit`.
  if (file.size == 0)
    what = "empty file with the name of a driver library";
  else if (file.elf == nullptr)
    return;
  needs.driver_files.push_back({file.path, std::move(what), file.size});
}

/// The loader finds a stub when it looks for the driver in `directory`. `before`: before it looks
/// where the host's library is placed.
void add_stub(const inventory::Survey& survey, const std::string& directory, bool before,
              const std::string& who, std::set<std::string>& known, Needs& needs) {
  for (const std::string_view name : {"libcuda.so.1", "libcuda.so", "libnvidia-ml.so.1"}) {
    const auto target = survey.resolve(fmt::format("{}/{}", directory, name));
    if (!target || !inventory::has_component(parent_path(*target), "stubs")) continue;
    if (!known.insert(*target).second) continue;
    // Programs load it by the name of the link; a placed library takes over a link beside it.
    needs.stubs_in_path.push_back({before ? fmt::format("{}/{}", directory, name) : *target,
                                   fmt::format("{} is found in /{} by {}", name, directory, who),
                                   0});
  }
}

void add_stubs(const inventory::Survey& survey, Needs& needs) {
  std::set<std::string> known;
  for (const std::string& directory : survey.paths.environment)
    add_stub(survey, directory, true, "LD_LIBRARY_PATH", known, needs);
  for (const std::string& directory : survey.paths.system)
    add_stub(survey, directory, false, "the loader", known, needs);
  for (const inventory::SurveyFile& file : survey.files) {
    if (file.elf == nullptr) continue;
    const std::string& list = file.elf->runpath.empty() ? file.elf->rpath : file.elf->runpath;
    if (list.find("stubs") == std::string::npos) continue;
    for (const std::string& needed : file.elf->needed) {
      if (!inventory::is_driver_library(needed)) continue;
      // The host's library, placed in a system directory, comes after RPATH and RUNPATH.
      const inventory::LinkFacts facts{file.path, {}, file.elf->rpath, file.elf->runpath, {}};
      for (const std::string& candidate : inventory::library_candidates(facts, needed, {})) {
        const auto target = survey.resolve(candidate);
        if (target && inventory::has_component(parent_path(*target), "stubs"))
          add_stub(survey, std::string(parent_path(candidate)), true, "the RPATH of " + file.path,
                   known, needs);
      }
    }
  }
}

/// What they are, as a name in the directory that holds them all.
std::string place_of(const std::vector<const inventory::DeviceFile*>& cubins) {
  if (cubins.size() == 1) return cubins.front()->path;
  std::string_view folder = parent_path(cubins.front()->path);
  const auto holds = [&](const inventory::DeviceFile* file) {
    return file->path.starts_with(folder) && file->path.substr(folder.size()).starts_with('/');
  };
  while (!folder.empty() && !std::ranges::all_of(cubins, holds)) folder = parent_path(folder);
  return fmt::format("{}{}{} stand-alone cubins", folder, folder.empty() ? "" : "/", cubins.size());
}

/// Of stand-alone cubins a program takes the one that fits: that others lie beside it is no lack.
/// So they count together, and not at all beside code that the driver chooses from.
void add_cubins(const std::vector<const inventory::DeviceFile*>& cubins, Needs& needs) {
  const auto is_nvidia = [](const inventory::ArchCount& entry) { return entry.vendor == "nvidia"; };
  if (cubins.empty() || std::ranges::any_of(needs.code, [&](const CodeFile& file) {
        return std::ranges::any_of(file.entries, is_nvidia);
      }))
    return;
  CodeFile together{place_of(cubins), 0, {}};
  std::map<std::string_view, inventory::ArchCount> by_arch;
  for (const inventory::DeviceFile* file : cubins) {
    together.device_bytes += file->device_bytes;
    for (const inventory::ArchCount& entry : file->entries) {
      const auto [at, fresh] = by_arch.try_emplace(entry.arch, entry);
      if (fresh) continue;
      at->second.count += entry.count;
      at->second.bytes += entry.bytes;
      at->second.hollow += entry.hollow;
    }
  }
  for (auto& [arch, entry] : by_arch) together.entries.push_back(std::move(entry));
  needs.code.push_back(std::move(together));
}

}  // namespace

void collect_code(const inventory::Survey& survey, const inventory::Inventory& inventory,
                  const LibraryUsers& users, Needs& needs) {
  std::set<std::string_view> stand_alone;
  std::map<std::string_view, const inventory::SurveyFile*> by_path;
  for (const inventory::SurveyFile& file : survey.files) {
    if (file.elf != nullptr && file.elf->machine == EM_CUDA) stand_alone.insert(file.path);
    by_path.emplace(file.path, &file);
  }
  std::vector<const inventory::DeviceFile*> cubins;
  for (const inventory::DeviceFile& file : inventory.device_code.files) {
    if (file.entries.empty()) continue;
    if (stand_alone.contains(file.path))
      cubins.push_back(&file);
    else if (const auto at = by_path.find(file.path); at != by_path.end())
      needs.code.push_back({file.path, file.device_bytes, file.entries, users.of(*at->second)});
    else
      needs.code.push_back({file.path, file.device_bytes, file.entries});
  }
  add_cubins(cubins, needs);
  for (const inventory::SurveyFile& file : survey.files) {
    if (!inventory::is_driver_library(base_name(file.path))) continue;
    if (in_compat_directory(file.path))
      add_compat(survey, file, needs);
    else if (!inventory::has_component(parent_path(file.path), "stubs"))
      add_driver_file(file, needs);
  }
  add_stubs(survey, needs);
}

}  // namespace flense::needs
