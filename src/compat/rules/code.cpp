// The image's device code on the host's GPUs.
#include <algorithm>
#include <iterator>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/code_service.h"
#include "compat/facts/driver_mode.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

using Part = std::vector<const FileService*>;

constexpr const char* kSource =
    "CUDA C++ Programming Guide: binary and PTX compatibility, architecture- and family-specific "
    "targets";

Part part_of(const std::vector<FileService>& all, std::initializer_list<Served> how) {
  Part out;
  for (const FileService& one : all)
    if (std::ranges::find(how, one.how) != how.end()) out.push_back(&one);
  return out;
}

std::uint64_t ptx_bytes(const Part& part) {
  std::uint64_t out = 0;
  for (const FileService* one : part) out += one->ptx_bytes;
  return out;
}

/// "cubins of sm_90a; PTX of compute_90a": what a file has, for the evidence.
std::string content_of(const needs::CodeFile& file) {
  std::vector<std::string> words;
  for (const inventory::ArchCount& entry : file.entries)
    if (entry.vendor == "nvidia")
      words.push_back(entry.kind != "ptx" || entry.version.empty()
                          ? entry.arch
                          : fmt::format("{} (PTX {})", entry.arch, entry.version));
  constexpr std::size_t kShown = 12;
  if (words.size() > kShown) {
    const std::size_t more = words.size() - kShown;
    words.resize(kShown);
    words.push_back(fmt::format("{} more", more));
  }
  return fmt::format("/{}: {}", file.path, fmt::join(words, ", "));
}

void add_evidence(const Part& part, const GpuKind& kind, Check& check) {
  constexpr std::size_t kShown = 4;
  for (const FileService* one : part) {
    if (check.evidence.size() >= kShown) break;
    const std::string& user = one->file->user;
    check.evidence.push_back(
        {"image", content_of(*one->file) + (user.empty() || user == one->file->path
                                                ? std::string()
                                                : fmt::format("; /{} asks for it", user))});
  }
  check.evidence.push_back(
      {"host", fmt::format("{} ({})", gpu_text(*kind.gpu), kind.gpu->architecture.evidence)});
}

/// "sm_103, sm_100 or sm_100f": cubins that run on the GPU, its own first.
std::string serving(const Question& question, device::CudaArch gpu) {
  std::vector<std::string> out = {device::to_string(gpu)};
  for (const knowledge::ArchitectureRow& row : question.tables.architectures.rows) {
    auto arch = device::parse_cuda_arch(row.architecture);
    if (!arch || arch->minor() != 0 || arch == gpu || !device::cubin_surely_runs_on(*arch, gpu))
      continue;
    out.push_back(device::to_string(*arch));
    constexpr unsigned kFirstFamily = 100;
    if (arch->number < kFirstFamily) continue;
    arch->variant = device::CudaArch::Variant::kFamily;
    if (device::cubin_surely_runs_on(*arch, gpu)) out.push_back(device::to_string(*arch));
  }
  const std::string last = out.back();
  out.pop_back();
  return out.empty() ? last : fmt::format("{} or {}", fmt::join(out, ", "), last);
}

/// Files that fail for certain: nothing loadable, or code that the driver refuses.
Check failing(const Question& question, const GpuKind& kind, const std::vector<FileService>& all,
              const Part& part) {
  const bool ptx = part.front()->how == Served::kPtxTooNew;
  const auto cuda = effective_cuda(question);
  Check check{"device-code", weight_of(all, part), "", {}, "", kSource};
  if (ptx) {
    check.message = fmt::format(
        "{} {} for {} only {}, which the driver does not know (error 222): "
        "{}",
        share_of(all, part), part.size() == 1 ? "has" : "have", gpu_text(*kind.gpu),
        ptx_text(*part.front()), names_of(part));
    check.fix = "update the driver, or rebuild with cubins for " + device::to_string(*kind.arch);
    if (cuda) check.evidence.push_back({"host", cuda->statement});
    const knowledge::PtxRow* newest = question.tables.architectures.newest_ptx();
    if (newest != nullptr) check.source += "; " + newest->source;
  } else if (part.front()->how == Served::kTooNew && cuda) {
    const std::string& newer = part.front()->too_new->version;
    check.message = fmt::format(
        "{} {} compiled by CUDA {}, whose code a driver of CUDA {} does not load: {}",
        share_of(all, part), part.size() == 1 ? "was" : "were", newer, cuda->cuda, names_of(part));
    check.fix = fmt::format("take a build for CUDA {}, or update the driver to one of CUDA {}",
                            cuda->cuda, newer);
    check.source = "NVIDIA CUDA Compatibility guide: a driver runs what its own major compiled";
    check.evidence.push_back({"host", cuda->statement});
  } else {
    check.message =
        fmt::format("{} {} no code that {} can load (error 209): {}", share_of(all, part),
                    part.size() == 1 ? "has" : "have", gpu_text(*kind.gpu), names_of(part));
    check.fix = fmt::format("take a build that has {}, or PTX at or below {}",
                            serving(question, *kind.arch), device::to_string(*kind.arch));
    for (const std::string name :
         {"CUDA_FORCE_PTX_JIT", "CUDA_FORCE_JIT", "CUDA_DISABLE_PTX_JIT", "CUDA_DISABLE_JIT"})
      if (is_on(question.image, name)) {
        check.evidence.push_back({"image", fmt::format("{}=1 of its environment", name)});
        check.message += fmt::format(", with {}=1 of the image", name);
        check.fix = fmt::format("take {} out of the image, or a build that has {}", name,
                                name.starts_with("CUDA_FORCE_")
                                    ? "PTX at or below " + device::to_string(*kind.arch)
                                    : device::to_string(*kind.arch));
      }
  }
  add_evidence(part, kind, check);
  return check;
}

/// Of a finding that is no failure of the whole: what else the image has for this GPU.
void add_rest(const GpuKind& kind, const Part& rest, Check& check) {
  check.message +=
      fmt::format("; what uses them fails there, and what keeps to {} runs", names_of(rest));
  check.evidence.push_back({"image", fmt::format("for {} there is code in {}", gpu_text(*kind.gpu),
                                                 content_of(*rest.front()->file))});
}

Check undecided(const GpuKind& kind, const std::vector<FileService>& all, const Part& part) {
  Check check{"device-code", Verdict::kUnknown, "", {}, "", kSource};
  check.decisive = weight_of(all, part) == Verdict::kFail;
  check.message = fmt::format(
      "whether {} can load {} is unknown: {} has nothing but code that could "
      "not be read, or PTX that an unknown driver would compile",
      gpu_text(*kind.gpu), share_of(all, part), names_of(part));
  check.fix = "name the host's driver, or rebuild with cubins for " + device::to_string(*kind.arch);
  add_evidence(part, kind, check);
  return check;
}

Check served(const GpuKind& kind, const std::vector<FileService>& all) {
  Check check{"device-code", Verdict::kOk, "", {}, "", kSource};
  const Part compiled = part_of(all, {Served::kPtx});
  const Part doubtful = part_of(all, {Served::kDoubtful});
  if (!doubtful.empty()) {
    // Thor was 10.1 until CUDA 13 made it 11.0.
    const bool thor = kind.arch->number == 101 || kind.arch->number == 110;
    check.verdict =
        weight_of(all, doubtful) == Verdict::kFail ? Verdict::kUnsupported : Verdict::kWarn;
    check.message = fmt::format(
        "{} {} for {} only cubins that NVIDIA does not promise to run {}: {}",
        share_of(all, doubtful), doubtful.size() == 1 ? "has" : "have", gpu_text(*kind.gpu),
        thor ? "there: of Thor's other number, or of discrete GPUs"
             : "across embedded and discrete GPUs",
        names_of(doubtful));
    check.source =
        "CUDA C++ Programming Guide, binary compatibility: not between desktop and Tegra";
    check.fix = "rebuild with cubins for " + device::to_string(*kind.arch);
    add_evidence(doubtful, kind, check);
  } else if (!compiled.empty()) {
    check.verdict = Verdict::kWarn;
    check.message =
        fmt::format("{} would be compiled from {} of PTX at first use on {}, a slow cold start: {}",
                    share_of(all, compiled), human_bytes(ptx_bytes(compiled)), gpu_text(*kind.gpu),
                    names_of(compiled));
    check.fix = fmt::format("rebuild with cubins for {}, or keep CUDA_CACHE_PATH on a volume",
                            device::to_string(*kind.arch));
    add_evidence(compiled, kind, check);
  } else {
    const Part native = part_of(all, {Served::kCubin});
    check.message = fmt::format("{} {} cubins for {}", share_of(all, native),
                                native.size() == 1 ? "has" : "have", gpu_text(*kind.gpu));
    add_evidence(native, kind, check);
  }
  return check;
}

void judge_kind(const Question& question, const GpuKind& kind, std::vector<Check>& checks) {
  if (!kind.arch) {
    checks.push_back(
        {"device-code",
         Verdict::kUnknown,
         fmt::format("whether the device code runs on {} is {}", gpu_text(*kind.gpu),
                     unknown_because(kind.gpu->architecture)),
         {{"image", fmt::format("{} files with device code", question.image.code.size())},
          {"host", gpu_text(*kind.gpu)}},
         "name its architecture: gpus[].architecture of a profile, or --host sm_90@DRIVER",
         kSource});
    return;
  }
  std::vector<FileService> all = code_services(question, *kind.arch);
  if (all.empty()) return;
  static constexpr std::initializer_list<Served> kFailing = {Served::kNone, Served::kPtxTooNew,
                                                             Served::kTooNew};
  // What one feature alone calls may be for other GPUs by design: cuSPARSELt, FlashAttention 3.
  std::string spared;
  if (!std::ranges::all_of(all, &FileService::feature)) {
    Part without = part_of(all, kFailing);
    std::erase_if(without, [](const FileService* one) { return !one->feature; });
    spared = names_of(without);
    std::erase_if(all, [](const FileService& one) { return one.feature; });
  }
  const Part fail = part_of(all, kFailing);
  const Part open = part_of(all, {Served::kUnknown});
  const Verdict weight = weight_of(all, fail);
  // What fails for the whole image comes first, then what is unknown, then what fails in part.
  if (weight == Verdict::kFail || (!fail.empty() && open.empty())) {
    // Missing code is another trouble than PTX that a newer driver would take.
    std::vector<Check> found;
    for (const Served how : kFailing) {
      Part part = part_of(all, {how});
      if (part.empty()) continue;
      // The finding names first what makes it one.
      std::ranges::stable_partition(part,
                                    [&](const FileService* one) { return is_vital(*one, fail); });
      found.push_back(failing(question, kind, all, part));
    }
    if (weight == Verdict::kFail &&
        std::ranges::none_of(found, [](const Check& c) { return c.verdict == Verdict::kFail; }))
      for (Check& check : found) check.verdict = Verdict::kFail;
    const Part rest = part_of(all, {Served::kCubin, Served::kPtx});
    for (Check& check : found)
      if (check.verdict == Verdict::kWarn && !rest.empty()) add_rest(kind, rest, check);
    std::ranges::move(found, std::back_inserter(checks));
  } else if (!open.empty()) {
    checks.push_back(undecided(kind, all, open));
  } else {
    checks.push_back(served(kind, all));
  }
  if (!spared.empty())
    checks.back().evidence.push_back(
        {"image", "not judged, as one feature or a profiler alone calls them: " + spared});
}

void judge_zstd(const Question& question, const GpuKind& kind, const knowledge::FormatRow& row,
                std::vector<Check>& checks) {
  const std::vector<FileService> all = code_services(question, *kind.arch);
  Part part;
  for (const FileService& one : all)
    if (one.zstd) part.push_back(&one);
  if (part.empty()) return;
  const auto cuda = effective_cuda(question);
  Check check{"fatbin-zstd", Verdict::kOk, "", {}, "", row.source};
  add_evidence(part, kind, check);
  if (cuda) check.evidence.push_back({"host", cuda->statement});
  if (cuda && version_at_least(cuda->cuda, row.cuda)) {
    check.message =
        fmt::format("the driver reads device code compressed with Zstandard: {}", cuda->statement);
  } else if (!cuda || !cuda->exact) {
    check.verdict = Verdict::kUnknown;
    check.message = fmt::format(
        "{} {} compressed with Zstandard, and whether the driver reads it is "
        "unknown: {}",
        share_of(all, part), part.size() == 1 ? "is" : "are", names_of(part));
    check.fix = driver_unknown_fix(question.host);
    check.decisive = weight_of(all, part) == Verdict::kFail;
  } else {
    check.verdict = weight_of(all, part);
    check.message = fmt::format(
        "{} {} compressed with Zstandard, which drivers before CUDA {} do not "
        "read: {}",
        share_of(all, part), part.size() == 1 ? "is" : "are", row.cuda, names_of(part));
    check.fix = "update the driver, or rebuild with nvcc --compress-mode=speed";
  }
  checks.push_back(std::move(check));
}

}  // namespace

void rule_device_code(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question) || needs_cuda(question) != Answer::kYes) return;
  const needs::Needs& image = question.image;
  if (!image.contents) {
    checks.push_back(
        {"device-code",
         Verdict::kUnknown,
         "the layers were not read, so it is unknown for which GPUs the image has code",
         {{"image", unread_reason(image)}},
         "let flense read the layers: without --config-only",
         kSource});
    return;
  }
  if (image.code.empty()) return;
  const auto kinds = gpu_kinds(question.host);
  if (kinds.empty())
    checks.push_back({"device-code",
                      Verdict::kUnknown,
                      "which GPUs the host has is unknown, and so is whether the code serves them",
                      {{"host", "no GPU is listed"}},
                      "name the GPU: --host rtx4090@550.54.15",
                      kSource});
  for (const GpuKind& kind : kinds) judge_kind(question, kind, checks);
}

void rule_fatbin_zstd(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question) || !question.image.contents) return;
  const knowledge::FormatRow* row = question.tables.drivers.format("zstd-fatbin");
  if (row == nullptr) return;
  for (const GpuKind& kind : gpu_kinds(question.host))
    if (kind.arch) judge_zstd(question, kind, *row, checks);
}

}  // namespace flense::compat
