#include "compat/code_service.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/path.h"
#include "compat/driver_mode.h"

namespace flense::compat {

namespace {

using device::CudaArch;
using inventory::ArchCount;
using inventory::CodeFile;

/// Without the code of these the framework does nothing on a GPU, however much cuBLAS and cuDNN
/// beside them weigh.
constexpr std::array<std::string_view, 9> kMainLibraries = {"libtorch_cuda.so",
                                                            "libtorch_cuda_cu.so",
                                                            "libtorch_cuda_cpp.so",
                                                            "libtensorflow_cc.so",
                                                            "libtensorflow_framework.so",
                                                            "_pywrap_tensorflow_internal.so",
                                                            "xla_cuda_plugin.so",
                                                            "libonnxruntime_providers_cuda.so",
                                                            "libggml-cuda.so"};

bool is_main(const CodeFile& file) {
  const std::string_view name = base_name(file.path);
  return std::ranges::any_of(kMainLibraries,
                             [&](std::string_view stem) { return name.starts_with(stem); });
}

/// "1" as the driver reads its switches.
bool is_on(const inventory::Needs& image, const std::string& name) {
  const auto value = variable(image, name);
  return value && !value->empty() && *value != "0";
}

struct Rules {
  CudaArch gpu;
  bool use_cubins = true, use_ptx = true;
};

std::uint64_t device_bytes(const CodeFile& file) {
  if (file.device_bytes != 0) return file.device_bytes;
  std::uint64_t out = 0;
  for (const ArchCount& entry : file.entries) out += entry.bytes;
  return out;
}

/// The PTX that the driver takes: the newest architecture at or below the GPU's.
const ArchCount* best_ptx(const CodeFile& file, const Rules& rules) {
  const ArchCount* best = nullptr;
  unsigned best_number = 0;
  for (const ArchCount& entry : file.entries) {
    if (entry.vendor != "nvidia" || entry.kind != "ptx") continue;
    const auto arch = code_arch(entry.arch);
    if (!arch || !device::ptx_compiles_for(*arch, rules.gpu)) continue;
    if (best != nullptr && arch->number <= best_number) continue;
    best = &entry;
    best_number = arch->number;
  }
  return best;
}

void serve_by_ptx(const Question& question, const ArchCount& ptx, FileService& out) {
  out.zstd = ptx.zstd != 0;
  out.ptx = ptx.version.empty() ? ptx.arch : "PTX ISA " + ptx.version;
  out.ptx_bytes = ptx.bytes;
  switch (compiles_ptx(question, ptx.version)) {
    case Answer::kYes:
      out.how = Served::kPtx;
      return;
    case Answer::kNo:
      out.how = Served::kPtxTooNew;
      return;
    case Answer::kUnknown:
      out.how = Served::kUnknown;
      return;
  }
}

/// Nullopt for files without code that a program could load: only link-time IR.
std::optional<FileService> serve(const Question& question, const CodeFile& file,
                                 const Rules& rules) {
  FileService out{&file, Served::kNone, device_bytes(file), 0, "", false};
  bool loadable = false, unreadable = false, doubtful = false;
  for (const ArchCount& entry : file.entries) {
    if (entry.vendor != "nvidia" || entry.kind == "lto-ir") continue;
    loadable = true;
    const auto arch = code_arch(entry.arch);
    if (!arch || (entry.kind != "cubin" && entry.kind != "ptx")) {
      unreadable = true;
      continue;
    }
    if (entry.kind != "cubin" || !rules.use_cubins || !device::cubin_runs_on(*arch, rules.gpu))
      continue;
    if (device::cubin_surely_runs_on(*arch, rules.gpu)) out.how = Served::kCubin;
    doubtful = true;
    out.zstd = out.zstd || entry.zstd != 0;
  }
  if (!loadable) return std::nullopt;
  if (out.how == Served::kCubin) return out;
  if (const ArchCount* ptx = rules.use_ptx ? best_ptx(file, rules) : nullptr)
    serve_by_ptx(question, *ptx, out);
  if (doubtful && out.how != Served::kPtx) out.how = Served::kDoubtful;
  if (out.how == Served::kNone && unreadable) out.how = Served::kUnknown;
  return out;
}

std::uint64_t bytes_of(std::span<const FileService> files) {
  std::uint64_t out = 0;
  for (const FileService& file : files) out += file.bytes;
  return out;
}

std::uint64_t bytes_of(const std::vector<const FileService*>& files) {
  std::uint64_t out = 0;
  for (const FileService* file : files) out += file->bytes;
  return out;
}

}  // namespace

std::vector<FileService> code_services(const Question& question, CudaArch gpu) {
  const Rules rules{gpu, !is_on(question.image, "CUDA_FORCE_PTX_JIT"),
                    !is_on(question.image, "CUDA_DISABLE_PTX_JIT")};
  std::vector<FileService> out;
  for (const CodeFile& file : question.image.code)
    if (auto service = serve(question, file, rules)) out.push_back(*std::move(service));
  return out;
}

Verdict weight_of(std::span<const FileService> all, const std::vector<const FileService*>& part) {
  if (part.empty()) return Verdict::kOk;
  const bool main =
      std::ranges::any_of(part, [](const FileService* one) { return is_main(*one->file); });
  const bool most = bytes_of(part) > bytes_of(all) / 2;
  return main || most || part.size() == all.size() ? Verdict::kFail : Verdict::kWarn;
}

std::string names_of(const std::vector<const FileService*>& part) {
  constexpr std::size_t kShown = 3;
  std::vector<std::string_view> names;
  for (const FileService* one : part)
    if (names.size() < kShown) names.push_back(base_name(one->file->path));
  std::string out = fmt::format("{}", fmt::join(names, ", "));
  if (part.size() > kShown) out += fmt::format(" and {} more", part.size() - kShown);
  return out;
}

std::string share_of(std::span<const FileService> all,
                     const std::vector<const FileService*>& part) {
  return fmt::format("{} of {} {} ({} of {} device code)", part.size(), all.size(),
                     all.size() == 1 ? "library" : "libraries", human_bytes(bytes_of(part)),
                     human_bytes(bytes_of(all)));
}

std::vector<GpuKind> gpu_kinds(const host::Profile& host) {
  std::vector<GpuKind> out;
  for (const host::Gpu* gpu : nvidia_gpus(host)) {
    const auto arch =
        gpu->architecture.value ? device::parse_cuda_arch(*gpu->architecture.value) : std::nullopt;
    const auto known =
        std::ranges::find_if(out, [&](const GpuKind& kind) { return kind.arch == arch; });
    if (known == out.end()) out.push_back({gpu, arch});
  }
  return out;
}

}  // namespace flense::compat
