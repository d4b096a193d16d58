// Libraries, and versions of them, that files of the image ask for and the image does not have, and
// the user space of RDMA.
#include <elf.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/path.h"
#include "inventory/describe/flavour.h"
#include "inventory/describe/start.h"
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

bool is_loaded(const inventory::Survey& survey, const inventory::SurveyFile& file) {
  return file.elf != nullptr && (file.elf->type == ET_DYN || file.elf->type == ET_EXEC) &&
         file.elf->machine == survey.machine && !is_optional(file.path);
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
    // musl's loader is libc itself; "libc.so.6" is glibc's, without which its programs do not run.
    if (library == "libc.so" && inventory::uses_musl(survey_.contents.tree())) return;
    const auto [at, fresh] = users_.try_emplace(std::string(library), 0);
    const bool code = !user.elf->code.empty();
    if (users_.size() > kMostMissing || out_.size() == kMostRows) return;
    if (!code && at->second == kMostUsers) return;
    at->second += code ? 0 : 1;
    if (!askers_) askers_.emplace(survey_);
    if (fresh) machines_[at->first] = other_processor(survey_, library);
    out_.push_back({std::string(library),
                    user.path,
                    std::move(how),
                    {},
                    askers_->above(user, kMostAskers),
                    machines_[at->first]});
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
  std::map<std::string, std::size_t> users_;     ///< of each missing library
  std::map<std::string, std::string> machines_;  ///< of those there for another processor
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

LinkingFiles linking_files(const inventory::Survey& survey) {
  std::map<std::string, std::size_t> variants;
  for (const inventory::SurveyFile& file : survey.files)
    if (file.elf != nullptr) ++variants[without_numbers(file.path)];
  LinkingFiles out;
  for (const inventory::SurveyFile& file : survey.files)
    if (is_loaded(survey, file) && variants[without_numbers(file.path)] == 1) out.push_back(&file);
  return out;
}

void collect_links(const inventory::Survey& survey, const LinkingFiles& linking, Needs& needs) {
  auto next = linking.begin();
  Missing missing(survey, needs.missing_libraries);
  for (const inventory::SurveyFile& file : survey.files) {
    if (file.elf == nullptr) continue;
    for (const RdmaPart& part : kRdma)
      if (base_name(file.path).starts_with(part.beginning))
        needs.rdma.push_back({file.path, std::string(part.what), file.size});
    if (is_loaded(survey, file)) ask_opened(file, survey, missing);
    if (next == linking.end() || *next != &file) continue;
    ++next;
    for (const std::string& needed : file.elf->needed) missing.ask_needed(file, needed);
  }
}

}  // namespace flense::needs
