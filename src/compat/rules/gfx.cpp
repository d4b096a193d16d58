// Is there a code object for each AMD GPU? There is no PTX to fall back on.
#include <algorithm>
#include <array>
#include <iterator>

#include "base/path.h"
#include "compat/facts/amd.h"
#include "compat/facts/facts.h"
#include "compat/rules/rules.h"
#include "device/amd_target.h"

namespace flense::compat {

namespace {

using needs::CodeFile;

constexpr std::size_t kShown = 5;

/// Files by how they serve a GPU.
struct GfxService {
  std::vector<const CodeFile*> served, depends, bare;
};

/// Libraries of kernels have a file for each GPU, named for it ("Kernels.so-000-gfx90a.hsaco"), and
/// for each setting of it: one for another lacks nothing.
bool is_for_setting(std::string_view path) {
  return base_name(path).contains("xnack");
}
bool is_for_another(std::string_view path, const std::string& processor) {
  if (is_for_setting(path)) return true;
  const std::string_view name = base_name(path);
  const std::size_t at = name.find("gfx");
  const bool named = at != std::string_view::npos && at + 3 < name.size() && name[at + 3] >= '0' &&
                     name[at + 3] <= '9';
  return named && name.find(processor) == std::string_view::npos;
}

GfxService serve(const Question& question, const std::string& gfx, char xnack) {
  const AmdCode& code = question.facts->amd_code;
  const AmdTarget gpu = parse_amd_target(gfx);
  std::vector<AmdMatch> matches;  // of each target; files are thousands, targets few
  for (std::size_t i = 0; i < code.targets.size(); ++i)
    matches.push_back(code.names[i] == "unknown"
                          ? AmdMatch::kDepends
                          : amd_match(code.targets[i], gpu, xnack, question.tables.rocm));
  GfxService out;
  std::vector<const CodeFile*> settings;
  for (const AmdCode::File& file : code.files) {
    AmdMatch best = AmdMatch::kNo;
    for (const std::size_t target : file.targets) best = std::max(best, matches[target]);
    if (best == AmdMatch::kYes)
      out.served.push_back(file.file);
    else if (best == AmdMatch::kDepends)
      (is_for_setting(file.file->path) ? settings : out.depends).push_back(file.file);
    else if (!is_for_another(file.file->path, gpu.processor))
      out.bare.push_back(file.file);
  }
  if (out.served.empty()) std::ranges::move(settings, std::back_inserter(out.depends));
  return out;
}

void add_files(const std::vector<const CodeFile*>& files, std::string_view what, Check& check) {
  for (std::size_t i = 0; i < std::min(kShown, files.size()); ++i)
    check.evidence.push_back({"image", fmt::format("{}: {}", files[i]->path, what)});
  if (files.size() > kShown)
    check.evidence.push_back({"image", fmt::format("and {} more files", files.size() - kShown)});
}

/// By the table of published builds, where no code object was seen.
void judge_by_build(const Question& question, const host::Gpu& gpu, const std::string& gfx,
                    std::vector<Check>& checks) {
  const auto& torch = question.facts->torch;
  const auto* build =
      torch && torch->variant.starts_with("rocm")
          ? question.tables.frameworks.build("torch", torch->version, torch->variant,
                                             architecture_of(question.image.platform))
          : nullptr;
  if (build != nullptr && !question.image.contents) return;  // framework-build judged it already
  Check check;
  check.id = "gfx-code";
  check.evidence = {{"image", question.facts->rocm_evidence}, {"host", gpu_text(gpu)}};
  if (build == nullptr || build->confidence == "low") {
    check.verdict = Verdict::kUnknown;
    check.message = fmt::format("whether the image has code for {} is unknown", gfx);
    check.evidence.push_back({"image", question.image.contents
                                           ? "no code object for AMD GPUs was seen"
                                           : unread_reason(question.image)});
    check.fix = question.image.contents
                    ? "rocminfo on the host names the target; the libraries' documents tell theirs"
                    : "check the image with its layers read; rocminfo on the host names the target";
    check.source = "device code of the image";
  } else {
    const bool covered = std::ranges::find(build->gfx, gfx) != build->gfx.end();
    check.verdict = covered ? Verdict::kOk : Verdict::kFail;
    check.message = fmt::format("the published torch {} has {} for {}", torch->version,
                                covered ? "code" : "no code", gfx);
    check.evidence.push_back({"image", torch->evidence});
    check.evidence.push_back({"table", fmt::format("built for {}", fmt::join(build->gfx, ", "))});
    if (!covered) check.fix = "install a torch whose targets include the GPU";
    check.source = build->source;
  }
  checks.push_back(std::move(check));
}

/// HSA_OVERRIDE_GFX_VERSION: what the GPU passes for. The target, and true when it is of the same
/// family as the GPU.
struct Override {
  std::string text, gfx;
  bool family = false;
};

Override override_of(const Question& question, const std::string& gfx) {
  const auto at = question.image.environment.find("HSA_OVERRIDE_GFX_VERSION");
  if (at == question.image.environment.end() || at->second.empty()) return {};
  Override out{at->second, device::amd_target_of_override(at->second), false};
  const auto* generic = question.tables.rocm.generic_for(gfx);
  out.family = generic != nullptr && std::ranges::find(generic->gfx, out.gfx) != generic->gfx.end();
  return out;
}

void judge_override(const Override& asked, const host::Gpu& gpu, bool needed,
                    std::vector<Check>& checks) {
  Check check;
  check.id = "gfx-code";
  check.evidence = {{"image", "environment HSA_OVERRIDE_GFX_VERSION=" + asked.text},
                    {"host", gpu_text(gpu)}};
  check.source = "ROCm environment variables; generic targets of LLVM as families";
  if (asked.gfx.empty()) {
    check.verdict = Verdict::kFail;
    check.message =
        fmt::format("HSA_OVERRIDE_GFX_VERSION={} is not a version of a target", asked.text);
    check.fix = "write it as 10.3.0, or take it out of the image";
  } else if (!asked.family) {
    check.verdict = Verdict::kFail;
    check.message = fmt::format(
        "HSA_OVERRIDE_GFX_VERSION makes every GPU pose as {}, which is in another family than {}",
        asked.gfx, gpu_text(gpu));
    check.fix = "take the variable out of the image (-e HSA_OVERRIDE_GFX_VERSION=)";
  } else {
    check.verdict = needed ? Verdict::kUnsupported : Verdict::kWarn;
    check.message =
        fmt::format("HSA_OVERRIDE_GFX_VERSION makes {} pose as {}, which AMD does not support",
                    gpu_text(gpu), asked.gfx);
    check.fix = needed ? "use a build whose targets include the GPU"
                       : "take the variable out: the image has code for the GPU itself";
  }
  checks.push_back(std::move(check));
}

/// The targets of the image that are for this processor in any setting: "gfx90a:xnack+".
std::vector<std::string> settings_of_code(const Question& question, const std::string& gfx) {
  const AmdCode& code = question.facts->amd_code;
  const AmdTarget gpu = parse_amd_target(gfx);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < code.targets.size(); ++i)
    if (is_same_processor(code.targets[i], gpu, question.tables.rocm)) out.push_back(code.names[i]);
  return out;
}

/// The image has code for the processor, for other settings than it has.
void judge_setting(const std::vector<std::string>& code, const std::string& processor,
                   const std::string& gfx, std::string_view wish, Check& check) {
  const bool xnack =
      takes_xnack_from_process(processor) &&
      std::ranges::any_of(code, [](const std::string& one) { return one.contains("xnack"); });
  const bool asked = xnack && !wish.empty();
  check.verdict = Verdict::kFail;
  check.message = fmt::format(
      "the image's code for {} is for {} alone, and {}", processor, fmt::join(code, ", "),
      asked ? fmt::format("it sets HSA_XNACK={}", wish) : fmt::format("the machine has {}", gfx));
  check.fix =
      asked   ? "take HSA_XNACK out of the image, or use a build for any setting"
      : xnack ? "HSA_XNACK=1 asks for xnack, HSA_XNACK=0 for none; or use a build for any setting"
              : "use a build for any setting";
  if (asked) check.evidence.push_back({"image", fmt::format("environment HSA_XNACK={}", wish)});
}

/// Libraries that choose their kernels from files beside them, and end without one for the GPU.
struct KernelLibrary {
  std::string_view folder, name, effect;
};
constexpr auto kKernelLibraries = std::to_array<KernelLibrary>({
    {"rocblas/library/", "rocBLAS", "ends (Cannot read TensileLibrary)"},
    {"hipblaslt/library/", "hipBLASLt", "has no kernel there"},
});

void judge_kernel_files(const Question& question, const host::Gpu& gpu, const std::string& gfx,
                        std::vector<Check>& checks) {
  const AmdCode& code = question.facts->amd_code;
  const AmdTarget target = parse_amd_target(gfx);
  for (const KernelLibrary& library : kKernelLibraries) {
    std::vector<const CodeFile*> files;
    bool fits = false;
    for (const AmdCode::File& file : code.files) {
      if (!file.file->path.contains(library.folder)) continue;
      files.push_back(file.file);
      for (const std::size_t i : file.targets)
        fits |= code.names[i] == "unknown" ||
                is_same_processor(code.targets[i], target, question.tables.rocm);
    }
    if (files.empty() || fits) continue;
    // PyTorch links it; of others the image's start tells.
    const bool used =
        library.name == "rocBLAS" &&
        (question.facts->torch.has_value() ||
         std::ranges::any_of(files, [](const CodeFile* file) { return !file->user.empty(); }));
    Check check{"gfx-code",
                used ? Verdict::kFail : Verdict::kWarn,
                fmt::format("{} has kernel files for other GPUs alone, and {} on {}", library.name,
                            library.effect, target.processor),
                {{"host", gpu_text(gpu)}},
                "install the library with its files for the GPU, or use a build whose targets "
                "include it",
                fmt::format("{}: files by target in {}", library.name, library.folder)};
    add_files(files, "nothing for " + target.processor, check);
    checks.push_back(std::move(check));
  }
}

}  // namespace

void rule_gfx_code(const Question& question, std::vector<Check>& checks) {
  if (question.facts->rocm_evidence.empty()) return;
  const std::string_view wish = variable(question.image, "HSA_XNACK").value_or("");
  const char xnack = wish == "1" ? '+' : wish == "0" ? '-' : '\0';
  std::vector<std::string> seen;
  for (const host::Gpu* gpu : gpus_of(question.host, "amd")) {
    Check check;
    check.id = "gfx-code";
    check.source = "device code of the image; LLVM's rules of target ids";
    if (!gpu->architecture.value) {
      if (std::ranges::find(seen, std::string()) != seen.end()) continue;
      seen.emplace_back();
      check.verdict = Verdict::kUnknown;
      check.message = fmt::format("the target of {} is unknown", gpu_text(*gpu));
      check.evidence = {{"host", unknown_because(gpu->architecture)}};
      check.fix = "rocminfo on the host names it; as in --host mi300x@6.10.5";
      checks.push_back(std::move(check));
      continue;
    }
    const std::string& gfx = *gpu->architecture.value;
    if (std::ranges::find(seen, gfx) != seen.end()) continue;
    seen.push_back(gfx);
    const std::string processor = parse_amd_target(gfx).processor;
    const Override asked = override_of(question, processor);
    const bool overridden = !asked.text.empty() && asked.gfx != processor;
    judge_kernel_files(question, *gpu, overridden ? asked.gfx : gfx, checks);
    const GfxService own = serve(question, gfx, xnack);
    if (overridden) {
      judge_override(asked, *gpu, own.served.empty(), checks);
      if (!asked.family) continue;
    }
    const std::string& effective = overridden ? asked.gfx : processor;
    const GfxService service = overridden ? serve(question, effective, xnack) : own;
    if (question.facts->amd_code.files.empty()) {
      judge_by_build(question, *gpu, effective, checks);
      continue;
    }
    check.evidence = {{"image", fmt::format("code objects for {}",
                                            fmt::join(question.facts->amd_code.names, ", "))},
                      {"host", gpu_text(*gpu)}};
    const std::vector<std::string> others = service.served.empty() && !overridden
                                                ? settings_of_code(question, gfx)
                                                : std::vector<std::string>();
    if (service.served.empty() && service.depends.empty() && !others.empty()) {
      judge_setting(others, processor, gfx, wish, check);
      add_files(service.bare, "for another setting", check);
    } else if (service.served.empty() && service.depends.empty()) {
      check.verdict = Verdict::kFail;
      check.message = fmt::format("no file of the image has code for {}", effective);
      check.fix = "use a build whose targets include the GPU";
      add_files(service.bare, "nothing for " + effective, check);
    } else if (service.served.empty()) {
      check.verdict = Verdict::kUnknown;
      check.message = fmt::format(
          "whether the image's code runs on {} depends on a setting of the "
          "machine",
          effective);
      check.fix = "rocminfo on the host shows xnack and sramecc";
      if (takes_xnack_from_process(effective)) check.fix += "; HSA_XNACK=1 asks for xnack";
      add_files(service.depends, "for another setting, or for a target that is not known", check);
    } else if (!service.bare.empty() || !service.depends.empty()) {
      check.verdict = Verdict::kWarn;
      check.message = fmt::format(
          "{} of {} files with AMD code have none for {}",
          service.bare.size() + service.depends.size(),
          service.bare.size() + service.depends.size() + service.served.size(), effective);
      check.fix = "use a build whose targets include the GPU, if these files are used";
      add_files(service.bare, "nothing for " + effective, check);
      add_files(service.depends, "for another setting, or for a target that is not known", check);
    } else {
      check.message = fmt::format("every file with AMD code has some for {}", effective);
    }
    checks.push_back(std::move(check));
  }
}

}  // namespace flense::compat
