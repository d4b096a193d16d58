// Files that need newer libraries than the image has, or than the loader finds first in it.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/path.h"
#include "base/version_numbers.h"
#include "inventory/scan/library_functions.h"
#include "needs/collectors.h"

namespace flense::needs {

namespace {

constexpr std::size_t kMostMissing = 200;
constexpr std::size_t kMostSearches = 1000;  ///< for parts of cuDNN

/// The newest C and C++ libraries of the image. A file that asks for more than all of them have
/// loads nowhere in it; which of several a program gets is not asked.
class OwnVersions {
 public:
  explicit OwnVersions(const inventory::Survey& survey) {
    for (const inventory::SurveyFile& file : survey.files) {
      if (file.elf == nullptr || file.elf->machine != survey.machine) continue;
      see(glibc_, file.elf->libc_release, file.path);
      see(glibcxx_, file.elf->cxx.glibcxx, file.path);
      see(cxxabi_, file.elf->cxx.cxxabi, file.path);
    }
  }

  void ask(const inventory::SurveyFile& file, const LibraryUsers& users,
           std::vector<TooNewFile>& out) const {
    const auto& asked = file.elf->cxx_asked;
    for (const auto& [prefix, version, own] :
         {Asked{"GLIBC", file.elf->glibc, glibc_}, Asked{"GLIBCXX", asked.glibcxx, glibcxx_},
          Asked{"CXXABI", asked.cxxabi, cxxabi_}}) {
      if (version.empty() || own.version.empty() || version_at_least(own.version, version))
        continue;
      if (out.size() < kMostMissing)
        out.push_back({file.path, fmt::format("{}_{}", prefix, version),
                       fmt::format("{}_{}", prefix, own.version), std::string(own.path),
                       !users.of(file).empty()});
      return;
    }
  }

 private:
  struct Own {
    std::string version, path;
  };
  struct Asked {
    std::string_view prefix;
    const std::string& version;
    const Own& own;
  };
  static void see(Own& own, const std::string& version, const std::string& path) {
    if (version.empty() || (!own.version.empty() && version_at_least(own.version, version))) return;
    own = {version, path};
  }

  Own glibc_, glibcxx_, cxxabi_;
};

/// What the loader finds first of this name for a file of the image.
std::optional<std::string> first_of(const inventory::Survey& survey, const std::string& user,
                                    const inventory::ElfFacts& elf, const std::string& name) {
  const inventory::LinkFacts facts{user, {}, elf.rpath, elf.runpath, {}};
  for (const std::string& path : inventory::library_candidates(facts, name, survey.paths)) {
    const inventory::ElfFacts* found = survey.elf_at(path);
    if (found != nullptr && found->machine == elf.machine) return survey.resolve(path);
  }
  return std::nullopt;
}

/// Torch's libraries by name, wherever they lie: it is imported before what extends it. Empty where
/// there are several, as nobody tells which is imported.
using TorchLibraries = std::map<std::string_view, std::string>;

TorchLibraries torch_libraries(const inventory::Survey& survey) {
  TorchLibraries out;
  for (const inventory::SurveyFile& file : survey.files)
    if (const std::string_view name = base_name(file.path);
        file.elf != nullptr && name.starts_with("libc10"))
      if (const auto [at, fresh] = out.try_emplace(name, file.path); !fresh) at->second.clear();
  return out;
}

/// Libraries that have one SONAME for years and functions that some release brought: an older one
/// that the loader finds first has not all that others ask for. Of nvJitLink the functions carry
/// the minor of CUDA that brought them.
void ask_functions(const inventory::Survey& survey, const inventory::SurveyFile& file,
                   const TorchLibraries& torches, const LibraryUsers& users,
                   std::vector<TooNewFile>& out) {
  const inventory::ElfFacts& elf = *file.elf;
  for (const std::string& needed : elf.needed) {
    const bool linker = needed.starts_with("libnvJitLink.so"),
               nccl = needed.starts_with("libnccl.so"), torch = needed.starts_with("libc10");
    if ((!linker && !nccl && !torch) || out.size() >= kMostMissing) continue;
    std::optional<std::string> path;
    if (const auto at = torches.find(needed); at != torches.end() && !at->second.empty())
      path = at->second;
    else if (!torch)
      path = first_of(survey, file.path, elf, needed);
    if (!path) continue;
    const inventory::ElfFacts& found = *survey.elf_at(*path);
    const auto add = [&](std::string asked, std::string there) {
      out.push_back(
          {file.path, std::move(asked), std::move(there), *path, !users.of(file).empty(), true});
    };
    if (linker && !found.toolkit.empty() && compare_versions(elf.toolkit, found.toolkit) > 0)
      add("nvJitLink " + elf.toolkit, "nvJitLink " + found.toolkit);
    const std::string lacking =
        nccl || torch ? inventory::lacking_function(needed, elf.functions, found.functions)
                      : std::string();
    if (!lacking.empty() && nccl) add("NCCL with " + lacking, "an older NCCL without it");
    if (!lacking.empty() && torch) add("a torch with " + lacking, "a torch without it");
  }
}

/// cuDNN 9 opens its parts under its own version first, then under its major; each refuses parts of
/// another version (CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH).
class CudnnParts {
 public:
  CudnnParts(const inventory::Survey& survey, Needs& needs) : survey_(survey), needs_(needs) {}

  void ask(const inventory::SurveyFile& user) {
    const auto needed = std::ranges::find_if(
        user.elf->needed, [](const std::string& one) { return one.starts_with("libcudnn.so."); });
    if (needed == user.elf->needed.end() || searches_ == kMostSearches) return;
    ++searches_;
    const auto own = first_of(survey_, user.path, *user.elf, *needed);
    if (!own || !asked_.insert(*own).second) return;
    const std::string version = version_of(*own);
    if (version.empty()) return;
    const std::string major = needed->substr(needed->rfind('.') + 1);
    for (const char* part : {"ops", "cnn", "adv", "graph"}) {
      std::optional<std::string> found;
      for (const std::string& end : {version, major_minor(version), major})
        if (!found)
          found = first_of(survey_, *own, *survey_.elf_at(*own),
                           fmt::format("libcudnn_{}.so.{}", part, end));
      const std::string other = found ? version_of(*found) : std::string();
      if (other.empty() || other == version) continue;
      needs_.too_new.push_back({*own, "cuDNN " + version, "cuDNN " + other, *found, true, true});
      return;
    }
  }

 private:
  /// "9.1.0" of libcudnn_ops.so.9.1.0, or of the wheel that the file belongs to; empty: not told.
  std::string version_of(const std::string& path) const {
    const std::string end = path.substr(path.find(".so.", path.rfind('/') + 1) + 4);
    if (std::ranges::count(end, '.') == 2) return end;
    for (const auto& installed : needs_.packages) {
      const auto& [type, name, version, torch, cudnn] = installed.package;
      if (type != "pip" || !name.starts_with("nvidia-cudnn-cu")) continue;
      const std::string_view site = parent_path(parent_path(installed.path));
      if (!path.starts_with(fmt::format("{}/nvidia/cudnn/", site))) continue;
      std::size_t dot = version.find('.');
      for (int i = 0; i < 2 && dot != std::string::npos; ++i) dot = version.find('.', dot + 1);
      return version.substr(0, dot);
    }
    return {};
  }

  const inventory::Survey& survey_;
  Needs& needs_;
  std::set<std::string> asked_;
  std::size_t searches_ = 0;
};

}  // namespace

void collect_too_new(const inventory::Survey& survey, const LinkingFiles& linking,
                     const LibraryUsers& users, Needs& needs) {
  const TorchLibraries torches = torch_libraries(survey);
  const OwnVersions own(survey);
  CudnnParts cudnn(survey, needs);
  for (const inventory::SurveyFile* file : linking) {
    own.ask(*file, users, needs.too_new);
    ask_functions(survey, *file, torches, users, needs.too_new);
    cudnn.ask(*file);
  }
}

}  // namespace flense::needs
