// The libraries without which the image's own command does not start, looked for as glibc's
// ld.so(8) does. What a program opens by name while it runs is not followed.
#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/path.h"
#include "base/version_numbers.h"
#include "elf/loader_cache.h"
#include "inventory/describe/start.h"
#include "inventory/names/file_names.h"
#include "needs/collectors.h"

namespace flense::needs {

namespace {

using inventory::ElfFacts;

constexpr std::size_t kMostLoaded = 2000;
constexpr std::size_t kMostAside = 200;
constexpr std::uint32_t kAnyExecute = 0111;

struct Loaded {
  std::string path;
  const ElfFacts* elf = nullptr;
  const Loaded* loader = nullptr;  ///< what asked for it first
};

/// A list that names directories by what only the running loader knows: its processor's name, or
/// the directory in which the program is started.
bool is_open_list(std::string_view list) {
  for (const std::string_view token : {"$LIB", "${LIB}", "$PLATFORM", "${PLATFORM}"})
    if (list.find(token) != std::string_view::npos) return true;
  while (!list.empty()) {
    const std::size_t colon = list.find(':');
    const std::string_view item = list.substr(0, colon);
    if (!item.starts_with('/') && !item.starts_with('$')) return true;
    if (colon == std::string_view::npos) return false;
    list.remove_prefix(colon + 1);
  }
  return false;
}

/// musl's loader answers these names itself, whatever follows the dot (ldso/dynlink.c).
bool is_of_musl_loader(std::string_view name) {
  static constexpr auto kReserved = std::to_array<std::string_view>(
      {"libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet."});
  return std::ranges::any_of(kReserved,
                             [&](std::string_view stem) { return name.starts_with(stem); });
}

class Loader {
 public:
  Loader(const inventory::Survey& survey, StartNeeds& out)
      : survey_(survey),
        out_(out),
        cache_(survey.text_at(inventory::kLoaderCache)),
        musl_(inventory::uses_musl(survey.contents.tree())) {
    const auto environment = survey.environment.find("LD_LIBRARY_PATH");
    if (!cache_.empty()) open_ = !elf::read_loader_cache(cache()).has_value();
    open_ |= environment != survey.environment.end() && is_open_list(environment->second);
  }

  std::vector<std::string> start(const std::string& path) {
    const ElfFacts* elf = survey_.elf_at(path);
    if (elf == nullptr) return {};
    if (const std::string_view other = processor_name(elf->machine);
        elf->machine != survey_.machine && !other.empty()) {
      out_.missing.push_back({path, "the command", "execve", {}, {}, std::string(other)});
      return {path};
    }
    if (!elf->interpreter.empty() && !survey_.exists(resolve_link_text("", elf->interpreter)))
      out_.missing.push_back({elf->interpreter, path, "PT_INTERP", {}});
    loaded_.push_back({path, elf, nullptr});
    for (std::size_t i = 0; i < loaded_.size() && i < kMostLoaded; ++i)
      for (const std::string& name : loaded_[i].elf->needed) load(name, loaded_[i]);
    std::vector<std::string> out;
    for (const Loaded& one : loaded_) out.push_back(one.path);
    return out;
  }

  /// What a file opens by its name alone, once it runs.
  void open(const std::string& name, const inventory::SurveyFile& file) {
    const Loaded user{file.path, file.elf, nullptr};
    const std::size_t known = out_.missing.size();
    load(name, user);
    if (out_.missing.size() > known) out_.missing.back().how = "dlopen";
  }

  /// Whether the loader finds what `file` asks for, loaded by a program, or by none that has search
  /// paths of its own. Also where that cannot be told.
  bool finds(const std::string& name, const inventory::SurveyFile& file,
             const inventory::SurveyFile* program) const {
    const Loaded by{program == nullptr ? std::string() : program->path,
                    program == nullptr ? file.elf : program->elf, nullptr};
    const Loaded user{file.path, file.elf, program == nullptr ? nullptr : &by};
    return musl_ || is_open(user) || find(name, user).has_value();
  }

  /// Symbol versions that what was started asks for, and the C or C++ library that was loaded for
  /// it, the first on its path, does not have.
  void ask_versions(std::vector<TooNewFile>& out) const {
    for (const auto& [prefix, own_of, asked_of] :
         {Versions{"GLIBC", [](const ElfFacts& elf) { return elf.libc_release; },
                   [](const ElfFacts& elf) { return elf.glibc; }},
          Versions{"GLIBCXX", [](const ElfFacts& elf) { return elf.cxx.glibcxx; },
                   [](const ElfFacts& elf) { return elf.cxx_asked.glibcxx; }},
          Versions{"CXXABI", [](const ElfFacts& elf) { return elf.cxx.cxxabi; },
                   [](const ElfFacts& elf) { return elf.cxx_asked.cxxabi; }}}) {
      const auto own = std::ranges::find_if(
          loaded_, [&](const Loaded& one) { return !own_of(*one.elf).empty(); });
      if (own == loaded_.end()) continue;
      const std::string there = own_of(*own->elf);
      for (const Loaded& user : loaded_) {
        const std::string asked = asked_of(*user.elf);
        if (asked.empty() || version_at_least(there, asked) ||
            std::ranges::find(out, user.path, &TooNewFile::path) != out.end())
          continue;
        out.push_back({user.path, fmt::format("{}_{}", prefix, asked),
                       fmt::format("{}_{}", prefix, there), own->path, true, true});
      }
    }
    // musl asks for no versions; a library that has none passes for any.
    for (const Loaded& user : loaded_)
      if (!musl_ && std::ranges::find(out, user.path, &TooNewFile::path) == out.end())
        ask_others(user, out);
  }

 private:
  /// Versions of other libraries than those of C and C++.
  void ask_others(const Loaded& user, std::vector<TooNewFile>& out) const {
    for (const std::string& asked : user.elf->versions.asked) {
      const std::size_t blank = asked.find(' ');
      const std::string library = asked.substr(0, blank), version = asked.substr(blank + 1);
      const auto at = names_.find(library);
      if (at == names_.end() || at->second == nullptr) continue;
      const std::vector<std::string>& own = at->second->elf->versions.own;
      if (own.empty() || std::ranges::find(own, version) != own.end()) continue;
      out.push_back({user.path, fmt::format("{} with version {}", library, version),
                     fmt::format("a {} without it", base_name(at->second->path)), at->second->path,
                     true, true});
      return;
    }
  }

  struct Versions {
    std::string_view prefix;
    std::string (*own)(const ElfFacts&);
    std::string (*asked)(const ElfFacts&);
  };
  void load(const std::string& name, const Loaded& user) {
    const auto [at, fresh] = names_.try_emplace(name, nullptr);
    if (!fresh) return;
    if (inventory::is_driver_library(name)) {
      out_.driver_libraries.push_back({name, user.path, 0});
      return;
    }
    if (!loaded_.empty() && loaded_.front().elf->interpreter.contains("/ld-musl-") &&
        is_of_musl_loader(name))
      return;
    if (auto path = find(name, user)) {
      const ElfFacts* elf = survey_.elf_at(*path);
      if (!musl_ && !survey_.configured.empty() && !is_open(user) && !find(name, user, false))
        out_.uncached.push_back({name, user.path, "DT_NEEDED", *path});
      loaded_.push_back({*std::move(path), elf, &user});
      at->second = &loaded_.back();
      if (!elf->soname.empty()) names_.try_emplace(elf->soname, &loaded_.back());
      return;
    }
    // Where and how others look for it is theirs to say: musl has a list of its own.
    if (survey_.has_library(name) && (musl_ || is_open(user))) return;
    const auto same = std::ranges::find_if(survey_.files, [&](const inventory::SurveyFile& file) {
      return base_name(file.path) == name && file.elf != nullptr &&
             file.elf->machine == survey_.machine &&
             !inventory::has_component(parent_path(file.path), "stubs");
    });
    MissingLibrary missing{name, user.path, "DT_NEEDED", {}};
    if (same != survey_.files.end())
      missing.path = same->path;
    else
      missing.machine = other_processor(survey_, name);
    out_.missing.push_back(std::move(missing));
  }

  Bytes cache() const { return std::as_bytes(std::span(cache_)); }

  bool is_open(const Loaded& user) const {
    if (open_ || is_open_list(user.elf->runpath)) return true;
    for (const Loaded* at = &user; at != nullptr; at = at->loader)
      if (is_open_list(at->elf->rpath)) return true;
    return false;
  }

  /// ld.so(8): the RPATH of the user and of what loaded it, unless the user has a RUNPATH;
  /// LD_LIBRARY_PATH; the user's RUNPATH; ld.so.cache; the loader's own directories.
  /// `configured`: after ldconfig, which launchers of NVIDIA run, and which reads ld.so.conf.
  std::optional<std::string> find(const std::string& name, const Loaded& user,
                                  bool configured = true) const {
    for (const Loaded* at = &user; at != nullptr && user.elf->runpath.empty(); at = at->loader)
      if (at->elf->runpath.empty() && !at->elf->rpath.empty())
        if (auto path = first_of({at->path, {}, at->elf->rpath, {}, {}}, name, {})) return path;
    const inventory::LibraryPaths paths = {survey_.paths.environment, {}};
    if (auto path = first_of({user.path, {}, {}, user.elf->runpath, {}}, name, paths)) return path;
    if (const auto cached = elf::cached_paths(cache(), name, survey_.machine))
      for (const std::string& path : *cached)
        if (auto real = library_at(resolve_link_text("", path))) return real;
    inventory::LibraryPaths system;
    if (configured) system.system = survey_.configured;
    for (const char* directory :
         {"lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu",
          "usr/lib/aarch64-linux-gnu", "lib64", "usr/lib64", "lib", "usr/lib"})
      system.system.emplace_back(directory);
    return first_of({user.path, {}, {}, {}, {}}, name, system);
  }

  std::optional<std::string> first_of(const inventory::LinkFacts& file, const std::string& name,
                                      const inventory::LibraryPaths& paths) const {
    for (const std::string& path : inventory::library_candidates(file, name, paths)) {
      if (auto real = library_at(path)) return real;
      // Built for a level of the processor: ld.so(8), "glibc-hwcaps".
      for (const char* level : {"x86-64-v2", "x86-64-v3", "x86-64-v4"})
        if (auto real = library_at(
                fmt::format("{}/glibc-hwcaps/{}/{}", parent_path(path), level, base_name(path))))
          return real;
    }
    return std::nullopt;
  }

  /// The loader passes over files of another machine.
  std::optional<std::string> library_at(const std::string& path) const {
    const ElfFacts* elf = survey_.elf_at(path);
    return elf != nullptr && elf->machine == survey_.machine ? survey_.resolve(path) : std::nullopt;
  }

  const inventory::Survey& survey_;
  StartNeeds& out_;
  std::string_view cache_;
  bool musl_ = false, open_ = false;
  std::deque<Loaded> loaded_;
  std::map<std::string, const Loaded*> names_;  ///< null: not of the image
};

/// What the kernel is asked to start, the interpreter of a script included, and is not there.
void ask_command(const inventory::Survey& survey, StartNeeds& out) {
  const text::Json& container = survey.image.config["config"];
  const text::Json& entry = container["Entrypoint"];
  const text::Json& words = entry.items().empty() ? container["Cmd"] : entry;
  if (words.items().empty()) return;
  const std::string word(words.items()[0].text());
  std::vector<std::string> places = {resolve_link_text(container["WorkingDir"].text(), word)};
  if (word.find('/') == std::string::npos) {
    places = inventory::program_path(survey.image);
    for (std::string& place : places) place += "/" + word;
  }
  std::optional<std::string> file;
  for (const std::string& place : places)
    if (!file) file = survey.resolve(place);
  if (word.empty() || file == std::nullopt) {
    if (!word.empty()) out.missing.push_back({word, "the command", "execve", {}});
    return;
  }
  const image::MergedTree& tree = survey.contents.tree();
  const auto node = tree.find(*file);
  if (node->entry && (tree.entry(*node->entry).mode & kAnyExecute) == 0)
    out.missing.push_back({*file, "the command", "mode", *file});
  const image::EntryRef ref = *node->content;
  const auto& scripts = survey.contents.scan(ref).scripts;
  const auto script = scripts.find(ref.index);
  if (script == scripts.end()) return;
  // To the kernel the end of a line of Windows is a part of the name.
  const std::string_view line = script->second;
  const std::string name = inventory::parse_interpreter(line).path;
  const bool carriage = line.find_first_of("\r") < line.find_first_of(" \t");
  if (!name.empty() && (carriage || !survey.exists(name)))
    out.missing.push_back({fmt::format("/{}{}", name, carriage ? "\r" : ""), *file, "execve", {}});
}

}  // namespace

void collect_providers(const inventory::Survey& survey, Needs& needs) {
  // CuPy 14 looks into NVIDIA's wheels by itself.
  const bool cupy = std::ranges::any_of(needs.packages, [](const auto& one) {
    return one.package.name.starts_with("cupy-cuda") &&
           !version_at_least(one.package.version, "14");
  });
  for (const inventory::SurveyFile& file : survey.files) {
    const std::string_view name = base_name(file.path);
    const bool translates = name.starts_with("libctranslate2");
    const bool links = name == "libonnxruntime_providers_cuda.so" ||
                       (cupy && name.starts_with("cublas.cpython") &&
                        inventory::has_component(file.path, "cupy_backends"));
    if (file.elf == nullptr || (!links && !translates)) continue;
    StartNeeds found;
    Loader loader(survey, found);
    if (links) loader.start(file.path);
    if (translates)
      for (const std::string_view opened : inventory::opened_by_name("libctranslate2.so", true, {}))
        loader.open(std::string(opened), file);
    // What a Python of Conda has in its own RPATH is found, and lies elsewhere.
    for (MissingLibrary& one : found.missing)
      if (inventory::has_component(one.path, "nvidia"))
        needs.missing_libraries.push_back(std::move(one));
  }
}

void collect_extensions(const inventory::Survey& survey, const LinkingFiles& linking,
                        Needs& needs) {
  const auto in_packages = [](std::string_view path) {
    return inventory::has_component(path, "site-packages") ||
           inventory::has_component(path, "dist-packages");
  };
  // A Python of Conda has search paths of its own, "…/bin/python3.11" for "…/lib/python3.11/…".
  std::map<std::string_view, const inventory::SurveyFile*> programs;
  std::multimap<std::string_view, const inventory::SurveyFile*> copies;
  for (const inventory::SurveyFile& file : survey.files) {
    if (file.elf == nullptr || file.elf->machine != survey.machine) continue;
    const std::string_view path = file.path, name = base_name(path);
    if (name.starts_with("python3") && path.size() > name.size() + 4)
      programs.emplace(path.substr(0, path.size() - name.size() - 4), &file);  // without "bin/"
    copies.emplace(name, &file);
    if (!file.elf->soname.empty() && file.elf->soname != name)
      copies.emplace(file.elf->soname, &file);
  }
  StartNeeds none;
  const Loader loader(survey, none);
  std::vector<MissingLibrary> aside;
  std::set<std::string_view> reached;  // once one file has loaded it, the others have it too
  for (const inventory::SurveyFile* file : linking) {
    const std::size_t lib = file->path.find("lib/python3");
    if (!in_packages(file->path)) continue;
    const auto program =
        programs.find(std::string_view(file->path).substr(0, lib == std::string::npos ? 0 : lib));
    for (const std::string& needed : file->elf->needed) {
      if (!survey.libraries.contains(needed) || inventory::is_driver_library(needed) ||
          reached.contains(needed))
        continue;
      const auto [first, last] = copies.equal_range(needed);
      // What lies in packages they load by their own code: NVIDIA's wheels by PyTorch.
      const bool packaged = std::any_of(
          first, last, [&](const auto& copy) { return in_packages(copy.second->path); });
      if (first == last || packaged ||
          loader.finds(needed, *file, program == programs.end() ? nullptr : program->second))
        reached.insert(needed);
      else if (aside.size() < kMostAside)
        aside.push_back({needed, file->path, "DT_NEEDED", first->second->path});
    }
  }
  for (MissingLibrary& one : aside)
    if (!reached.contains(one.library)) needs.missing_libraries.push_back(std::move(one));
}

std::vector<std::string> collect_start(const inventory::Survey& survey, Needs& needs) {
  ask_command(survey, needs.start);
  const auto program = start_program(survey);
  if (!program) return {};
  // A script may set search paths for what it starts, and may never start it.
  needs.start.program = *program;
  Loader loader(survey, needs.start);
  std::vector<std::string> loaded = loader.start(*program);
  loader.ask_versions(needs.too_new);
  return loaded;
}

}  // namespace flense::needs
