#include "slim/candidates/cuda_copies.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/path.h"
#include "inventory/describe/flavour.h"
#include "inventory/describe/links.h"
#include "inventory/describe/survey.h"

namespace flense::slim {

namespace {

/// Files of frameworks that look for the libraries they name in the packages' own directories, and
/// nowhere else. The path is the end of theirs.
constexpr auto kPreloaders = std::to_array<std::string_view>({
    // _preload_cuda_lib(): nvidia/*/lib below every sys.path.
    "torch/__init__.py",
    // EARLY_FIND_STEPS: packages before the system.
    "cuda/pathfinder/_dynamic_libs/descriptor_catalog.py",
    "cuda/pathfinder/_dynamic_libs/load_dl_linux.py",
    // faiss-gpu wheels: names a package and a library of it.
    "faiss/_preload_library.json",
});

struct Library {
  image::EntryRef entry;
  std::string path;
  std::uint64_t bytes = 0;
  const inventory::ElfFacts* elf = nullptr;
};

bool in_package(std::string_view path) {
  return path.find("/site-packages/") != std::string_view::npos ||
         path.find("/dist-packages/") != std::string_view::npos ||
         path.starts_with("site-packages/");
}

std::string relative_link(std::string_view from_file, std::string_view to) {
  std::string_view from = parent_path(from_file);
  while (true) {
    const std::size_t a = from.find('/'), b = to.find('/');
    if (from.empty() || b == std::string_view::npos || from.substr(0, a) != to.substr(0, b)) break;
    from.remove_prefix(a == std::string_view::npos ? from.size() : a + 1);
    to.remove_prefix(b + 1);
  }
  std::string out;
  if (!from.empty()) {
    const auto up = static_cast<std::size_t>(std::ranges::count(from, '/')) + 1;
    for (std::size_t i = 0; i < up; ++i) out += "../";
  }
  return out + std::string(to);
}

class Loader {
 public:
  Loader(const image::Image& image, const inventory::Contents& contents)
      : survey_(inventory::survey(image, contents)) {}

  const inventory::Survey& seen() const { return survey_; }

  /// What `name` leads to for a file with these search paths; empty when nothing is found.
  std::string first_found(const inventory::LinkFacts& file, const std::string& name) const {
    for (const std::string& candidate : inventory::library_candidates(file, name, survey_.paths)) {
      const auto real = survey_.resolve(candidate);
      if (!real) continue;
      // The loader passes over files of another machine.
      const inventory::ElfFacts* elf = survey_.elf_at(*real);
      if (elf != nullptr && elf->machine == survey_.machine) return *real;
    }
    return {};
  }
  /// By RPATH alone, which counts for whatever the file loads, directly or not.
  std::string first_by_rpath(const std::string& path, const inventory::ElfFacts& elf,
                             const std::string& name) const {
    if (elf.rpath.empty() || !elf.runpath.empty()) return {};
    for (const std::string& candidate :
         inventory::library_candidates({path, {}, elf.rpath, {}, {}}, name, {}))
      if (const auto real = survey_.resolve(candidate)) return *real;
    return {};
  }

 private:
  inventory::Survey survey_;
};

inventory::LinkFacts link_facts(const std::string& path, const inventory::ElfFacts& elf) {
  return {path, elf.needed, elf.rpath, elf.runpath, elf.interpreter};
}

/// All names by which an ELF file may load libraries.
std::set<std::string> names_of(const std::string& path, const inventory::ElfFacts& elf) {
  std::set<std::string> out(elf.needed.begin(), elf.needed.end());
  out.insert(elf.mentions.begin(), elf.mentions.end());
  for (const std::string_view name :
       inventory::opened_by_name(elf.soname.empty() ? base_name(path) : elf.soname,
                                 !elf.code.empty(), elf.rpath + elf.runpath))
    out.emplace(name);
  return out;
}

/// What a package of NVIDIA's is about: "cublas" of nvidia-cublas-cu12, "nvrtc" of
/// nvidia-cuda-nvrtc; and whether its name says for which CUDA it is, as all do whose directory is
/// their own.
struct Subject {
  std::string name;
  bool for_one_cuda = false;
};

Subject subject_of_package(std::string_view package) {
  Subject out{inventory::normalised_python_name(package)};
  for (const std::string_view beginning : {"nvidia-", "cuda-"})
    if (out.name.starts_with(beginning)) out.name.erase(0, beginning.size());
  const std::size_t end = out.name.rfind("-cu");
  out.for_one_cuda = end != std::string::npos && end + 3 < out.name.size() &&
                     out.name.find_first_not_of("0123456789", end + 3) == std::string::npos;
  if (out.for_one_cuda) out.name.resize(end);
  return out;
}

/// "cublas" of libcublasLt.so.13 among these subjects: the longest that the library's name begins
/// with.
std::string_view subject_of_library(std::string_view file,
                                    const std::map<std::string, std::string>& versions) {
  std::string name(base_name(file));
  name = name.substr(0, name.find(".so"));
  if (name.starts_with("lib")) name.erase(0, 3);
  name = to_lower(name);
  if (name == "cudart") name = "runtime";
  if (name == "nvblas") name = "cublas";
  std::string_view best;
  for (const auto& [subject, version] : versions)
    if (name.starts_with(subject) && subject.size() > best.size()) best = subject;
  return best;
}

/// Version of the package that brings a library; empty when that is not certain. It lies in a
/// directory of the package's own (nvidia/cublas/lib, "12.4.5.8"), since CUDA 13 in one that all
/// share (nvidia/cu13/lib), and both may be there.
std::string package_version(const inventory::Contents& contents, std::string_view library) {
  const std::string_view folder = parent_path(parent_path(library));
  const std::string_view vendor = parent_path(folder), site = parent_path(vendor);
  if (base_name(vendor) != "nvidia" || base_name(parent_path(library)) != "lib") return {};
  using Versions = std::map<std::string, std::string>;
  Versions plain, for_one_cuda;
  for (const std::string& name : contents.tree().list(site)) {
    if (!name.starts_with("nvidia_") || !name.ends_with(".dist-info")) continue;
    const auto file = contents.tree().find(fmt::format("{}/{}/METADATA", site, name));
    if (!file || !file->content) continue;
    const inventory::LayerScan& scan = contents.scan(*file->content);
    const auto packages = scan.packages.find(file->content->index);
    if (packages == scan.packages.end()) continue;
    for (const inventory::Package& package : packages->second) {
      const Subject subject = subject_of_package(package.name);
      Versions& versions = subject.for_one_cuda ? for_one_cuda : plain;
      const auto [known, first] = versions.emplace(subject.name, package.version);
      if (!first && known->second != package.version) known->second.clear();
    }
  }
  const std::string_view shared = base_name(folder);
  const bool by_file = shared.starts_with("cu") && shared.size() > 2 &&
                       shared.find_first_not_of("0123456789", 2) == std::string_view::npos;
  const std::string subject =
      by_file ? std::string(subject_of_library(library, plain)) : subject_of_package(shared).name;
  for (const Versions* versions : {by_file ? &plain : &for_one_cuda, &plain})
    if (const auto found = versions->find(subject); found != versions->end()) return found->second;
  return {};
}

class Copies {
 public:
  Copies(const image::Image& image, const inventory::Contents& contents, const Stays& stays)
      : contents_(contents), loader_(image, contents) {
    contents.for_each_file([&](const inventory::VisibleFile& file) {
      const inventory::ElfFacts* elf = contents.elf(file.content);
      if (elf != nullptr && file.first && (elf->type == ET_DYN || elf->type == ET_EXEC))
        files_.push_back({file.content, std::string(file.path), file.size, elf});
      if (const auto at = contents.scan(file.content).mentions.find(file.content.index);
          at != contents.scan(file.content).mentions.end())
        for (const std::string& name : at->second) named_[name].emplace_back(file.path);
    });
    std::map<std::string, const Library*> packaged;
    for (const Library& one : files_)
      if (in_package(one.path) && is_vendor_library(one))
        packaged.try_emplace(one.elf->soname, &one);
    for (const Library& one : files_) {
      if (!inventory::in_system_cuda(one.path) || in_package(one.path) || !is_vendor_library(one))
        continue;
      const auto twin = packaged.find(one.elf->soname);
      if (twin == packaged.end() || one.path.find("/stubs/") != std::string::npos ||
          twin->second->elf->machine != one.elf->machine || !stays(one.entry, one.path) ||
          !stays(twin->second->entry, twin->second->path))
        continue;
      pairs_.emplace(one.path, Pair{&one, twin->second, {}});
    }
  }

  std::vector<CudaCopy> judge() {
    if (pairs_.empty()) return {};
    for (auto& [path, pair] : pairs_) pair.stays = against(pair);
    // What stays asks for libraries in its turn.
    while (spread()) {
    }
    std::vector<CudaCopy> out;
    for (const auto& [path, pair] : pairs_)
      out.push_back({pair.copy->entry, path,
                     contents_.scan(pair.copy->entry).stored_bytes(pair.copy->entry.index),
                     pair.twin->path, relative_link(path, pair.twin->path), pair.stays});
    return out;
  }

 private:
  struct Pair {
    const Library* copy;
    const Library* twin;
    std::string stays;
  };

  static bool is_vendor_library(const Library& one) {
    return !one.elf->soname.empty() && inventory::flavour_of_library(one.elf->soname).has_value();
  }

  /// Any user of the container can read the file.
  bool is_public(const Library& file) const {
    constexpr unsigned kRead = 0004, kSearch = 0001;
    const image::MergedTree& tree = contents_.tree();
    if ((tree.entry(file.entry).mode & kRead) == 0) return false;
    for (std::string_view folder = parent_path(file.path); !folder.empty();
         folder = parent_path(folder)) {
      const auto found = tree.find(folder);
      if (found && found->entry && (tree.entry(*found->entry).mode & kSearch) == 0) return false;
    }
    return true;
  }

  /// What can be said without looking at users that may themselves go.
  std::string against(const Pair& pair) const {
    const auto entry = contents_.tree().find(pair.copy->path);
    if (!entry || entry->entry != pair.copy->entry) return "it has several names";
    if (!is_public(*pair.twin)) return "that is not for every user to read";
    const std::string_view version = library_file_version(pair.copy->path);
    const std::string twin = package_version(contents_, pair.twin->path);
    if (version.empty() || twin.empty()) return "their versions cannot be compared";
    if (!at_least_as_written(twin, version))
      return fmt::format("it is newer: {}, the package has {}", version, twin);
    for (const Library& file : files_) {
      if (file.path != pair.copy->path && !pairs_.contains(file.path) &&
          loader_.first_by_rpath(file.path, *file.elf, pair.copy->elf->soname) == pair.copy->path)
        return fmt::format("the RPATH of /{} leads there", file.path);
    }
    return named_by_script(pair);
  }

  std::string named_by_script(const Pair& pair) const {
    for (const auto& [name, paths] : named_) {
      if (loader_.first_found({}, name) != pair.copy->path) continue;
      for (const std::string& path : paths)
        if (std::ranges::none_of(kPreloaders,
                                 [&](std::string_view one) { return path.ends_with(one); }))
          return fmt::format("/{} names {}", path, name);
    }
    return {};
  }

  std::map<std::string, Pair>::iterator copy_of(const std::string& soname) {
    return std::ranges::find_if(
        pairs_, [&](const auto& item) { return item.second.copy->elf->soname == soname; });
  }

  /// Marks copies that a file which stays, or a package's twin, loads; true when there was one.
  bool spread() {
    bool any = false;
    for (const Library& file : files_) {
      const auto own = pairs_.find(file.path);
      if (own != pairs_.end() && own->second.stays.empty()) continue;
      for (const std::string& name : names_of(file.path, *file.elf)) {
        if (name == file.elf->soname || !inventory::flavour_of_library(name)) continue;
        const std::string found = loader_.first_found(link_facts(file.path, *file.elf), name);
        // What no known directory has may still stand in the loader's cache.
        const auto used = found.empty() ? copy_of(name) : pairs_.find(found);
        if (used == pairs_.end() || !used->second.stays.empty()) continue;
        used->second.stays = fmt::format("/{} loads it", file.path);
        any = true;
      }
    }
    // A link to a twin is no use when the twin, found by the link's name, gets half of its
    // libraries from one installation and half from the other.
    for (auto& [path, pair] : pairs_) {
      if (!pair.stays.empty()) continue;
      for (const std::string& name : names_of(pair.twin->path, *pair.twin->elf)) {
        const auto beside = pairs_.find(loader_.first_found(
            {path, {}, pair.twin->elf->rpath, pair.twin->elf->runpath, {}}, name));
        if (beside == pairs_.end() || beside->second.stays.empty()) continue;
        pair.stays = fmt::format("/{} beside it stays", beside->first);
        any = true;
        break;
      }
    }
    return any;
  }

  const inventory::Contents& contents_;
  Loader loader_;
  std::vector<Library> files_;
  std::map<std::string, std::vector<std::string>> named_;  ///< library -> scripts that name it
  std::map<std::string, Pair> pairs_;                      ///< by path of the system's copy
};

}  // namespace

std::string_view library_file_version(std::string_view path) {
  const std::string_view name = base_name(path);
  const std::size_t at = name.find(".so.");
  if (at == std::string_view::npos) return {};
  const std::string_view version = name.substr(at + 4);
  // "libcublas.so.12" says its ABI, not its version.
  if (version.find('.') == std::string_view::npos ||
      version.find_first_not_of("0123456789.") != std::string_view::npos)
    return {};
  return version;
}

bool at_least_as_written(std::string_view a, std::string_view b) {
  const auto next = [](std::string_view& text) -> std::optional<unsigned> {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty()) return value;
    if (text.front() != '.') return std::nullopt;
    text.remove_prefix(1);
    return value;
  };
  if (a.empty() || b.empty()) return false;
  while (!a.empty() && !b.empty()) {
    const auto x = next(a), y = next(b);
    if (!x || !y || *x < *y) return false;
    if (*x > *y) return true;
  }
  return true;
}

std::vector<CudaCopy> find_cuda_copies(const image::Image& image,
                                       const inventory::Contents& contents, const Stays& stays) {
  return Copies(image, contents, stays).judge();
}

}  // namespace flense::slim
