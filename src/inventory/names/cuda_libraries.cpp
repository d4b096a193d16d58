#include "inventory/names/cuda_libraries.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/numbers.h"
#include "inventory/names/file_names.h"

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
  std::string_view opener;  ///< SONAME, or its beginning up to a dot; without the hash of a wheel
  bool framework;
  std::array<std::string_view, 9> opened;
  unsigned cuda = 12;  ///< of a framework
};
constexpr std::array<Opening, 11> kOpenings = {{
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
    {"libtensorflow_cc.so.2",
     true,
     {"libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcufft.so.12",
      "libcurand.so.10", "libcusolver.so.12", "libcusparse.so.12", "libcudnn.so.9", "libnccl.so.2"},
     13},
    {"xla_cuda_plugin.so",
     true,
     {"libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcufft.so.12",
      "libcusolver.so.12", "libcusparse.so.12", "libcudnn.so.9", "libcupti.so.13", "libnccl.so.2"},
     13},
    {"libcublas.so.12", false, {"libcublasLt.so.12"}},
    {"libcublas.so.13", false, {"libcublasLt.so.13"}},
    // src/cuda/cublas_stub.cc: its wheels bring cuDNN and link the runtime statically.
    {"libctranslate2.so", false, {"libcublas.so.12"}},
}};

std::string_view stem_of(std::string_view soname) {
  return soname.substr(0, soname.find(".so"));
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
  return starts_with_any(
      path, {"usr/local/cuda", "usr/lib/x86_64-linux-gnu/", "usr/lib/aarch64-linux-gnu/",
             "usr/lib64/", "lib/x86_64-linux-gnu/", "lib64/"});
}

std::vector<std::string_view> opened_by_name(std::string_view soname, bool device_code,
                                             std::string_view search_path) {
  constexpr std::string_view kDirectory = "/nvidia/cu";
  std::uint64_t cuda = 12;
  for (std::size_t at = search_path.find(kDirectory); at != std::string_view::npos;
       at = search_path.find(kDirectory, at + 1)) {
    const std::string_view rest = search_path.substr(at + kDirectory.size());
    if (const auto number = parse_number(rest.substr(0, rest.find_first_not_of("0123456789"))))
      cuda = *number;
  }
  const std::string name = plain_library_name(soname);
  std::vector<std::string_view> out;
  for (const Opening& opening : kOpenings) {
    if (!name.starts_with(opening.opener) ||
        (name.size() > opening.opener.size() && name[opening.opener.size()] != '.'))
      continue;
    if (opening.framework && (!device_code || opening.cuda != cuda)) continue;
    for (const std::string_view opened : opening.opened)
      if (!opened.empty()) out.push_back(opened);
  }
  return out;
}

}  // namespace flense::inventory
