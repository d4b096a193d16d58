// Compilers that run at run time, and what they would find missing in the image.
#include <algorithm>
#include <array>
#include <initializer_list>

#include "base/path.h"
#include "base/version_numbers.h"
#include "inventory/describe/build_needs.h"
#include "inventory/names/file_names.h"
#include "needs/collectors.h"
#include "needs/run_user.h"

namespace flense::needs {

namespace {

/// What the image has of all that compilers look for.
struct Tools {
  inventory::BuildTools build;
  bool ptxas = false, python_headers = false, cuda_headers = false;
};

Tools find_tools(const inventory::Survey& survey, const inventory::Inventory& inventory) {
  Tools out;
  out.build = inventory::find_build_tools(survey.contents, inventory.packages);
  survey.contents.for_each_file([&](const inventory::VisibleFile& file) {
    const std::string_view name = base_name(file.path);
    out.ptxas |= name == "ptxas";
    out.python_headers |= name == "Python.h";
    out.cuda_headers |= name == "cuda_runtime.h";
  });
  return out;
}

class CompilerCollector {
 public:
  CompilerCollector(const inventory::Survey& survey, const inventory::Inventory& inventory,
                    Needs& needs)
      : survey_(survey),
        tools_(find_tools(survey, inventory)),
        user_(run_user(survey)),
        needs_(needs) {}

  void see(const inventory::InstalledPackage& installed) {
    const std::string name = inventory::normalised_python_name(installed.package.name);
    // triton/runtime/build.py compiles a module for Python; triton/backends/nvidia/compiler.py
    // starts ptxas; triton/knobs.py says where the cache lies.
    if (name == "triton" || name == "pytorch-triton") {
      lacks(!host(), "C compiler");
      lacks(!tools_.python_headers, "Python headers");
      lacks(!tools_.ptxas && !survey_.environment.contains("TRITON_PTXAS_PATH"), "ptxas");
      lacks(!may_cache({"TRITON_CACHE_DIR", "TRITON_HOME"}, at_home(".triton")), "writable cache");
      return add("Triton", installed, ptxas_cuda());
    }
    // torch/_inductor/runtime/cache_dir_utils.py: below the directory of temporary files.
    if (name == "torch" || name == "pytorch") {
      lacks(!host(), "C compiler");
      lacks(!may_cache({"TORCHINDUCTOR_CACHE_DIR", "TMPDIR"}, "tmp"), "writable cache");
      add("torch.compile", installed);
      if (tools_.build.torch_extensions.empty()) return;
      lacks(!host(), "C compiler");
      lacks(tools_.build.nvcc.empty(), "nvcc");
      lacks(tools_.build.ninja.empty(), "ninja");
      lacks(!may_cache({"TORCH_EXTENSIONS_DIR"}, at_home(".cache/torch_extensions")),
            "writable cache");
      return add("torch.utils.cpp_extension", installed);
    }
    const inventory::RuntimeBuilder* builder = inventory::runtime_builder(name);
    if (builder == nullptr || builder->seldom) return;
    lacks((builder->needs & inventory::kHostCompiler) != 0 && !host(), "C compiler");
    lacks((builder->needs & inventory::kNvcc) != 0 && tools_.build.nvcc.empty(), "nvcc");
    if ((builder->needs & inventory::kCudaHeaders) != 0) {
      lacks(!tools_.cuda_headers, "CUDA headers");
      lacks(!survey_.has_library("libnvrtc.so*"), "NVRTC");
    }
    const bool cupy = name == "cupy" || name.starts_with("cupy-");
    // It compiles by hipRTC.
    if (name.starts_with("cupy-rocm")) missing_.clear();
    if (cupy)
      lacks(!may_cache({"CUPY_CACHE_DIR"}, at_home(".cupy/kernel_cache")), "writable cache");
    add(cupy ? "CuPy" : name == "numba-cuda" ? "Numba" : installed.package.name, installed);
  }

 private:
  bool host() const { return !tools_.build.host_compiler.empty(); }

  /// CUDA of the newest ptxas of Triton's own: one beside it is for the newest GPUs alone.
  std::string ptxas_cuda() const {
    if (const auto at = survey_.environment.find("TRITON_PTXAS_PATH");
        at != survey_.environment.end()) {
      const inventory::ElfFacts* elf = survey_.elf_at(resolve_link_text("", at->second));
      return elf == nullptr ? std::string() : elf->toolkit;
    }
    std::string newest;
    for (const inventory::SurveyFile& file : survey_.files)
      if (file.elf != nullptr && base_name(file.path).starts_with("ptxas") &&
          inventory::has_component(file.path, "triton") &&
          compare_versions(file.elf->toolkit, newest) > 0)
        newest = file.elf->toolkit;
    return newest;
  }

  std::string at_home(std::string_view below) const {
    return user_.home.empty() ? std::string(below) : fmt::format("{}/{}", user_.home, below);
  }

  /// The first variable that is set says where; else `usual` does.
  bool may_cache(std::initializer_list<const char*> variables, const std::string& usual) const {
    for (const char* variable : variables)
      if (const auto at = survey_.environment.find(variable); at != survey_.environment.end())
        return user_.may_create(survey_, resolve_link_text("", at->second));
    return user_.may_create(survey_, usual);
  }

  void lacks(bool lacking, const char* what) {
    if (lacking) missing_.emplace_back(what);
  }

  /// Takes what has been found missing; one row for each compiler.
  void add(std::string name, const inventory::InstalledPackage& installed, std::string cuda = {}) {
    std::vector<std::string> missing = std::exchange(missing_, {});
    const bool known = std::ranges::any_of(
        needs_.compilers, [&](const RunTimeCompiler& one) { return one.name == name; });
    if (known) return;
    const inventory::Package& package = installed.package;
    needs_.compilers.push_back(
        {std::move(name),
         fmt::format("{} package {} {}", package.type, package.name, package.version),
         std::move(missing), std::move(cuda)});
  }

  const inventory::Survey& survey_;
  const Tools tools_;
  const RunUser user_;
  Needs& needs_;
  std::vector<std::string> missing_;
};

}  // namespace

void collect_compilers(const inventory::Survey& survey, const inventory::Inventory& inventory,
                       Needs& needs) {
  // What the image starts hands over NVRTC's PTX without any package that says so.
  if (const inventory::ElfFacts* program = survey.elf_at(needs.start.program))
    for (const std::string& library : program->needed)
      if (library.starts_with("libnvrtc.so."))
        needs.compilers.push_back(
            {"NVRTC", fmt::format("/{} needs {}", needs.start.program, library), {}});
  CompilerCollector collector(survey, inventory, needs);
  for (const inventory::InstalledPackage& installed : inventory.packages)
    if (installed.package.type == "pip" || installed.package.type == "conda")
      collector.see(installed);
}

}  // namespace flense::needs
