#include "compat/facts/code_service.h"

#include <algorithm>
#include <limits>
#include <map>

#include "base/format.h"
#include "base/path.h"
#include "base/version_numbers.h"
#include "compat/facts/driver_mode.h"

namespace flense::compat {

namespace {

using device::CudaArch;

/// One GPU, and the libcuda that would load code for it.
class Servicing {
 public:
  Servicing(const Question& question, CudaArch gpu)
      : tables_(question.tables.architectures),
        gpu_(gpu),
        use_cubins_(!is_on(question.image, "CUDA_FORCE_PTX_JIT") &&
                    !is_on(question.image, "CUDA_FORCE_JIT")),
        use_ptx_(!is_on(question.image, "CUDA_DISABLE_PTX_JIT") &&
                 !is_on(question.image, "CUDA_DISABLE_JIT")),
        cuda_(effective_cuda(question)) {
    // Of the image's own CUDA driver-cuda speaks.
    const auto major = [](const std::string& version) { return first_number(version).value_or(0); };
    const auto& own = image_cuda(question);
    if (cuda_ && cuda_->exact && own)
      newest_major_ = std::max(major(cuda_->cuda), major(own->version));
  }

  FileService of(const CudaFile& file) {
    FileService out{.file = file.file,
                    .bytes = file.bytes,
                    .core = file.core,
                    .feature = file.feature,
                    .variants = file.variants};
    bool doubtful = false;
    for (const auto& [row, arch] : file.cubins) {
      if (!use_cubins_ || !device::cubin_runs_on(arch, gpu_)) continue;
      // Of several variants the package takes the one that fits.
      if (file.variants.empty() && first_number(row->version).value_or(0) > newest_major_) {
        out.too_new = row;
        continue;
      }
      if (device::cubin_surely_runs_on(arch, gpu_)) out.how = Served::kCubin;
      doubtful = true;
      out.zstd = out.zstd || row->zstd != 0;
    }
    if (out.how == Served::kCubin) return out;
    if (const inventory::ArchCount* ptx = use_ptx_ ? best_ptx(file) : nullptr) by_ptx(*ptx, out);
    if (doubtful && out.how != Served::kPtx) out.how = Served::kDoubtful;
    if (out.how == Served::kNone && file.unreadable) out.how = Served::kUnknown;
    if (out.how == Served::kNone && out.too_new != nullptr) out.how = Served::kTooNew;
    return out;
  }

 private:
  /// The PTX that the driver takes: the newest architecture at or below the GPU's.
  const inventory::ArchCount* best_ptx(const CudaFile& file) const {
    const inventory::ArchCount* best = nullptr;
    unsigned best_number = 0;
    for (const auto& [row, arch] : file.ptx) {
      if (!device::ptx_compiles_for(arch, gpu_)) continue;
      if (best != nullptr && arch.number <= best_number) continue;
      best = row;
      best_number = arch.number;
    }
    return best;
  }

  void by_ptx(const inventory::ArchCount& ptx, FileService& out) {
    out.zstd = ptx.zstd != 0;
    out.ptx = &ptx;
    out.ptx_bytes = ptx.bytes;
    const Answer compiles = this->compiles(ptx.version);
    out.how = compiles == Answer::kYes  ? Served::kPtx
              : compiles == Answer::kNo ? Served::kPtxTooNew
                                        : Served::kUnknown;
  }

  Answer compiles(const std::string& isa) {
    const auto [at, added] = known_.emplace(isa, Answer::kUnknown);
    if (added) at->second = compiles_ptx(tables_, cuda_, isa);
    return at->second;
  }

  const knowledge::Architectures& tables_;
  CudaArch gpu_;
  bool use_cubins_, use_ptx_;
  std::uint64_t newest_major_ = std::numeric_limits<std::uint64_t>::max();
  std::optional<DriverCuda> cuda_;
  std::map<std::string, Answer> known_;  // files are many, PTX versions few
};

/// A library in a Python package, which nothing but an import needs.
bool is_extension_module(std::string_view path) {
  return path.find("/site-packages/") != std::string_view::npos ||
         path.find("/dist-packages/") != std::string_view::npos || path.ends_with(".abi3.so") ||
         base_name(path).find(".cpython-") != std::string_view::npos;
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
  Servicing service(question, gpu);
  std::vector<FileService> out;
  out.reserve(question.facts->cuda_code.size());
  std::map<std::string_view, std::size_t> names;
  for (const CudaFile& file : question.facts->cuda_code) {
    out.push_back(service.of(file));
    ++names[base_name(file.file->path)];
  }
  for (FileService& one : out) {
    one.name = base_name(one.file->path);
    if (names[one.name] > 1) one.name = one.file->path;
  }
  return out;
}

std::string ptx_text(const FileService& service) {
  if (service.ptx == nullptr) return "PTX";
  return service.ptx->version.empty() ? service.ptx->arch : "PTX ISA " + service.ptx->version;
}

bool is_vital(const FileService& one, const std::vector<const FileService*>& part) {
  if (one.core || one.feature || one.file->user.empty()) return one.core;
  // What only a plug-in of the same part asks for is as dispensable as that.
  const auto user = std::ranges::find_if(
      part, [&](const FileService* other) { return other->file->path == one.file->user; });
  return user == part.end() || *user == &one || (*user)->core || !(*user)->file->user.empty();
}

Verdict weight_of(std::span<const FileService> all, const std::vector<const FileService*>& part) {
  if (part.empty()) return Verdict::kOk;
  const bool vital =
      std::ranges::any_of(part, [&](const FileService* one) { return is_vital(*one, part); });
  // An extension module is imported on demand, however large it is; a library that lies elsewhere
  // may be opened by a name that nobody saw. One of several variants is as good as the others.
  const auto replaced = [&](const FileService* one) {
    return !one->variants.empty() && std::ranges::any_of(all, [&](const FileService& other) {
      return other.variants == one->variants && std::ranges::find(part, &other) == part.end();
    });
  };
  std::uint64_t bytes = 0;
  for (const FileService* one : part)
    if (!one->feature && !is_extension_module(one->file->path) && !replaced(one))
      bytes += one->bytes;
  const bool most = bytes > bytes_of(all) / 2;
  return vital || most || part.size() == all.size() ? Verdict::kFail : Verdict::kWarn;
}

std::string names_of(const std::vector<const FileService*>& part) {
  constexpr std::size_t kShown = 3;
  std::vector<std::string_view> names;
  for (const FileService* one : part)
    if (names.size() < kShown) names.push_back(one->name);
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

bool dropped_by_toolkit(const Question& question, const knowledge::ArchitectureRow& row) {
  const auto wanted = image_cuda(question);
  // Code alone gives only a lower bound, and device-code judges code itself.
  return !row.last_cuda.empty() && wanted && wanted->exact &&
         !version_at_least(row.last_cuda, major_minor(wanted->version));
}

const knowledge::ArchitectureRow* ended_before(const Question& question, std::uint64_t branch) {
  if (is_tegra(question.host)) return nullptr;
  for (const GpuKind& kind : gpu_kinds(question.host)) {
    if (!kind.gpu->architecture.value) continue;
    const auto* row = question.tables.architectures.find(*kind.gpu->architecture.value);
    if (row != nullptr && row->last_driver_branch != 0 && row->last_driver_branch < branch)
      return row;
  }
  return nullptr;
}

}  // namespace flense::compat
