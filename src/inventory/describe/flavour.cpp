#include "inventory/describe/flavour.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "base/path.h"

namespace flense::inventory {

namespace {

struct Supplier {
  std::string_view stem;  ///< SONAME up to ".so"
  Flavour flavour;
};
constexpr std::array<Supplier, 41> kSuppliers = {{
    {"libcudart", Flavour::kBase},          {"libcublas", Flavour::kRuntime},
    {"libcublasLt", Flavour::kRuntime},     {"libnvblas", Flavour::kRuntime},
    {"libcufft", Flavour::kRuntime},        {"libcufftw", Flavour::kRuntime},
    {"libcurand", Flavour::kRuntime},       {"libcusolver", Flavour::kRuntime},
    {"libcusolverMg", Flavour::kRuntime},   {"libcusparse", Flavour::kRuntime},
    {"libcufile", Flavour::kRuntime},       {"libcufile_rdma", Flavour::kRuntime},
    {"libnvrtc", Flavour::kRuntime},        {"libnvrtc-builtins", Flavour::kRuntime},
    {"libnvJitLink", Flavour::kRuntime},    {"libnvfatbin", Flavour::kRuntime},
    {"libnvjpeg", Flavour::kRuntime},       {"libnvToolsExt", Flavour::kRuntime},
    {"libnvtx3interop", Flavour::kRuntime}, {"libnccl", Flavour::kRuntime},
    {"libnppc", Flavour::kRuntime},         {"libnppial", Flavour::kRuntime},
    {"libnppicc", Flavour::kRuntime},       {"libnppidei", Flavour::kRuntime},
    {"libnppif", Flavour::kRuntime},        {"libnppig", Flavour::kRuntime},
    {"libnppim", Flavour::kRuntime},        {"libnppist", Flavour::kRuntime},
    {"libnppisu", Flavour::kRuntime},       {"libnppitc", Flavour::kRuntime},
    {"libnpps", Flavour::kRuntime},         {"libOpenCL", Flavour::kRuntime},
    {"libcudnn", Flavour::kCudnn},          {"libcudnn_adv", Flavour::kCudnn},
    {"libcudnn_cnn", Flavour::kCudnn},      {"libcudnn_ops", Flavour::kCudnn},
    {"libcudnn_graph", Flavour::kCudnn},    {"libcupti", Flavour::kDevel},
    {"libnvvm", Flavour::kDevel},           {"libcuinj64", Flavour::kDevel},
    {"libnvperf_host", Flavour::kDevel},
}};

struct Opening {
  std::string_view opener;  ///< SONAME
  bool needs_device_code;
  std::array<std::string_view, 9> opened;
};
constexpr std::array<Opening, 8> kOpenings = {{
    {"libcudnn.so.9",
     false,
     {"libcudnn_graph.so.9", "libcudnn_ops.so.9", "libcudnn_cnn.so.9", "libcudnn_adv.so.9"}},
    {"libcudnn.so.8", false, {"libcudnn_ops_infer.so.8", "libcudnn_cnn_infer.so.8"}},
    {"libnvrtc.so.13", false, {"libnvrtc-builtins.so.13"}},
    {"libnvrtc.so.12", false, {"libnvrtc-builtins.so.12"}},
    {"libtensorflow_cc.so.2",
     true,
     {"libcudart.so.12", "libcublas.so.12", "libcublasLt.so.12", "libcufft.so.11",
      "libcurand.so.10", "libcusolver.so.11", "libcusparse.so.12", "libcudnn.so.9",
      "libnccl.so.2"}},
    {"xla_cuda_plugin.so",
     true,
     {"libcudart.so.12", "libcublas.so.12", "libcublasLt.so.12", "libcufft.so.11",
      "libcusolver.so.11", "libcusparse.so.12", "libcudnn.so.9", "libcupti.so.12", "libnccl.so.2"}},
    {"libcublas.so.12", false, {"libcublasLt.so.12"}},
    {"libcublas.so.13", false, {"libcublasLt.so.13"}},
}};

std::string_view stem_of(std::string_view soname) {
  return soname.substr(0, soname.find(".so"));
}

bool starts_with_any(std::string_view path, std::span<const std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return path.starts_with(prefix); });
}

/// Where the user of a bundled library may sit: its site-packages directory, or the first two
/// components ("opt/app"). A target that is a site-packages directory itself is one bundle.
std::string_view bundle_root(std::string_view path) {
  for (const std::string_view mark : {"/site-packages/", "/dist-packages/"}) {
    if (const std::size_t at = path.find(mark); at != std::string_view::npos)
      return path.substr(0, at + mark.size());
  }
  static constexpr std::array<std::string_view, 9> kRoots = {
      "usr/", "opt/", "home/", "root/", "srv/", "var/", "lib/", "app/", "workspace/"};
  if (!starts_with_any(path, kRoots)) return {};
  std::size_t slash = path.find('/');
  if (slash != std::string_view::npos) slash = path.find('/', slash + 1);
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash + 1);
}

}  // namespace

std::string_view to_string(Flavour flavour) {
  switch (flavour) {
    case Flavour::kNone:
      return "none";
    case Flavour::kBase:
      return "base";
    case Flavour::kRuntime:
      return "runtime";
    case Flavour::kCudnn:
      return "cudnn";
    case Flavour::kDevel:
      return "devel";
  }
  return "none";
}

std::optional<Flavour> flavour_of_library(std::string_view soname) {
  if (soname.find(".so") == std::string_view::npos) return std::nullopt;
  const std::string_view stem = stem_of(soname);
  if (stem.starts_with("libcudnn_")) return Flavour::kCudnn;
  const auto* found = std::find_if(kSuppliers.begin(), kSuppliers.end(),
                                   [&](const Supplier& s) { return s.stem == stem; });
  if (found == kSuppliers.end()) return std::nullopt;
  return found->flavour;
}

bool in_system_cuda(std::string_view path) {
  static constexpr std::array<std::string_view, 6> kPlaces = {
      "usr/local/cuda", "usr/lib/x86_64-linux-gnu/", "usr/lib/aarch64-linux-gnu/",
      "usr/lib64/",     "lib/x86_64-linux-gnu/",     "lib64/"};
  return starts_with_any(path, kPlaces);
}

std::vector<std::string_view> opened_by_name(std::string_view soname, bool device_code) {
  std::vector<std::string_view> out;
  for (const Opening& opening : kOpenings) {
    if (opening.opener != soname || (opening.needs_device_code && !device_code)) continue;
    for (const std::string_view name : opening.opened)
      if (!name.empty()) out.push_back(name);
  }
  return out;
}

BaseFlavour smallest_flavour(const std::vector<LibraryUse>& files, const BuildNeeds& needs) {
  // A copy that came with an application serves the application's own tree.
  std::set<std::pair<std::string_view, std::string_view>> bundled;
  for (const LibraryUse& file : files)
    if (!in_system_cuda(file.path) && flavour_of_library(file.soname))
      bundled.emplace(bundle_root(file.path), file.soname);

  const auto is_bundled = [&](std::string_view root, std::string_view library) {
    // "libnvrtc-builtins.so.13" is opened by its full name, "….so.13.2".
    const auto at = bundled.lower_bound({root, library});
    return at != bundled.end() && at->first == root && at->second.starts_with(library) &&
           (at->second.size() == library.size() || at->second[library.size()] == '.');
  };

  std::map<std::string, FlavourReason, std::less<>> reasons;
  const auto ask = [&](const LibraryUse& user, std::string_view library, std::string_view how) {
    const auto flavour = flavour_of_library(library);
    if (!flavour || is_bundled(bundle_root(user.path), library)) return;
    reasons.try_emplace(std::string(library),
                        FlavourReason{*flavour, std::string(library), user.path, std::string(how)});
  };
  for (const LibraryUse& file : files) {
    // The vendor's own system libraries are what a flavour brings, not what asks for it.
    if (in_system_cuda(file.path) && flavour_of_library(file.soname)) continue;
    if (file.path.starts_with("usr/local/cuda")) continue;
    for (const std::string& needed : file.needed) ask(file, needed, "DT_NEEDED");
    for (const std::string_view opened : opened_by_name(file.soname, file.device_code))
      ask(file, opened, "dlopen");
  }
  // Only this flavour holds the compiler, and only it the headers.
  if (!needs.cuda_compiler.empty())
    reasons.try_emplace("nvcc", FlavourReason{Flavour::kDevel, "nvcc", needs.cuda_compiler,
                                              "compiles at run time"});
  else if (!needs.cuda_headers.empty())
    reasons.try_emplace("CUDA headers", FlavourReason{Flavour::kDevel, "CUDA headers",
                                                      needs.cuda_headers, "compiles at run time"});

  BaseFlavour out;
  for (auto& [library, reason] : reasons) {
    out.flavour = std::max(out.flavour, reason.flavour);
    out.reasons.push_back(std::move(reason));
  }
  std::stable_sort(out.reasons.begin(), out.reasons.end(),
                   [](const auto& a, const auto& b) { return a.flavour > b.flavour; });
  return out;
}

}  // namespace flense::inventory
