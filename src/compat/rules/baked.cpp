// What in the image gets in the way of the driver's libraries: files of another driver, and stubs.
#include <algorithm>

#include "base/format.h"
#include "base/path.h"
#include "base/version_numbers.h"
#include "compat/facts/facts.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

constexpr const char* kStubSource =
    "CUDA toolkit: lib64/stubs is for linking; a stub libcuda fails with error 34";

/// "550.54.15" of "libcuda.so.550.54.15".
std::string_view version_in_name(std::string_view path) {
  const std::string_view name = base_name(path);
  const std::size_t at = name.find(".so.");
  if (at == std::string_view::npos) return {};
  const std::string_view version = name.substr(at + 4);
  const bool driver = version.size() >= 5 && version.find('.') == 3 &&
                      version.find_first_not_of("0123456789.") == std::string_view::npos;
  return driver ? version : std::string_view();
}

struct Baked {
  Verdict verdict = Verdict::kOk;
  std::string message, fix;
};

Baked judge_baked(const Question& question, const needs::Sighting& file) {
  const std::string_view version = version_in_name(file.path);
  const std::string remove = "remove it from the image: the launcher brings the host's";
  const auto driver = host_driver(question.host);
  if (version.empty() || !base_name(file.path).starts_with("lib"))
    return {Verdict::kWarn,
            fmt::format("/{} belongs to a driver and is baked into the image", file.path), remove};
  if (!driver)
    return {
        Verdict::kUnknown,
        fmt::format("/{} of driver {} is baked into the image, and the host's driver is unknown",
                    file.path, version),
        remove};
  // Windows's library is libcuda.so.1.1 there, whatever its driver's version is.
  if (on_wsl(question.host) == Answer::kYes && base_name(file.path).starts_with("libcuda.so."))
    return {Verdict::kFail,
            fmt::format("/{} of a Linux driver is baked into the image and hides the library of "
                        "Windows's driver",
                        file.path),
            remove};
  const int order = compare_versions(version, driver->version);
  if (order == 0)
    return {Verdict::kWarn,
            fmt::format("/{} is baked into the image: it fits this host's driver only by chance",
                        file.path),
            remove};
  // ldconfig links the SONAME to the newest file; apptainer searches the image's directories first.
  if (order > 0 || question.launcher == Launcher::kApptainer)
    return {Verdict::kFail,
            fmt::format("/{} of driver {} is baked into the image and hides the host's {} (error "
                        "803)",
                        file.path, version, driver->version),
            remove};
  return {Verdict::kWarn,
          fmt::format("/{} of driver {} is baked into the image, beside the host's {}", file.path,
                      version, driver->version),
          remove};
}

}  // namespace

void rule_driver_baked(const Question& question, std::vector<Check>& checks) {
  if (question.image.driver_files.empty() || has_gpus_of_others(question.host)) return;
  std::optional<Baked> worst;
  const needs::Sighting* file = nullptr;
  for (const needs::Sighting& one : question.image.driver_files) {
    Baked judged = judge_baked(question, one);
    if (worst && judged.verdict <= worst->verdict) continue;
    worst = std::move(judged);
    file = &one;
  }
  const auto driver = host_driver(question.host);
  Check check{
      "driver-baked", worst->verdict,
      worst->message, {},
      worst->fix,     "libnvidia-container: ldconfig prefers the newest driver library it finds"};
  if (question.image.driver_files.size() > 1)
    check.message +=
        fmt::format(", with {} more driver files", question.image.driver_files.size() - 1);
  check.evidence = {{"image", fmt::format("/{}: {}", file->path, file->what)},
                    {"host", driver ? driver->evidence : driver_unknown_reason(question.host)}};
  checks.push_back(std::move(check));
}

void rule_stub_in_path(const Question& question, std::vector<Check>& checks) {
  if (question.image.stubs_in_path.empty() || has_gpus_of_others(question.host)) return;
  // Programs load libcuda.so.1; a stub that is named libcuda.so alone is met by dlopen of that.
  const auto by_soname = [](const needs::Sighting& stub) {
    return base_name(stub.path).ends_with(".so.1");
  };
  const auto& stubs = question.image.stubs_in_path;
  const auto at = std::ranges::find_if(stubs, by_soname);
  const bool fatal = at != stubs.end();
  const needs::Sighting& stub = fatal ? *at : stubs.front();
  checks.push_back(
      {"stub-in-path",
       fatal ? Verdict::kFail : Verdict::kWarn,
       fatal
           ? fmt::format("the stub /{} is found before the driver's library (error 34)", stub.path)
           : fmt::format("the stub /{} lies where the loader looks: a program that loads it by "
                         "that name gets no driver (error 34)",
                         stub.path),
       {{"image", fmt::format("/{}: {}", stub.path, stub.what)}},
       "take the stubs folder off LD_LIBRARY_PATH and the loader's configuration",
       kStubSource});
}

}  // namespace flense::compat
