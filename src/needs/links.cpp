// Libraries, and versions of them, that files of the image ask for and the image does not have, and
// the user space of RDMA.
#include <elf.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/path.h"
#include "base/version_numbers.h"
#include "inventory/describe/flavour.h"
#include "inventory/names/file_names.h"
#include "needs/collectors.h"

namespace flense::needs {

namespace {

constexpr std::size_t kMostMissing = 200;
constexpr std::size_t kMostUsers = 16;  ///< of one missing library, those with device code apart
constexpr std::size_t kMostRows = 4000;
constexpr std::size_t kMostAskers = 32;
constexpr std::size_t kMostSearches = 1000;  ///< of what a file loads before it asks

/// Parts of packages that are built against a library which the package works without. A '/' at the
/// end makes it a directory, else it is the beginning of a file name.
constexpr auto kOptional = std::to_array<std::string_view>({
    // Profilers and debuggers with windows of their own.
    "nsight-compute/",
    "nsight-systems/",
    "compute-sanitizer/",
    "cuda-gdb",
    "rocgdb",
    // One file for each library of the host or of a user's choice, tried when asked for.
    "nvshmem_bootstrap_",
    "nvshmem_transport_",
    "libcufile_rdma.so",
    "ucx/",
    "libfabric/",
    "openmpi/",
    "pmix/",
    "libbitsandbytes_",
    "libmkl_",
    "libomptarget.rtl.",
    "tbbpool.",
    "_tkinter",
    "libonnxruntime_providers_tensorrt.so",
    "libonnxruntime_providers_nv_tensorrt_rtx.so",
    "libonnxruntime_providers_openvino.so",
    "libtorchaudio_sox.so",
    "_torchaudio_sox.so",
    "gstreamer-1.0/",
    "plugins/",
    "libxla_extension_tensorrt",
    // CuPy imports these where their library is installed (cupy._environment, optional features).
    "cudnn.cpython",
    "nccl.cpython",
    "cutensor.cpython",
    "cusparselt.cpython",
    // Built, not run.
    "tests/",
    "test/",
    "stubs/",
});

bool is_optional(std::string_view path) {
  const std::string_view name = base_name(path);
  return std::ranges::any_of(kOptional, [&](std::string_view one) {
    if (!one.ends_with('/')) return name.starts_with(one);
    one.remove_suffix(1);
    return inventory::has_component(parent_path(path), one) ||
           // The tools carry their version: nsight-compute/2024.1.0, nsight-compute-2024.1.0.
           (one.starts_with("nsight") && path.find(one) != std::string_view::npos);
  });
}

/// The path with every run of digits as one '0': files that differ in a number only are built for
/// several versions of something, and one of them is chosen at run time.
std::string without_numbers(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && out.ends_with('0')) continue;
    out += digit ? '0' : c;
  }
  return out;
}

class Missing {
 public:
  Missing(const inventory::Survey& survey, std::vector<MissingLibrary>& out)
      : survey_(survey), out_(out) {}

  void ask_needed(const inventory::SurveyFile& user, std::string_view library) {
    if (survey_.libraries.contains(library)) return;
    const auto files = survey_.sonames.find(library);
    if (files == survey_.sonames.end()) return ask(user, library, "DT_NEEDED");
    if (loads_one_of(user, files->second)) return;
    ask(user, library,
        fmt::format("DT_NEEDED; {} has this SONAME, but not this name", *files->second.begin()));
  }

  void ask_opened(const inventory::SurveyFile& user, std::string_view library) {
    if (!survey_.has_library(library)) ask(user, library, "dlopen");
  }

 private:
  void ask(const inventory::SurveyFile& user, std::string_view library, std::string how) {
    if (library.empty() || library.find('/') != std::string_view::npos) return;
    if (inventory::is_driver_library(library)) return;
    const auto at = users_.try_emplace(std::string(library), 0).first;
    const bool code = !user.elf->code.empty();
    if (users_.size() > kMostMissing || out_.size() == kMostRows) return;
    if (!code && at->second == kMostUsers) return;
    at->second += code ? 0 : 1;
    if (!askers_) askers_.emplace(survey_);
    out_.push_back(
        {std::string(library), user.path, std::move(how), {}, askers_->above(user, kMostAskers)});
  }

  /// What `user` links, and what that links, names one of `files`: it is loaded before it is asked
  /// for by its SONAME.
  bool loads_one_of(const inventory::SurveyFile& user, const std::set<std::string>& files) {
    if (++searches_ > kMostSearches) return true;
    if (by_name_.empty())
      for (const inventory::SurveyFile& file : survey_.files)
        if (file.elf != nullptr)
          for (const std::string_view name :
               {base_name(file.path), std::string_view(file.elf->soname)})
            by_name_.try_emplace(name, file.elf);
    std::set<const inventory::ElfFacts*> seen = {user.elf};
    std::vector<const inventory::ElfFacts*> open = {user.elf};
    while (!open.empty()) {
      const inventory::ElfFacts* const file = open.back();
      open.pop_back();
      for (const std::string& needed : file->needed) {
        if (files.contains(needed)) return true;
        const auto at = by_name_.find(needed);
        if (at != by_name_.end() && seen.insert(at->second).second) open.push_back(at->second);
      }
    }
    return false;
  }

  const inventory::Survey& survey_;
  std::vector<MissingLibrary>& out_;
  std::map<std::string, std::size_t> users_;  ///< of each missing library
  std::map<std::string_view, const inventory::ElfFacts*> by_name_;
  std::optional<LibraryAskers> askers_;
  std::size_t searches_ = 0;
};

/// What a library opens by name and cannot do without. Any version of the opened library counts:
/// those of CUDA and of its libraries do not go together.
void ask_opened(const inventory::SurveyFile& file, const inventory::Survey& survey,
                Missing& missing) {
  for (const std::string_view opened :
       inventory::opened_by_name(file.elf->soname.empty() ? base_name(file.path) : file.elf->soname,
                                 !file.elf->code.empty(), file.elf->rpath + file.elf->runpath)) {
    // Opened for several GPUs and for profiling.
    if (opened.starts_with("libnccl.") || opened.starts_with("libcupti.")) continue;
    const std::size_t end = opened.find(".so");
    if (survey.has_library(fmt::format("{}.so*", opened.substr(0, end)))) continue;
    // NVRTC opens its builtins by their full name, "….so.12.8", which only its own version tells.
    const bool minor = opened.starts_with("libnvrtc-builtins.");
    missing.ask_opened(file, fmt::format("{}{}", opened, minor ? ".*" : ""));
  }
}

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

/// Libraries that have one SONAME for years and functions that some release brought: an older one
/// that the loader finds first has not all that others ask for. Of nvJitLink the functions carry
/// the minor of CUDA that brought them.
void ask_functions(const inventory::Survey& survey, const inventory::SurveyFile& file,
                   const LibraryUsers& users, std::vector<TooNewFile>& out) {
  for (const std::string& needed : file.elf->needed) {
    const bool linker = needed.starts_with("libnvJitLink.so"),
               nccl = needed.starts_with("libnccl.so");
    if ((!linker && !nccl) || out.size() >= kMostMissing) continue;
    const auto path = first_of(survey, file.path, *file.elf, needed);
    if (!path) continue;
    const inventory::ElfFacts& found = *survey.elf_at(*path);
    const bool used = !users.of(file).empty();
    if (linker && !found.toolkit.empty() && compare_versions(file.elf->toolkit, found.toolkit) > 0)
      out.push_back({file.path, "nvJitLink " + file.elf->toolkit, "nvJitLink " + found.toolkit,
                     *path, used, true});
    std::vector<std::string> lacking;
    if (nccl && !found.nccl.empty())
      std::ranges::set_difference(file.elf->nccl, found.nccl, std::back_inserter(lacking));
    if (!lacking.empty())
      out.push_back({file.path, fmt::format("NCCL with {}", lacking.front()),
                     "an older NCCL without it", *path, used, true});
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
      const auto& [type, name, version, torch] = installed.package;
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

struct RdmaPart {
  std::string_view beginning, what;
};

constexpr auto kRdma = std::to_array<RdmaPart>({
    {"libibverbs.so.", "verbs library"},
    {"librdmacm.so.", "RDMA connection manager"},
    {"libmlx5.so.", "mlx5 direct verbs"},
    {"libmlx5-rdmav", "verbs provider mlx5"},
    {"libmlx4-rdmav", "verbs provider mlx4"},
    {"libefa.so.", "EFA direct verbs"},
    {"libefa-rdmav", "verbs provider efa"},
    {"libbnxt_re-rdmav", "verbs provider bnxt_re"},
    {"libirdma-rdmav", "verbs provider irdma"},
    {"libionic-rdmav", "verbs provider ionic"},
    {"libhns-rdmav", "verbs provider hns"},
    {"librxe-rdmav", "verbs provider rxe"},
    {"libsiw-rdmav", "verbs provider siw"},
    {"libfabric.so.", "libfabric"},
    {"libnccl-net", "NCCL network plug-in"},
    {"libnccl-net-ofi", "NCCL network plug-in for libfabric"},
    {"librccl-net", "RCCL network plug-in"},
    {"libnccl_ofi", "NCCL network plug-in for libfabric"},
});

}  // namespace

void collect_links(const inventory::Survey& survey, const LibraryUsers& users, Needs& needs) {
  std::map<std::string, std::size_t> variants;
  for (const inventory::SurveyFile& file : survey.files)
    if (file.elf != nullptr) ++variants[without_numbers(file.path)];

  Missing missing(survey, needs.missing_libraries);
  const OwnVersions own(survey);
  CudnnParts cudnn(survey, needs);
  for (const inventory::SurveyFile& file : survey.files) {
    if (file.elf == nullptr) continue;
    for (const RdmaPart& part : kRdma)
      if (base_name(file.path).starts_with(part.beginning))
        needs.rdma.push_back({file.path, std::string(part.what), file.size});
    const bool loads = file.elf->type == ET_DYN || file.elf->type == ET_EXEC;
    if (!loads || file.elf->machine != survey.machine || is_optional(file.path)) continue;
    ask_opened(file, survey, missing);
    if (variants[without_numbers(file.path)] > 1) continue;
    for (const std::string& needed : file.elf->needed) missing.ask_needed(file, needed);
    own.ask(file, users, needs.too_new);
    ask_functions(survey, file, users, needs.too_new);
    cudnn.ask(file);
  }
}

}  // namespace flense::needs
