// The frameworks in the Python of this environment: built for GPUs at all, for this vendor, and for
// a CUDA that the driver supports.
#include <algorithm>

#include "base/format.h"
#include "base/path.h"
#include "base/version_numbers.h"
#include "doctor/groups.h"
#include "doctor/python.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr const char* kInstallFramework = "pytorch.org, Get Started";

struct Torch {
  std::string path;
  TorchVersion version;
};

std::optional<Torch> find_torch(const Scene& scene, const Python& python, Step& step) {
  step.saw(python.program.empty() ? "no python3 on PATH"
                                  : "python: " + host::clean(python.program));
  for (const std::string& folder : python.packages) {
    const std::string path = folder + "/torch/version.py";
    const Result<std::string> text = scene.machine.root.read(path);
    if (!text) continue;
    const std::string label = scene.machine.root.label(path);
    auto version = parse_torch_version(*text);
    if (!version) {
      step.saw(label + " names no version");
      continue;
    }
    step.saw(fmt::format("{}: {}, cuda {}, hip {}", label, version->version,
                         version->cuda.value_or("None"), version->hip.value_or("None")));
    return Torch{label, *std::move(version)};
  }
  return std::nullopt;
}

/// "/opt/venv/bin/python3 -m pip install jax"; in words where this Python has no pip.
std::string pip(const Scene& scene, const Python& python, std::string_view arguments) {
  for (const std::string& folder : python.packages)
    if (scene.machine.root.is_directory(folder + "/pip"))
      return fmt::format("{} -m pip {}", host::clean(python.program), arguments);
  return fmt::format(
      "{} {}",
      scene.tools.has("uv") ? "uv pip" : "with what installs packages in this environment:",
      arguments);
}

std::string index_url(const Scene& scene) {
  const std::string cuda = scene.profile.nvidia.cuda.value.value_or("");
  if (!scene.nvidia) return "the ROCm index (--index-url https://download.pytorch.org/whl/rocmX.Y)";
  return fmt::format(
      "an index of CUDA builds (--index-url https://download.pytorch.org/whl/cuNNN{})",
      cuda.empty() ? ""
                   : ", at most CUDA " + cuda.substr(0, cuda.find('.')) + ".x for this driver");
}

void torch_build(const Scene& scene, const Python& python, const std::optional<Torch>& torch,
                 Step& step) {
  step.smi_unaffected = scene.nvidia;
  if (!torch) return step.skip("PyTorch is not installed in the Python that this environment runs");
  const TorchVersion& build = torch->version;
  if (build.xpu && !build.cuda && !build.hip)
    return step.broken(fmt::format("PyTorch {} is built for Intel GPUs", build.version),
                       "install it from " + index_url(scene), kInstallFramework);
  if (!build.cuda && !build.hip)
    return step.broken(
        fmt::format("PyTorch {} is built for CPUs only: torch.cuda.is_available() is False",
                    build.version),
        pip(scene, python, "uninstall torch torchvision torchaudio") + ", then install them from " +
            index_url(scene),
        kInstallFramework);
  if (build.hip && scene.nvidia && !scene.amd)
    return step.broken(
        fmt::format("PyTorch {} is built for ROCm, and the GPUs are NVIDIA's", build.version),
        "install it from " + index_url(scene), kInstallFramework);
  if (build.cuda && scene.amd && !scene.nvidia)
    return step.broken(
        fmt::format("PyTorch {} is built for CUDA, and the GPUs are AMD's", build.version),
        "install it from " + index_url(scene), kInstallFramework);
  step.ok(fmt::format("PyTorch {}, {} {}", build.version, build.cuda ? "CUDA" : "ROCm",
                      build.cuda ? *build.cuda : *build.hip));
}

std::string major_of(std::string_view version) {
  return std::string(version.substr(0, version.find('.')));
}

void torch_driver(const Scene& scene, const std::optional<Torch>& torch, std::vector<Step>& steps) {
  Step& step = ask(steps, "torch-driver", "the driver runs PyTorch's CUDA");
  step.smi_unaffected = scene.nvidia;
  if (!torch || !torch->version.cuda || !scene.nvidia || scene.tegra)
    return step.skip("no PyTorch for CUDA");
  // A compatibility package brings the CUDA of its own driver.
  std::string driver = scene.profile.nvidia.library_version.value.value_or(scene.module_version());
  if (scene.libcuda.found) {
    const std::string_view name = base_name(scene.libcuda.found->real);
    constexpr std::string_view kStem = "libcuda.so.";
    if (name.starts_with(kStem) && host::is_driver_version(name.substr(kStem.size())))
      driver = name.substr(kStem.size());
  }
  const std::string cuda = driver.empty() ? "" : scene.tables.drivers.cuda_of(driver);
  step.saw(fmt::format("{}: CUDA {}", torch->path, *torch->version.cuda));
  step.saw(cuda.empty()
               ? fmt::format("driver {}: its CUDA is unknown", driver.empty() ? "?" : driver)
               : fmt::format("driver {}: CUDA {}, by the driver table", driver, cuda));
  if (cuda.empty())
    return step.unknown("which CUDA the driver runs is unknown",
                        scene.tools.has("nvidia-smi") ? "nvidia-smi names it in its first lines"
                                                      : "a newer flense may know it",
                        !scene.wsl);
  const std::string built = major_of(*torch->version.cuda), runs = major_of(cuda);
  if (version_at_least(runs, built))
    return step.ok(fmt::format("built for {}, the driver runs {}{}", *torch->version.cuda, cuda,
                               version_at_least(cuda, *torch->version.cuda)
                                   ? ""
                                   : ": minor-version compatibility, without PTX"));
  step.broken(
      fmt::format("PyTorch {} is built for CUDA {}, and the driver {} runs CUDA {} at most: The "
                  "NVIDIA driver "
                  "on your system is too old",
                  torch->version.version, *torch->version.cuda, driver, cuda),
      fmt::format("install a PyTorch built for CUDA {}, or upgrade the host's driver", runs),
      "data/cuda_driver.json; NVIDIA CUDA Compatibility guide");
}

/// Distributions by name: "jax-0.4.30.dist-info" -> "jax".
std::vector<std::string> distributions(const Scene& scene, const Python& python) {
  std::vector<std::string> out;
  for (const std::string& folder : python.packages)
    for (const std::string& name : scene.machine.root.list(folder))
      if (name.ends_with(".dist-info"))
        if (const std::size_t dash = name.find('-'); dash != std::string::npos)
          out.push_back(host::clean(name.substr(0, dash)));
  return out;
}

void others(const Scene& scene, const Python& python, std::vector<Step>& steps) {
  Step& step = ask(steps, "framework-builds", "other frameworks are built for GPUs");
  step.smi_unaffected = scene.nvidia;
  const std::vector<std::string> names = distributions(scene, python);
  const auto has = [&](std::string_view start, std::string_view end = {}) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return end.empty() ? name == start : name.starts_with(start) && name.ends_with(end);
    });
  };
  std::size_t seen = 0;
  for (const char* name : {"jax", "tensorflow", "tensorflow_cpu", "onnxruntime", "onnxruntime_gpu"})
    if (has(name)) {
      step.saw(std::string(name) + " is installed");
      ++seen;
    }
  if (seen == 0) return step.skip("none of JAX, TensorFlow, ONNX Runtime");
  if (has("jax") && !has("jax_cuda", "plugin") && !has("jax_cuda", "pjrt") &&
      !has("jax_rocm", "plugin"))
    return step.warn(
        "JAX has no GPU plugin: it falls back to the CPU",
        pip(scene, python,
            scene.nvidia ? "install 'jax[cuda12]' or 'jax[cuda13]'" : "install 'jax[rocm]'"),
        "JAX documentation, installation");
  if (const std::string* platforms = scene.variable("JAX_PLATFORMS");
      has("jax") && platforms != nullptr && host::clean(*platforms) == "cpu") {
    step.saw("JAX_PLATFORMS=cpu");
    return step.warn("JAX_PLATFORMS is cpu: JAX leaves the GPUs alone", "unset JAX_PLATFORMS",
                     "JAX documentation, configuration options");
  }
  if (has("tensorflow_cpu") && !has("tensorflow"))
    return step.warn(
        "tensorflow-cpu runs on no GPU",
        pip(scene, python, "uninstall tensorflow-cpu") + ", then install 'tensorflow[and-cuda]'",
        "TensorFlow documentation, installation");
  if (has("onnxruntime") && has("onnxruntime_gpu"))
    return step.warn(
        "onnxruntime and onnxruntime-gpu are both installed: they overwrite each other's files",
        pip(scene, python, "uninstall onnxruntime onnxruntime-gpu") +
            ", then install onnxruntime-gpu",
        "ONNX Runtime documentation, installation");
  step.ok(counted(seen, "framework", "frameworks"));
}

}  // namespace

void steps_frameworks(const Scene& scene, std::vector<Step>& steps) {
  const Python python = visible_python(scene);
  Step& build = ask(steps, "torch-build", "PyTorch is built for these GPUs");
  const std::optional<Torch> torch = find_torch(scene, python, build);
  torch_build(scene, python, torch, build);
  torch_driver(scene, torch, steps);
  others(scene, python, steps);
}

}  // namespace flense::doctor
