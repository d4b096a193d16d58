// Does the host's driver support the image's CUDA?
#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/code_service.h"
#include "compat/facts/driver_mode.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

Check unknown(std::string id, std::string message, std::vector<Evidence> evidence,
              std::string fix) {
  Check out{std::move(id),       Verdict::kUnknown, std::move(message),
            std::move(evidence), std::move(fix),    "unknown facts are not judged"};
  return out;
}

std::string native_fix(const Question& question, const ImageCuda& wanted) {
  const knowledge::Drivers& drivers = question.tables.drivers;
  if (on_wsl(question.host) == Answer::kYes)
    return fmt::format(
        "update Windows's driver to one of CUDA {} or newer (nvidia-smi shows it), or take an "
        "image built for an older CUDA",
        major_minor(wanted.version));
  const std::string minor = major_minor(wanted.version);
  if (const auto own = driver_cuda(question); own && is_tegra(question.host))
    return fmt::format(
        "its driver comes with Jetson Linux: install a JetPack of CUDA {} or newer, or take an "
        "image built for CUDA {} or older",
        minor, own->cuda);
  const knowledge::ToolkitRow* row = drivers.toolkit(minor);
  const auto major = first_number(minor);
  const knowledge::MinorVersionRow* floor = major ? drivers.minor_version(*major) : nullptr;
  // Who is above the floor of the major wants the driver of the toolkit.
  const auto driver = host_driver(question.host);
  const bool above =
      floor == nullptr || (driver && version_at_least(driver->version, floor->driver));
  if (row == nullptr && above)
    return fmt::format("take a driver that supports CUDA {}, or an image built for an older CUDA",
                       minor);
  const std::string& least = above ? row->driver : floor->driver;
  if (const auto* ended = ended_before(question, first_number(least).value_or(0))) {
    const knowledge::BranchRow* last = drivers.branch(ended->last_driver_branch);
    return fmt::format(
        "no driver after branch {} drives {}: take an image built for CUDA {} or older, or another "
        "GPU",
        ended->last_driver_branch, ended->codename,
        last == nullptr ? ended->last_cuda : last->cuda);
  }
  // A major alone, as a SONAME tells, asks for the least that its cubins run on.
  if (row == nullptr || above || floor->driver == row->driver)
    return fmt::format("update the driver to {} or newer, or take an image built for an older CUDA",
                       least);
  return fmt::format(
      "update the driver to {} or newer ({} for cubins alone), or take an image "
      "built for an older CUDA",
      row->driver, floor->driver);
}

/// Said where the image is newer than every toolkit of the table.
std::string newness(const Question& question, const ImageCuda& wanted) {
  const knowledge::ToolkitRow* newest = question.tables.drivers.newest_toolkit();
  if (newest == nullptr || version_at_least(newest->cuda, major_minor(wanted.version))) return {};
  return fmt::format(" (CUDA {} is {})", major_minor(wanted.version),
                     newer_than_table(question.tables.drivers.date));
}

/// Compilers that may hand PTX to the driver: those that use NVRTC or NVVM. Triton, torch.compile
/// and what starts nvcc have a ptxas, and hand over machine code.
std::string ptx_compilers(const needs::Needs& image) {
  constexpr std::array<std::string_view, 11> kWithoutPtxas = {
      "NVRTC",         "Numba",         "cuda-core",        "cuda-cccl",
      "cuda-parallel", "nvmath-python", "cuda-cooperative", "transformer-engine",
      "pynvrtc",       "pykeops",       "keopscore"};
  std::vector<std::string> names;
  for (const needs::RunTimeCompiler& compiler : image.compilers)
    if (std::ranges::find(kWithoutPtxas, compiler.name) != kWithoutPtxas.end() ||
        // cupy/cuda/compiler.py: cubins, unless it is told otherwise.
        (compiler.name == "CuPy" && is_on(image, "CUPY_COMPILE_WITH_PTX")))
      names.push_back(compiler.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

void set_minor_version(const Question& question, const ImageCuda& wanted, const DriverCuda& cuda,
                       Check& check) {
  const auto major = first_number(wanted.version).value_or(0);
  const knowledge::MinorVersionRow* row = question.tables.drivers.minor_version(major);
  const std::string minor = major_minor(wanted.version);
  check.source =
      row != nullptr ? row->source : "NVIDIA CUDA Compatibility guide: within one major from 11 on";
  check.message = fmt::format(
      "CUDA {} runs {}in minor-version mode{}: {}, so cubins load, and PTX newer than the driver, "
      "NVRTC's too, does not",
      minor, minor.find('.') == std::string::npos ? "at least " : "", newness(question, wanted),
      cuda.statement);
  if (row != nullptr)
    check.evidence.push_back(
        {"table", fmt::format("minimum driver {} for CUDA {}.x", row->driver, row->cuda_major)});
  const std::string compilers = ptx_compilers(question.image);
  if (compilers.empty()) return;
  check.verdict = Verdict::kWarn;
  check.message = fmt::format(
      "CUDA {} runs in minor-version mode, in which the driver refuses PTX that {} may make at "
      "run time (error 222)",
      minor, compilers);
  check.evidence.push_back({"image", "compiles at run time: " + compilers});
  check.fix =
      "let NVRTC make cubins (--gpu-architecture=sm_XX), or " + native_fix(question, wanted);
}

void set_too_old(const Question& question, const ImageCuda& wanted, const DriverCuda& cuda,
                 Check& check) {
  const std::string minor = major_minor(wanted.version);
  check.source = cuda.source;
  if (compat_use(question).state != CompatUse::State::kNone) {
    // One problem, one finding: the package is judged by forward-compat.
    check.message = fmt::format("CUDA {} needs the image's compat library{}: {}", minor,
                                newness(question, wanted), cuda.statement);
    return;
  }
  check.verdict = Verdict::kFail;
  check.message = fmt::format(
      "the driver is too old for CUDA {}{}: {}, and the image has no compat "
      "library",
      minor, newness(question, wanted), cuda.statement);
  check.fix = native_fix(question, wanted);
}

Check judged(const Question& question, const ImageCuda& wanted, const DriverCuda& cuda) {
  const auto driver = host_driver(question.host);
  Check check{"driver-cuda", Verdict::kOk, "", {}, "", cuda.source};
  check.evidence = {{"image", fmt::format("CUDA {}{}: {}", wanted.exact ? "" : "at least ",
                                          wanted.version, wanted.evidence)},
                    {"host", driver ? driver->evidence : cuda.statement}};
  switch (driver_mode(question)) {
    case DriverMode::kNative:
      check.message =
          fmt::format("CUDA {} runs natively: {}", major_minor(wanted.version), cuda.statement);
      break;
    case DriverMode::kMinorVersion:
      set_minor_version(question, wanted, cuda, check);
      break;
    case DriverMode::kTooOld:
      set_too_old(question, wanted, cuda, check);
      break;
    case DriverMode::kUnknown:
      check.verdict = Verdict::kUnknown;
      check.message =
          fmt::format("whether the driver supports CUDA {} is unknown{}: {}",
                      major_minor(wanted.version), newness(question, wanted), cuda.statement);
      check.fix = "add the driver's row to a table of your own (--data), or ask nvidia-smi there";
      break;
  }
  // A lower bound can rule out; it cannot confirm.
  if (!wanted.exact && check.verdict < Verdict::kUnknown) {
    check.verdict = Verdict::kUnknown;
    check.decisive = false;
    check.message = fmt::format(
        "the device code is of CUDA {} or newer, and nothing in the image "
        "tells which; {}",
        wanted.version, cuda.statement);
    check.fix = "label the image with its CUDA version, or keep libcudart a library of its own";
  }
  return check;
}

}  // namespace

void rule_driver_cuda(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question)) return;
  const auto wanted = image_cuda(question);
  const auto cuda = driver_cuda(question);
  const Evidence host_side = {
      "host", cuda ? cuda->statement : "driver: " + driver_unknown_reason(question.host)};
  if (!wanted) {
    const bool read = question.image.contents;
    Check check = unknown(
        "driver-cuda",
        read ? "which CUDA the image was built for is unknown"
             : "the layers were not read, and the configuration names no CUDA version",
        {{"image", read ? "no CUDA runtime, package or variable" : unread_reason(question.image)},
         host_side},
        read ? "set CUDA_VERSION in the image"
             : "let flense read the layers: without --config-only");
    check.decisive = !read;
    checks.push_back(std::move(check));
    return;
  }
  if (!cuda) {
    checks.push_back(
        unknown("driver-cuda",
                fmt::format("the image brings CUDA {}, and what the driver supports is unknown",
                            major_minor(wanted->version)),
                {{"image", wanted->evidence}, host_side}, driver_unknown_fix(question.host)));
    return;
  }
  checks.push_back(judged(question, *wanted, *cuda));
}

void rule_driver_branch_ended(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question) || is_tegra(question.host)) return;
  const auto driver = host_driver(question.host);
  const knowledge::Drivers& drivers = question.tables.drivers;
  const knowledge::BranchRow* row = driver ? drivers.branch(driver->branch) : nullptr;
  if (row == nullptr || row == drivers.newest_branch()) return;
  // The table's own date counts as today: a verdict does not change with the clock.
  const bool dated = !row->end.empty();
  const bool follows = row->type != "GA" && row->type != "PB" && !row->type.starts_with("LTSB");
  if (dated ? row->end >= drivers.date : !follows) return;
  const auto* ended = ended_before(question, row->branch + 1);
  checks.push_back(
      {"driver-branch-ended",
       Verdict::kWarn,
       dated ? fmt::format("driver branch {} gets no fixes since {}", row->branch, row->end)
             : fmt::format("driver branch {} ended when the next one came", row->branch),
       {{"host", driver->evidence}, {"table", row->source}},
       ended != nullptr && ended->last_driver_branch < row->branch
           ? fmt::format("install a driver of branch {}, the last for {}",
                         ended->last_driver_branch, ended->codename)
       : ended != nullptr
           ? fmt::format("no newer branch drives {}: plan for another GPU", ended->codename)
           : "plan for a branch with support: long-term (LTSB) or production (PB)",
       row->source});
}

}  // namespace flense::compat
