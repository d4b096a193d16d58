#include "inventory/build_needs.h"

#include <algorithm>
#include <array>

#include "base/path.h"

namespace flense::inventory {

namespace {

/// What a package starts or reads when it compiles at run time.
enum Needs : unsigned {
  kHost = 1,     ///< a C or C++ compiler, with headers and what it links
  kNvcc = 2,     ///< nvcc, with the CUDA headers and what it links
  kHeaders = 4,  ///< the CUDA headers, read by NVRTC
};

struct RuntimeBuilder {
  std::string_view package;  ///< normalised name; a trailing '*' matches any rest
  unsigned needs;
  std::string_view what;  ///< completes "<package> <version> …"
};

/// From the packages' own code and documentation. What is not here although it compiles: JAX and
/// Pallas, TensorFlow's XLA, numba.cuda's and cuTile's kernels go through ptxas, nvlink, tileiras,
/// libnvvm, libdevice and libcudadevrt.a, which no rule takes; PyTorch's jiterator, cuDNN and
/// TensorRT hand NVRTC sources that include nothing; Warp brings its own headers outside any
/// include directory.
constexpr auto kBuilders = std::to_array<RuntimeBuilder>({
    // triton/runtime/build.py compiles a launcher for every kernel with $CC, gcc or clang.
    {"triton", kHost, "builds kernel launchers"},
    {"triton-*", kHost, "builds kernel launchers"},
    {"pytorch-triton*", kHost, "builds kernel launchers"},
    // torch.compile: Triton on the GPU, C++ on the host; cpp_extension: see below.
    {"torch", kHost, "builds what torch.compile generates"},
    {"pytorch", kHost, "builds what torch.compile generates"},
    {"tensorflow*", kHost, "may build custom operations"},
    {"pytensor", kHost, "compiles every graph"},
    {"aesara", kHost, "compiles every graph"},
    {"theano*", kHost, "compiles every graph"},
    // Programs that start nvcc.
    {"pycuda", kHost | kNvcc, "compiles every SourceModule"},
    {"deepspeed", kHost | kNvcc, "builds its operations on first use"},
    {"flashinfer*", kHost | kNvcc, "builds kernels on first use"},
    {"tilelang", kHost | kNvcc, "builds every kernel"},
    {"deep-gemm", kHost | kNvcc, "builds every kernel"},
    {"sgl-kernel", kHost | kNvcc, "builds the kernels of DeepGEMM"},
    {"hidet", kHost | kNvcc, "builds every kernel"},
    {"apache-tvm*", kHost | kNvcc, "builds generated kernels"},
    {"nvidia-cutlass", kHost | kNvcc, "builds every kernel"},
    {"cuda-python", kNvcc, "may compile kernels"},
    // Programs that hand NVRTC sources which include the toolkit's headers.
    {"cupy", kHeaders, "compiles kernels with NVRTC"},
    {"cupy-*", kHeaders, "compiles kernels with NVRTC"},
    {"numba-cuda", kHeaders, "compiles CUDA C++ with NVRTC"},
    {"cuda-core", kHeaders, "compiles CUDA C++ with NVRTC"},
    {"cuda-cccl", kHeaders, "compiles CUDA C++ with NVRTC"},
    {"cuda-parallel", kHeaders, "compiles CUDA C++ with NVRTC"},
    {"cuda-cooperative", kHeaders, "compiles CUDA C++ with NVRTC"},
    {"nvmath-python", kHeaders, "compiles device functions with NVRTC"},
    {"transformer-engine*", kHeaders, "compiles kernels with NVRTC"},
    {"pynvrtc", kHeaders, "compiles CUDA C++ with NVRTC"},
    {"pykeops", kHost | kHeaders, "compiles formulas with NVRTC"},
    {"keopscore", kHost | kHeaders, "compiles formulas with NVRTC"},
});

bool matches(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return pattern == name;
  pattern.remove_suffix(1);
  return name.starts_with(pattern);
}

/// cc, gcc, clang: as such, with a version behind ("gcc-12"), with a target before
/// ("x86_64-conda-linux-gnu-cc"), or with both. Only regular files are looked at, and Debian's have
/// both: gcc and gcc-12 are links to x86_64-linux-gnu-gcc-12.
bool is_c_compiler(std::string_view path) {
  if (base_name(parent_path(path)) != "bin") return false;
  std::string_view name = base_name(path);
  const std::size_t dash = name.rfind('-');
  if (dash != std::string_view::npos && dash + 1 < name.size() &&
      name.find_first_not_of("0123456789.", dash + 1) == std::string_view::npos)
    name = name.substr(0, dash);
  if (const std::size_t target = name.rfind('-'); target != std::string_view::npos)
    name = name.substr(target + 1);
  return name == "cc" || name == "gcc" || name == "clang";
}

void say(std::string& need, const Package& package, std::string_view what, std::string_view with) {
  if (need.empty())
    need = fmt::format("{} {} {} with {} at run time", package.name, package.version, what, with);
}

/// torch.utils.cpp_extension: load() needs Ninja, and leaves what it has built in a cache.
void add_torch_extensions(const BuildTools& tools, const Package& torch, BuildNeeds& needs) {
  if (tools.nvcc.empty() || tools.host_compiler.empty()) return;
  if (!tools.torch_extensions.empty())
    needs.cuda_compiler = fmt::format("torch.utils.cpp_extension has built {} and may build again",
                                      tools.torch_extensions);
  else if (!tools.ninja.empty())
    say(needs.cuda_compiler, torch, "can build extensions", tools.ninja + " and " + tools.nvcc);
}

}  // namespace

BuildNeeds build_needs(const BuildTools& tools, const std::vector<InstalledPackage>& packages) {
  BuildNeeds out;
  for (const InstalledPackage& installed : packages) {
    const Package& package = installed.package;
    if (package.type != "pip" && package.type != "conda") continue;
    const std::string name = normalised_python_name(package.name);
    if ((name == "torch" || name == "pytorch") && out.cuda_compiler.empty())
      add_torch_extensions(tools, package, out);
    for (const RuntimeBuilder& builder : kBuilders) {
      if (!matches(builder.package, name)) continue;
      // A compiler that is not there is not waited for: it fails today as it will tomorrow.
      if ((builder.needs & kHost) != 0 && !tools.host_compiler.empty())
        say(out.host_compiler, package, builder.what, tools.host_compiler);
      if ((builder.needs & kNvcc) != 0 && !tools.nvcc.empty())
        say(out.cuda_compiler, package, builder.what, tools.nvcc);
      if ((builder.needs & kHeaders) != 0)
        say(out.cuda_headers, package, builder.what, "CUDA headers");
    }
  }
  // nvcc preprocesses and links with the host's compiler.
  if (!out.cuda_compiler.empty() && out.host_compiler.empty() && !tools.host_compiler.empty())
    out.host_compiler = out.cuda_compiler;
  return out;
}

BuildNeeds find_build_needs(const Contents& contents,
                            const std::vector<InstalledPackage>& packages) {
  BuildTools tools;
  for (const InstalledPackage& installed : packages)
    if (installed.package.name == "ninja" || installed.package.name == "ninja-build")
      tools.ninja = "ninja " + installed.package.version;
  contents.for_each_file([&](const VisibleFile& file) {
    if (tools.host_compiler.empty() && is_c_compiler(file.path)) tools.host_compiler = file.path;
    if (tools.nvcc.empty() && file.path.ends_with("bin/nvcc")) tools.nvcc = file.path;
    if (tools.ninja.empty() && file.path.ends_with("bin/ninja")) tools.ninja = file.path;
    if (tools.torch_extensions.empty() && file.path.ends_with(".so") &&
        file.path.find("/torch_extensions/") != std::string_view::npos)
      tools.torch_extensions = file.path;
  });
  return build_needs(tools, packages);
}

}  // namespace flense::inventory
