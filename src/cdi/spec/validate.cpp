#include "cdi/spec/validate.h"

#include <sys/stat.h>

#include <algorithm>

namespace flense::cdi {

namespace {

using inventory::Finding;

constexpr std::string_view kAnew = "regenerate the specification, or ask whoever created it";

/// Files that root alone may read are of no use to rootless engines.
void check_mode(const std::filesystem::path& path, std::vector<Finding>& findings) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || (status.st_mode & S_IROTH) != 0) return;
  findings.push_back({"document-private", Severity::kWarning, "$",
                      fmt::format("the file has mode {:04o}", status.st_mode & 07777U),
                      "Engines of other users cannot read it.", "chmod a+r"});
}

/// Engines ask neither for the owner nor for the mode.
Finding distrusted(std::string rule, std::string why) {
  return {std::move(rule),
          Severity::kError,
          "$",
          std::move(why),
          "Whoever writes it decides what engines bind and run; flense run and cdi apply skip it.",
          "make root or yourself its owner, and chmod go-w"};
}

void check_version(const Spec& spec, std::vector<Finding>& findings) {
  if (const std::string least = least_version(spec); spec.version > least)
    findings.push_back({"version-higher-than-needed", Severity::kInfo, "$.cdiVersion",
                        fmt::format("it says {}, {} would do", spec.version, least),
                        "Engines with an older library refuse it needlessly.",
                        fmt::format("write \"cdiVersion\": \"{}\"", least)});
}

}  // namespace

ValidatedFile validate_file(const std::filesystem::path& path, const host::Machine& machine) {
  ValidatedFile out;
  out.path = path;
  const Result<SpecText> file = read_spec_text(path);
  const Result<text::Json> document =
      file ? read_document(file->text, path.string()) : std::unexpected(file.error());
  if (!document) {
    out.findings.push_back({"document-unreadable", Severity::kError, "$", document.error().message,
                            "Engines skip the file.", std::string(kAnew)});
    return out;
  }
  out.readable = true;
  ExaminedSpec examined = examine_spec(*document);
  out.kind = examined.spec.kind;
  for (const Device& device : examined.spec.devices) out.devices.push_back(device.name);
  if (!format_of(path))
    out.findings.push_back({"extension-unknown", Severity::kWarning, "$",
                            fmt::format("the name ends in '{}'", path.extension().string()),
                            "Engines read .json and .yaml only.", "rename it"});
  check_mode(path, out.findings);
  if (!file->distrust.empty())
    out.findings.push_back(distrusted("document-untrusted", "the file " + file->distrust));
  const bool valid = examined.violations.empty();
  if (valid) examined.violations = hazards_of(examined.spec);
  for (Violation& violation : examined.violations)
    out.findings.push_back({std::move(violation.rule), Severity::kError, std::move(violation.place),
                            std::move(violation.message),
                            valid ? "Engines do it; flense run and cdi apply refuse the file."
                                  : "Engines skip the whole file.",
                            std::string(kAnew)});
  if (!examined.violations.empty()) return out;
  check_version(examined.spec, out.findings);
  std::vector<Finding> more = compare_with_machine(examined.spec, machine);
  std::ranges::move(more, std::back_inserter(out.findings));
  return out;
}

std::vector<ValidatedFile> validate_directories(
    const std::vector<std::filesystem::path>& directories, const host::Machine& machine) {
  const Registry registry = read_registry(directories, Trust::kAnybody);
  std::vector<ValidatedFile> out;
  for (const SearchedDirectory& directory : registry.searched)
    if (!directory.distrust.empty()) {
      ValidatedFile& one = out.emplace_back();
      one.path = directory.path;
      one.readable = true;
      one.findings = {distrusted("directory-untrusted", "the directory " + directory.distrust)};
    }
  const auto known = [&](const std::filesystem::path& path) {
    return std::ranges::find(out, path, &ValidatedFile::path);
  };
  for (const SpecFile& file : registry.files) out.push_back(validate_file(file.path, machine));
  for (const SpecProblem& problem : registry.problems) {
    if (problem.device.empty()) {
      ValidatedFile file = validate_file(problem.path, machine);
      // A directory that cannot be listed, or one with too many files.
      if (std::filesystem::is_directory(problem.path) && problem.path.extension().empty())
        file.findings = {{"directory-unreadable", Severity::kError, "$", problem.message, "", ""}};
      out.push_back(std::move(file));
    } else if (const auto at = known(problem.path); at != out.end()) {
      at->findings.push_back({"device-conflict", Severity::kError, "$.devices", problem.message,
                              "No engine offers a device that two files of one directory define.",
                              "remove one of the files, or rename the device"});
    }
  }
  std::ranges::sort(out, {}, &ValidatedFile::path);
  return out;
}

}  // namespace flense::cdi
