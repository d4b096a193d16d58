// Do all programs that the image starts find their libraries?
#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "base/path.h"
#include "base/version_numbers.h"
#include "compat/facts/code_service.h"
#include "compat/facts/image_facts.h"
#include "compat/facts/software.h"
#include "compat/rules/rules.h"
#include "inventory/names/file_names.h"

namespace flense::compat {

namespace {

using needs::MissingLibrary;

constexpr std::size_t kLibrariesShown = 5;
constexpr std::string_view kLibc = "libc.so.6";  // an image with musl has none

/// Libraries without which a framework does not load or reach a GPU. TensorRT is not among them:
/// providers for it lie in wheels that work without.
bool is_vital_library(std::string_view name) {
  constexpr std::array<std::string_view, 20> kStems = {
      "libcudart",   "libcublas",   "libcudnn",  "libcufft",    "libcurand",
      "libcusolver", "libcusparse", "libnccl",   "libnvrtc",    "libnvJitLink",
      "libcupti",    "libnvshmem",  "libcufile", "libamdhip64", "libhsa-runtime64",
      "librocblas",  "libhipblas",  "libMIOpen", "librccl",     "librocsolver"};
  return std::ranges::any_of(kStems, [&](std::string_view stem) { return name.starts_with(stem); });
}

bool is_system_library(std::string_view name) {
  return name == kLibc || name == "libstdc++.so.6" || name == "libgcc_s.so.1";
}

/// Of every system that wheels are made for (PEP 600), and so of whatever starts files alone.
bool is_everywhere(std::string_view name) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1",
       "libnsl.so.1", "libresolv.so.2", "libcrypt.so.1", "libstdc++.so.6", "libgcc_s.so.1"});
  return std::ranges::find(kNames, name) != kNames.end() || name.starts_with("ld-linux-");
}

/// What the image's own GPU code lacks, where every file with such code lacks something: whatever
/// is started, nothing of it computes on a GPU. Libraries of CUDA and ROCm compute for others.
std::vector<const MissingLibrary*> missed_by_all_code(const Question& question) {
  std::vector<const MissingLibrary*> out;
  for (const needs::CodeFile& file : question.image.code) {
    if (is_vital_library(base_name(file.path))) continue;
    const auto missing =
        std::ranges::find_if(question.image.missing_libraries, [&](const MissingLibrary& one) {
          return one.user == file.path && one.path.empty() && one.how.starts_with("DT_NEEDED");
        });
    if (missing == question.image.missing_libraries.end()) return {};
    out.push_back(&*missing);
  }
  return out;
}

std::vector<Evidence> evidence_of(const std::vector<const MissingLibrary*>& missing) {
  std::vector<Evidence> out;
  for (const MissingLibrary* one : missing) {
    if (out.size() == kLibrariesShown) {
      out.push_back({"image", fmt::format("and {} more", missing.size() - kLibrariesShown)});
      break;
    }
    out.push_back(
        {"image", fmt::format("{} asks for {} ({}{}{})", one->user, one->library, one->how,
                              one->machine.empty() ? "" : "; it is there for ", one->machine)});
  }
  return out;
}

/// The path without what a wheel puts in its name.
std::string plain_path(std::string_view path) {
  return fmt::format("{}/{}", parent_path(path), inventory::plain_library_name(base_name(path)));
}

bool is_vital(const Question& question, const MissingLibrary& missing) {
  const auto& frameworks = question.tables.frameworks;
  // A directory without a configuration is no image: who starts it brings the system's libraries.
  if (is_system_library(missing.library)) {
    if (question.image.platform.empty()) return false;
  } else if (!is_vital_library(missing.library)) {
    return false;
  }
  const auto belongs = [&](std::string_view path) {
    const std::string plain = plain_path(path);
    return frameworks.is_core_library(plain) || frameworks.is_imported_library(plain);
  };
  return belongs(missing.user) || std::ranges::any_of(missing.askers, belongs);
}

/// The CUDA of torch, where all that is missing is the runtime of another major, for extensions.
std::string other_cuda(const Question& question,
                       const std::vector<const MissingLibrary*>& missing) {
  const auto& torch = question.facts->torch;
  const std::string cuda = torch ? knowledge::cuda_of_variant(torch->variant) : std::string();
  constexpr std::string_view kRuntime = "libcudart.so.";
  const bool other = std::ranges::all_of(missing, [&](const MissingLibrary* one) {
    return one->library.starts_with(kRuntime) &&
           question.tables.frameworks.is_imported_library(plain_path(one->user)) &&
           first_number(one->library.substr(kRuntime.size())) != first_number(cuda);
  });
  return other ? cuda : std::string();
}

std::string fix_of(const Question& question, const std::vector<const MissingLibrary*>& core) {
  if (std::ranges::find(core, kLibc, &MissingLibrary::library) != core.end())
    return "use an image with glibc: the framework's wheels are built for it";
  if (std::ranges::any_of(core, is_system_library, &MissingLibrary::library))
    return "install the C++ library (apt-get install libstdc++6, dnf install libstdc++)";
  if (const std::string cuda = other_cuda(question, core); !cuda.empty())
    return fmt::format("install the build of the package for CUDA {}, which torch is built for",
                       cuda);
  return "install the libraries of the CUDA or ROCm that the framework was built with";
}

/// A wheel alone, as a package index has it.
bool is_bare_wheel(const needs::Needs& image) {
  return image.platform.empty() && image.name.ends_with(".whl");
}

void report(const Question& question, const std::vector<const MissingLibrary*>& missing,
            Verdict verdict, std::string fix, std::string_view source, std::vector<Check>& checks) {
  if (missing.empty()) return;
  const std::string_view place = is_bare_wheel(question.image) ? "wheel" : "image";
  Check check;
  check.id = "library-missing";
  check.verdict = verdict;
  const std::string& other = missing[0]->machine;
  if (missing.size() > 1)
    check.message = fmt::format("{} and {} more of the needed libraries are not in the {}{}",
                                missing[0]->library, missing.size() - 1, place,
                                other.empty() ? "" : " for this processor");
  else
    check.message = other.empty() ? fmt::format("{} is not in the {}", missing[0]->library, place)
                                  : fmt::format("{} is in the {} for {} alone", missing[0]->library,
                                                place, other);
  check.evidence = evidence_of(missing);
  check.fix = std::move(fix);
  check.source = source;
  checks.push_back(std::move(check));
}

/// Parts of an MPI, which sites bind into containers by Apptainer and enroot.
bool may_be_bound(const Question& question, std::string_view library) {
  return (question.launcher == Launcher::kApptainer || question.launcher == Launcher::kEnroot) &&
         starts_with_any(library, {"libmpi", "libpmi", "libfabric", "libuc"});
}

/// What the image's own command does not start without. Returns the names.
std::set<std::string_view> judge_start(const Question& question, std::vector<Check>& checks) {
  std::set<std::string_view> out;
  std::vector<const MissingLibrary*> nowhere;
  const needs::StartNeeds& start = question.image.start;
  for (const MissingLibrary& missing : start.missing) {
    if (may_be_bound(question, missing.library)) continue;
    out.insert(missing.library);
    if (missing.how == "execve" && !missing.machine.empty()) {
      checks.push_back(
          {"library-missing",
           Verdict::kFail,
           fmt::format("/{}, which the image starts, is a program for {}, and the "
                       "image is for {}",
                       missing.library, missing.machine, question.image.platform),
           {{"image", fmt::format("/{}: ELF file for {}", missing.library, missing.machine)}},
           "copy the program's build for the image's platform (docker build "
           "--platform, and COPY --from stages of the same)",
           "execve(2): exec format error"});
      continue;
    }
    if (missing.how == "mode") {
      checks.push_back(
          {"library-missing",
           Verdict::kFail,
           fmt::format("nobody may execute /{}, which the image starts: permission denied "
                       "(status 126)",
                       missing.library),
           {{"image", fmt::format("/{}: its mode has no x", missing.library)}},
           "chmod +x before it is copied, or COPY --chmod=755",
           "execve(2): EACCES"});
      continue;
    }
    if (missing.path.empty()) {
      nowhere.push_back(&missing);
      continue;
    }
    Check check;
    check.id = "library-missing";
    check.verdict = Verdict::kFail;
    check.message = fmt::format("/{} lies where the loader does not look for it", missing.path);
    check.evidence = evidence_of({&missing});
    check.evidence.push_back({"image", fmt::format("the image starts /{}", start.program)});
    check.fix = fmt::format(
        "set LD_LIBRARY_PATH=/{0}, or name /{0} in /etc/ld.so.conf.d and run "
        "ldconfig",
        parent_path(missing.path));
    check.source = "ld.so(8): RPATH, LD_LIBRARY_PATH, RUNPATH, ld.so.cache";
    checks.push_back(std::move(check));
  }
  const bool runs_ldconfig =
      question.launcher != Launcher::kNone && question.launcher != Launcher::kApptainer;
  for (const MissingLibrary& one : start.uncached) {
    if (runs_ldconfig || !out.insert(one.library).second) continue;
    checks.push_back(
        {"library-missing", Verdict::kFail,
         fmt::format("/{} lies in a folder that ld.so.conf names and ld.so.cache of the image does "
                     "not have, and {} runs no ldconfig",
                     one.path, question.launcher == Launcher::kNone ? "no launcher" : "apptainer"),
         evidence_of({&one}),
         fmt::format("run ldconfig when the image is built, or set LD_LIBRARY_PATH=/{}",
                     parent_path(one.path)),
         "ld.so(8): ld.so.cache; ldconfig(8)"});
  }
  const std::string program =
      start.program.empty() ? std::string() : ", which starts /" + start.program;
  report(question, nowhere, Verdict::kFail,
         fmt::format("install {} in the image{}", nowhere.size() == 1 ? "it" : "them", program),
         "ld.so(8), from the image's own command on", checks);
  return out;
}

/// What starts the program may set LD_LIBRARY_PATH.
bool may_set_paths(const Question& question) {
  const std::string_view start = base_name(question.image.start.program);
  return start.empty() || start == "sh" || start == "bash" || start == "dash";
}

/// Extension modules of Python whose libraries lie where the loader does not look. True when it
/// found something.
bool judge_extensions(const Question& question, std::vector<Check>& checks) {
  const auto& code = question.image.code;
  const auto has_code = [&](std::string_view path) {
    return std::ranges::find(code, path, &needs::CodeFile::path) != code.end();
  };
  std::vector<const MissingLibrary*> aside;
  for (const MissingLibrary& missing : question.image.missing_libraries)
    if (!missing.path.empty() && missing.how == "DT_NEEDED" &&
        !inventory::has_component(missing.path, "nvidia") &&
        (!may_set_paths(question) || is_vital_library(missing.library) || has_code(missing.user)))
      aside.push_back(&missing);
  if (aside.empty()) return false;
  // Nothing computes on a GPU where all code of the image's own lies in such modules.
  const bool all =
      std::ranges::all_of(code,
                          [&](const needs::CodeFile& file) {
                            return is_vital_library(base_name(file.path)) ||
                                   std::ranges::find(aside, file.path, &MissingLibrary::user) !=
                                       aside.end();
                          }) &&
      std::ranges::any_of(aside, has_code, &MissingLibrary::user);
  const bool fails = all && !may_set_paths(question);
  const MissingLibrary& first = *aside[0];
  Check check;
  check.id = "library-missing";
  check.verdict = fails ? Verdict::kFail : Verdict::kWarn;
  check.message =
      fmt::format("/{} asks for {}, which lies where the loader does not look for it{}", first.user,
                  first.library,
                  may_set_paths(question) ? ", unless what starts the program sets LD_LIBRARY_PATH"
                                          : ": its import fails");
  check.evidence = evidence_of(aside);
  check.evidence.push_back({"image", fmt::format("/{}", first.path)});
  check.fix = fmt::format(
      "set LD_LIBRARY_PATH=/{0}, or name /{0} in /etc/ld.so.conf.d and run "
      "ldconfig",
      parent_path(first.path));
  check.source = "ld.so(8): RPATH, LD_LIBRARY_PATH, RUNPATH, ld.so.cache";
  checks.push_back(std::move(check));
  return true;
}

/// Who uses NVIDIA's wheels without looking into them, and what becomes of it.
struct WheelUser {
  std::string_view file, effect, preload, fix, source;
};
constexpr auto kWheelUsers = std::to_array<WheelUser>({
    {"libonnxruntime_providers_cuda.so", "ONNX Runtime silently takes the CPU",
     "the program calls onnxruntime.preload_dlls()",
     ", or call onnxruntime.preload_dlls() (1.21 and newer) before the first session",
     "ld.so(8); ONNX Runtime: CUDA execution provider, preload_dlls"},
    {"libctranslate2",
     "CTranslate2 (faster-whisper) ends with \"is not found or cannot be loaded\"", "", "",
     "ld.so(8); faster-whisper, README: GPU"},
    {"cublas.cpython", "CuPy ends at its first kernel or at its import", "",
     ", or install CuPy 14, which looks into the wheels", "ld.so(8); CuPy, installation guide"},
});

/// True when it found something.
bool judge_wheel_user(const Question& question, const WheelUser& user, std::vector<Check>& checks) {
  std::vector<const MissingLibrary*> aside;
  for (const MissingLibrary& missing : question.image.missing_libraries)
    if (!missing.path.empty() && base_name(missing.user).starts_with(user.file))
      aside.push_back(&missing);
  if (aside.empty()) return false;
  const auto& packages = question.facts->packages;
  const auto* onnx = find_package(packages, "onnxruntime-gpu");
  // What may load or name them before they are asked for.
  std::string_view unless;
  if (!user.preload.empty() && onnx != nullptr && version_at_least(onnx->package.version, "1.21"))
    unless = user.preload;
  else if (find_package(packages, "torch") != nullptr ||
           has_package_like(packages, {"jax-cuda", "tensorflow"}))
    unless = "the program first imports a framework that loads NVIDIA's wheels";
  else if (may_set_paths(question))
    unless = "what starts the program sets LD_LIBRARY_PATH";
  Check check;
  check.id = "library-missing";
  check.verdict = unless.empty() ? Verdict::kFail : Verdict::kWarn;
  check.message =
      fmt::format("the loader does not look where {} lies, and {}{}{}", aside[0]->library,
                  user.effect, unless.empty() ? "" : " unless ", unless);
  check.evidence = evidence_of(aside);
  check.evidence.push_back({"image", fmt::format("/{}", aside[0]->path)});
  check.fix = fmt::format("name the lib folders of NVIDIA's wheels in LD_LIBRARY_PATH{}", user.fix);
  check.source = user.source;
  checks.push_back(std::move(check));
  return true;
}

}  // namespace

void rule_library_missing(const Question& question, std::vector<Check>& checks) {
  Check check;
  check.id = "library-missing";
  check.source = "dynamic sections of the image's files";
  if (!question.image.contents) {
    check.verdict = Verdict::kUnknown;
    check.decisive = false;
    check.message = "whether the image has all libraries that its files need is unknown";
    check.evidence = {{"image", unread_reason(question.image)}};
    check.fix = "check the image with its layers read (without --config-only)";
    checks.push_back(std::move(check));
    return;
  }
  // Of several users of a library the one that cannot do without it speaks for it.
  std::vector<const MissingLibrary*> core, others;
  std::set<std::string_view> seen = judge_start(question, checks);
  bool aside = false;
  for (const WheelUser& user : kWheelUsers)
    aside = judge_wheel_user(question, user, checks) || aside;
  aside = judge_extensions(question, checks) || aside;
  const bool found = seen.empty() && !aside;
  for (const MissingLibrary& missing : question.image.missing_libraries)
    if (missing.path.empty() && is_vital(question, missing) && seen.insert(missing.library).second)
      core.push_back(&missing);
  std::vector<const MissingLibrary*> code;
  if (core.empty() && found && !question.image.platform.empty())
    for (const MissingLibrary* missing : missed_by_all_code(question))
      if (!may_be_bound(question, missing->library) && seen.insert(missing->library).second)
        code.push_back(missing);
  for (const MissingLibrary& missing : question.image.missing_libraries)
    if (missing.path.empty() && seen.insert(missing.library).second &&
        !(question.image.platform.empty() && is_everywhere(missing.library)))
      others.push_back(&missing);
  const bool wheel = is_bare_wheel(question.image);
  if (wheel) others.insert(others.begin(), core.begin(), core.end());
  if (!wheel && !core.empty())
    report(question, core, Verdict::kFail, fix_of(question, core),
           "dynamic sections of the framework's core libraries", checks);
  report(question, code, Verdict::kFail,
         "install what has them: no file of the image with GPU code can be loaded without",
         "dynamic sections of the files with GPU code", checks);
  report(question, others, Verdict::kWarn,
         wheel ? "pip installs what the wheel requires; the rest has to be installed too"
               : "install them if the files that ask for them are used",
         fmt::format("dynamic sections of the {}'s files", wheel ? "wheel" : "image"), checks);
  if (!found || !core.empty() || !code.empty() || !others.empty()) return;
  check.message = "every file finds the libraries that it asks for";
  check.evidence = {{"image", "no unresolved DT_NEEDED entry and no unresolved known dlopen"}};
  checks.push_back(std::move(check));
}

}  // namespace flense::compat
