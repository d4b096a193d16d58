#include "compat/requirements.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/code_service.h"
#include "compat/facts/facts.h"

namespace flense::compat {

namespace {

using device::CudaArch;
using host::Text;
using inventory::ArchCount;
using knowledge::Knowledge;
using needs::CodeFile;
using needs::Needs;

/// A machine whose driver knows every CUDA: what the image itself lacks shows on it.
host::Profile ideal_machine() {
  host::Profile out;
  out.nvidia.cuda = Text::known("999.0", "a driver that knows every CUDA");
  return out;
}

void drivers(const ImageCuda& cuda, const Knowledge& tables, Requirements& out) {
  const std::string wanted = major_minor(cuda.version);
  out.cuda =
      Text::known(wanted, cuda.exact ? cuda.evidence : std::string(kAtLeast) + cuda.evidence);
  const std::string newer =
      fmt::format("CUDA {} is {}", wanted, newer_than_table(tables.drivers.date));
  const knowledge::ToolkitRow* toolkit = tables.drivers.toolkit(wanted);
  out.driver_native = toolkit != nullptr
                          ? Text::known(toolkit->driver, toolkit->source)
                          : Text::unknown(fmt::format("the driver table has no CUDA {}", wanted));
  const auto* newest = tables.drivers.newest_toolkit();
  if (toolkit == nullptr && newest != nullptr && compare_versions(wanted, newest->cuda) > 0)
    out.driver_native = Text::unknown(newer);
  const auto major = first_number(wanted);
  const auto* minor = major ? tables.drivers.minor_version(*major) : nullptr;
  out.driver_minor =
      minor != nullptr
          ? Text::known(minor->driver, minor->source)
          : Text::unknown(fmt::format("the driver table has no floor for the minors of CUDA {}",
                                      major.value_or(0)));
}

/// The newest PTX decides, as the driver refuses each that it does not know.
Text driver_of_ptx(const Needs& image, const Knowledge& tables) {
  const ArchCount* newest = nullptr;
  const CodeFile* where = nullptr;
  bool any = false;
  for (const CodeFile& file : image.code)
    for (const ArchCount& entry : file.entries) {
      if (entry.vendor != "nvidia" || entry.kind != "ptx") continue;
      any = true;
      if (entry.version.empty()) continue;
      if (newest != nullptr && compare_versions(entry.version, newest->version) <= 0) continue;
      newest = &entry;
      where = &file;
    }
  if (!any) return {};
  if (newest == nullptr) return Text::unknown("the PTX does not tell its version");
  const std::string seen = fmt::format("PTX ISA {} of {}", newest->version, where->path);
  const knowledge::PtxRow* row = tables.architectures.ptx_of_isa(newest->version);
  if (row == nullptr)
    return Text::unknown(
        fmt::format("{} is {}", seen, newer_than_table(tables.architectures.date)));
  const knowledge::ToolkitRow* toolkit = tables.drivers.toolkit(row->cuda);
  return toolkit == nullptr
             ? Text::unknown(fmt::format("{} needs CUDA {}, which the driver table does not have",
                                         seen, row->cuda))
             : Text::known(toolkit->driver,
                           fmt::format("{}; {}; {}", seen, row->source, toolkit->source));
}

void compat_library(const Needs& image, Requirements& out) {
  const auto newest = std::ranges::max_element(image.compat, [](const auto& a, const auto& b) {
    return compare_versions(a.version, b.version) < 0;
  });
  if (newest == image.compat.end()) return;
  const std::string seen = fmt::format("{} {}", newest->path, newest->version);
  out.compat = newest->cuda.empty() ? Text::unknown(seen + " does not tell its CUDA")
                                    : Text::known(newest->cuda, seen);
  if (!newest->note) {
    out.compat_branches = host::List::unknown(seen + " carries no note of the drivers it loads on");
    return;
  }
  std::vector<std::string> branches;
  for (const std::uint64_t branch : newest->drivers) branches.push_back(std::to_string(branch));
  out.compat_branches =
      host::List::known(std::move(branches), seen + ", note .note.cuda.fwd_compatibility");
}

std::vector<std::string> paths_of(std::vector<const FileService*> files) {
  std::ranges::stable_sort(files, std::ranges::greater(), &FileService::bytes);
  std::vector<std::string> out;
  for (const FileService* one : files) out.push_back(one->file->path);
  return out;
}

/// Jetson and the like have no x86-64 processor; an architecture without any product has nobody.
bool may_meet(const Question& question, std::string_view architecture) {
  return std::ranges::any_of(
      question.tables.gpus.products, [&](const knowledge::GpuProduct& product) {
        const bool embedded =
            product.name.starts_with("jetson") || product.name.starts_with("drive");
        return product.architecture == architecture &&
               !(embedded && question.image.platform == "linux/amd64");
      });
}

void served_nvidia(const Question& question, Requirements& out) {
  for (const knowledge::ArchitectureRow& row : question.tables.architectures.rows) {
    const auto gpu = device::parse_cuda_arch(row.architecture);
    if (!gpu || !may_meet(question, row.architecture)) continue;
    const std::vector<FileService> all = code_services(question, *gpu);
    if (all.empty()) continue;
    std::vector<const FileService*> ptx, without;
    std::uint64_t ptx_bytes = 0;
    for (const FileService& one : all) {
      if (one.how == Served::kPtx) {
        ptx.push_back(&one);
        ptx_bytes += one.ptx_bytes;
      } else if (one.how != Served::kCubin) {
        without.push_back(&one);
      }
    }
    if (dropped_by_toolkit(question, row) || weight_of(all, without) == Verdict::kFail) {
      out.unserved.push_back(row.architecture);
      continue;
    }
    const Service service = !without.empty() ? Service::kPartly
                            : !ptx.empty()   ? Service::kPtx
                                             : Service::kNative;
    out.gpus.push_back({"nvidia", row.architecture, std::string(to_string(service)), ptx_bytes,
                        paths_of(ptx), paths_of(without)});
  }
}

/// What no table knows yet is served by PTX alone, of no architecture variant.
void served_in_future(const Question& question, Requirements& out) {
  constexpr CudaArch kBeyond{999, CudaArch::Variant::kPlain};
  const std::vector<FileService> all = code_services(question, kBeyond);
  std::vector<const FileService*> without;
  for (const FileService& one : all)
    if (one.how != Served::kPtx) without.push_back(&one);
  if (all.empty() || weight_of(all, without) == Verdict::kFail) return;
  // The image depends on its libraries, so the one whose PTX starts at the newest architecture
  // decides.
  std::optional<CudaArch> from;
  const CodeFile* decides = nullptr;
  for (const FileService& one : all) {
    if (one.how != Served::kPtx) continue;
    std::optional<CudaArch> first;
    for (const ArchCount& entry : one.file->entries) {
      const auto arch =
          entry.vendor == "nvidia" && entry.kind == "ptx" ? code_arch(entry.arch) : std::nullopt;
      if (arch && arch->variant == CudaArch::Variant::kPlain &&
          (!first || arch->number < first->number))
        first = arch;
    }
    if (!first || (from && from->number >= first->number)) continue;
    from = first;
    decides = one.file;
  }
  if (from)
    out.ptx_onwards =
        Text::known(fmt::format("{}.{}", from->major(), from->minor()),
                    fmt::format("{} of {}", device::to_string(*from, "compute"), decides->path));
}

void served_amd(const Needs& image, Requirements& out) {
  std::map<std::string, std::set<std::string>> files;  // by processor, features left out
  std::set<std::string> all;
  for (const CodeFile& file : image.code)
    for (const ArchCount& entry : file.entries) {
      if (entry.vendor != "amd" || !entry.arch.starts_with("gfx")) continue;
      files[entry.arch.substr(0, entry.arch.find(':'))].insert(file.path);
      all.insert(file.path);
    }
  for (const auto& [processor, paths] : files) {
    ServedGpu gpu{"amd", processor, "", 0, {}, {}};
    std::ranges::set_difference(all, paths, std::back_inserter(gpu.without));
    gpu.service = to_string(gpu.without.empty() ? Service::kNative : Service::kPartly);
    out.gpus.push_back(std::move(gpu));
  }
}

void narrowest(const Needs& image, Requirements& out) {
  constexpr std::size_t kMost = 10;
  std::set<std::string> all;
  for (const CodeFile& file : image.code) {
    NarrowLibrary library{file.path, file.device_bytes, {}};
    std::set<std::string> code;
    for (const ArchCount& entry : file.entries)
      if (entry.kind != "ltoir" && !entry.arch.empty() && entry.hollow < entry.count)
        code.insert(entry.arch);
    if (code.empty()) continue;
    library.code.assign(code.begin(), code.end());
    all.insert(code.begin(), code.end());
    out.narrowest.push_back(std::move(library));
  }
  std::erase_if(out.narrowest,
                [&](const NarrowLibrary& one) { return one.code.size() == all.size(); });
  std::ranges::stable_sort(out.narrowest, [](const NarrowLibrary& a, const NarrowLibrary& b) {
    if (a.code.size() != b.code.size()) return a.code.size() < b.code.size();
    return a.device_bytes > b.device_bytes;
  });
  if (out.narrowest.size() > kMost) out.narrowest.resize(kMost);
}

void slim_mark(const Needs& image, Requirements& out) {
  if (!image.slim) return;
  out.notices.push_back(fmt::format("the image was slimmed to {} by flense slim ({})",
                                    fmt::join(image.slim->targets, ", "), image.slim->evidence));
  if (!image.slim->input_digest.empty())
    out.notices.push_back("it was made from " + inventory::origin_of(*image.slim));
  if (!image.slim->rules.empty())
    out.notices.push_back(
        fmt::format("what was cut, by rule: {}", fmt::join(image.slim->rules, ", ")));
  if (!image.slim->code_floor.empty())
    out.notices.push_back(
        fmt::format("its device code was recompressed, which drivers before {} cannot read",
                    image.slim->code_floor));
}

Text rocm_of(const Needs& image) {
  for (const inventory::Runtime& runtime : image.runtimes)
    if (runtime.name == "ROCm" || runtime.name == "HIP runtime")
      return runtime.version.empty()
                 ? Text::unknown(
                       fmt::format("{} without a version: {}", runtime.name, runtime.evidence))
                 : Text::known(runtime.version,
                               fmt::format("{}: {}", runtime.name, runtime.evidence));
  // The SONAME of a runtime that must come from elsewhere tells its major version.
  constexpr std::string_view kHip = "libamdhip64.so.";
  for (const needs::MissingLibrary& missing : image.missing_libraries)
    if (missing.library.starts_with(kHip))
      return Text::known(missing.library.substr(kHip.size()),
                         fmt::format("{} needs {}", missing.user, missing.library));
  for (const CodeFile& file : image.code)
    for (const ArchCount& entry : file.entries)
      if (entry.vendor == "amd")
        return Text::unknown(
            fmt::format("{} holds AMD device code, and no library says for which ROCm", file.path));
  return {};
}

}  // namespace

std::string_view to_string(Service service) {
  switch (service) {
    case Service::kNative:
      return "native";
    case Service::kPtx:
      return "ptx";
    case Service::kPartly:
      return "partly";
  }
  return "partly";
}

Requirements requirements_of(const Needs& image, const Knowledge& tables) {
  const host::Profile ideal = ideal_machine();
  const ImageFacts facts(image, tables);
  const Question question{.image = image, .host = ideal, .tables = tables, .facts = &facts};
  Requirements out;
  out.name = image.name;
  out.platform = image.platform.empty() ? Text::unknown("the image does not state its platform")
                                        : Text::known(image.platform, "configuration of the image");
  if (const auto cuda = image_cuda(question))
    drivers(*cuda, tables, out);
  else if (needs_cuda(question) != Answer::kNo)
    out.cuda = out.driver_native = out.driver_minor = Text::unknown(
        image.contents ? "nothing in the image states its CUDA" : unread_reason(image));
  compat_library(image, out);
  out.rocm = rocm_of(image);
  if (image.contents) {
    out.driver_ptx = driver_of_ptx(image, tables);
    served_nvidia(question, out);
    served_in_future(question, out);
    served_amd(image, out);
    narrowest(image, out);
    if (!image.libc.empty())
      out.libc = Text::known(
          image.libc_version.empty() ? image.libc : image.libc + " " + image.libc_version,
          "C library of the image");
    if (const auto cpu = stated_cpu(image)) out.cpu_level = Text::known(cpu->level, cpu->path);
    out.disk_bytes = host::Number::known(image.unpacked_bytes, "unpacked layers");
  } else {
    const std::string reason = unread_reason(image);
    out.driver_ptx = out.libc = out.cpu_level = Text::unknown(reason);
    out.disk_bytes = host::Number::unknown(reason);
    out.notices.push_back(fmt::format("which GPUs the image serves is unknown: {}", reason));
  }
  slim_mark(image, out);
  return out;
}

}  // namespace flense::compat
