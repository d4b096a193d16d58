#include "inventory/describe/build_needs.h"

#include <algorithm>
#include <array>

#include "base/path.h"

namespace flense::inventory {

namespace {

/// From the packages' own code and documentation, so that the report can say what they do; others
/// are told by what their files hold (compile_evidence.h). What is not here although it compiles:
/// JAX and Pallas, TensorFlow's XLA, numba.cuda's and cuTile's kernels go through ptxas, nvlink,
/// tileiras, libnvvm, libdevice and libcudadevrt.a, which no rule takes; PyTorch's jiterator, cuDNN
/// and TensorRT hand NVRTC sources that include nothing; Warp brings its own headers outside any
/// include directory.
constexpr auto kBuilders = std::to_array<RuntimeBuilder>({
    // triton/runtime/build.py compiles a launcher for every kernel with $CC, gcc or clang.
    {"triton", kHostCompiler, "builds kernel launchers"},
    {"triton-*", kHostCompiler, "builds kernel launchers"},
    {"pytorch-triton*", kHostCompiler, "builds kernel launchers"},
    // torch.compile: Triton on the GPU, C++ on the host; cpp_extension: see below.
    {"torch", kHostCompiler, "builds what torch.compile generates"},
    {"pytorch", kHostCompiler, "builds what torch.compile generates"},
    {"tensorflow*", kHostCompiler, "may build custom operations", true},
    {"pytensor", kHostCompiler, "compiles every graph"},
    {"aesara", kHostCompiler, "compiles every graph"},
    {"theano*", kHostCompiler, "compiles every graph"},
    // Programs that start nvcc.
    {"pycuda", kHostCompiler | kNvcc, "compiles every SourceModule"},
    {"deepspeed", kHostCompiler | kNvcc, "builds its operations on first use"},
    // flashinfer-cubin and flashinfer-jit-cache bring what is built already.
    {"flashinfer", kHostCompiler | kNvcc, "builds kernels on first use"},
    {"flashinfer-python", kHostCompiler | kNvcc, "builds kernels on first use"},
    {"tilelang", kHostCompiler | kNvcc, "builds every kernel"},
    {"deep-gemm", kHostCompiler | kNvcc, "builds every kernel"},
    {"sgl-kernel", kHostCompiler | kNvcc, "builds the kernels of DeepGEMM"},
    {"hidet", kHostCompiler | kNvcc, "builds every kernel"},
    {"apache-tvm*", kHostCompiler | kNvcc, "builds generated kernels"},
    {"nvidia-cutlass", kHostCompiler | kNvcc, "builds every kernel"},
    {"cuda-python", kNvcc, "may compile kernels", true},
    // Programs that hand NVRTC sources which include the toolkit's headers.
    {"cupy", kCudaHeaders, "compiles kernels with NVRTC"},
    {"cupy-*", kCudaHeaders, "compiles kernels with NVRTC"},
    {"numba-cuda", kCudaHeaders, "compiles CUDA C++ with NVRTC"},
    {"cuda-core", kCudaHeaders, "compiles CUDA C++ with NVRTC"},
    {"cuda-cccl", kCudaHeaders, "compiles CUDA C++ with NVRTC"},
    {"cuda-parallel", kCudaHeaders, "compiles CUDA C++ with NVRTC"},
    {"cuda-cooperative", kCudaHeaders, "compiles CUDA C++ with NVRTC"},
    {"nvmath-python", kCudaHeaders, "compiles device functions with NVRTC"},
    {"transformer-engine*", kCudaHeaders, "compiles kernels with NVRTC"},
    {"pynvrtc", kCudaHeaders, "compiles CUDA C++ with NVRTC"},
    {"pykeops", kHostCompiler | kCudaHeaders, "compiles formulas with NVRTC"},
    {"keopscore", kHostCompiler | kCudaHeaders, "compiles formulas with NVRTC"},
});

bool names_package(std::string_view pattern, std::string_view name) {
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

/// What files hold counts beside what packages are known for.
void add_evidence(const BuildTools& tools, const CompileEvidence& evidence, BuildNeeds& needs) {
  const auto add = [](std::string& need, const std::string& path, std::string_view what) {
    if (need.empty() && !path.empty()) need = fmt::format("{} {}", path, what);
  };
  add(needs.host_compiler, evidence.front_end, "holds a C compiler");
  add(needs.cuda_headers, evidence.nvrtc, "compiles with NVRTC");
  add(needs.cuda_headers, evidence.hiprtc, "compiles with hipRTC");
  if (!tools.host_compiler.empty())
    add(needs.host_compiler, evidence.starts_host,
        fmt::format("may start {}", tools.host_compiler));
  if (!tools.nvcc.empty())
    add(needs.cuda_compiler, evidence.starts_nvcc, fmt::format("may start {}", tools.nvcc));
}

}  // namespace

const RuntimeBuilder* runtime_builder(std::string_view package) {
  const auto* found = std::ranges::find_if(
      kBuilders, [&](const RuntimeBuilder& one) { return names_package(one.package, package); });
  return found == kBuilders.end() ? nullptr : found;
}

BuildNeeds build_needs(const BuildTools& asked, const std::vector<InstalledPackage>& packages,
                       const CompileEvidence& evidence) {
  BuildTools tools = asked;
  if (tools.host_compiler.empty()) tools.host_compiler = evidence.program;
  BuildNeeds out;
  for (const InstalledPackage& installed : packages) {
    const Package& package = installed.package;
    if (package.type != "pip" && package.type != "conda") continue;
    const std::string name = normalised_python_name(package.name);
    if ((name == "torch" || name == "pytorch") && out.cuda_compiler.empty())
      add_torch_extensions(tools, package, out);
    const RuntimeBuilder* builder = runtime_builder(name);
    if (builder == nullptr) continue;
    // A compiler that is not there is not waited for: it fails today as it will tomorrow.
    if ((builder->needs & kHostCompiler) != 0 && !tools.host_compiler.empty())
      say(out.host_compiler, package, builder->what, tools.host_compiler);
    if ((builder->needs & kNvcc) != 0 && !tools.nvcc.empty())
      say(out.cuda_compiler, package, builder->what, tools.nvcc);
    if ((builder->needs & kCudaHeaders) != 0)
      say(out.cuda_headers, package, builder->what, "CUDA headers");
  }
  add_evidence(tools, evidence, out);
  // nvcc preprocesses and links with the host's compiler.
  if (!out.cuda_compiler.empty() && out.host_compiler.empty() && !tools.host_compiler.empty())
    out.host_compiler = out.cuda_compiler;
  return out;
}

BuildTools find_build_tools(const Contents& contents,
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
  return tools;
}

BuildNeeds find_build_needs(const Contents& contents,
                            const std::vector<InstalledPackage>& packages) {
  return build_needs(find_build_tools(contents, packages), packages,
                     find_compile_evidence(contents));
}

}  // namespace flense::inventory
