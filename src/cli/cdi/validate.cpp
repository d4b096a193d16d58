// flense cdi validate: are specifications valid, and is what they name still there?
#include <algorithm>
#include <array>
#include <cerrno>

#include "base/file.h"
#include "base/printable.h"
#include "base/version.h"
#include "cdi/spec/validate.h"
#include "cli/cdi/cdi.h"
#include "cli/shared/common.h"
#include "cli/shared/confine.h"
#include "cli/shared/places.h"
#include "report/format/findings.h"

namespace flense::cli {

namespace {

using text::Json;

constexpr std::string_view kCdiValidateSchema = "flense/cdi-validate/v1";

constexpr std::string_view kCdiValidateHelp =
    R"(Checks each FILE, or all files that engines read here: the rules of the specification; that every
path and node it names is there, with the type and the numbers that it says; that libraries are of the
driver that runs; that files do not take each other's devices. Exit status 0: fine (warnings do not
count); 1: errors; 3: a file is neither JSON nor YAML.
  flense cdi validate
  flense cdi validate --json /etc/cdi/nvidia.yaml)";

std::size_t count(const std::vector<cdi::ValidatedFile>& files, Severity severity) {
  std::size_t total = 0;
  for (const cdi::ValidatedFile& file : files)
    for (const inventory::Finding& finding : file.findings)
      total += finding.severity == severity ? 1 : 0;
  return total;
}

Json validate_json(const std::vector<cdi::ValidatedFile>& files) {
  Json list = Json::array();
  for (const cdi::ValidatedFile& file : files) {
    Json one = Json::object();
    one.set("file", file.path.string());
    one.set("kind", file.kind);
    Json devices = Json::array();
    for (const std::string& device : file.devices) devices.push(device);
    one.set("devices", std::move(devices));
    Json findings = Json::array();
    for (const inventory::Finding& finding : file.findings)
      findings.push(report::finding_json(finding));
    one.set("findings", std::move(findings));
    list.push(std::move(one));
  }
  Json out = Json::object();
  out.set("schema", kCdiValidateSchema);
  out.set("flense", kVersion);
  out.set("files", std::move(list));
  out.set("errors", std::uint64_t{count(files, Severity::kError)});
  out.set("warnings", std::uint64_t{count(files, Severity::kWarning)});
  return out;
}

std::string validate_text(const std::vector<cdi::ValidatedFile>& files,
                          const report::Style& style) {
  std::string out;
  for (const cdi::ValidatedFile& file : files) {
    out += fmt::format("{}: {}\n", printable(file.path.string()),
                       file.findings.empty() ? "fine"
                       : file.kind.empty()   ? "?"
                                             : file.kind);
    for (const inventory::Finding& finding : file.findings)
      out += report::findings_text(finding, style);
  }
  const std::size_t errors = count(files, Severity::kError);
  const std::size_t warnings = count(files, Severity::kWarning);
  return out + fmt::format("{} files, {} errors, {} warnings\n", files.size(), errors, warnings);
}

struct CdiValidateRequest : Request {
  std::vector<std::string> spec_dirs;
  bool json = false;
  PlaceOptions places;
};

void declare(Options& options, CdiValidateRequest& request) {
  add_spec_dir(options, request.spec_dirs);
  add_cdi_json(options, request.json);
  declare(options, request.places);
  add_no_sandbox(options, request);
}

/// Of this machine it is asked what is there, and two files are read; a copy is read throughout.
Result<void> confine_to(const CdiValidateRequest& request, const host::Machine& machine,
                        const std::vector<std::filesystem::path>& directories, Io& io) {
  Wanted wanted;
  guard::Reach& reach = wanted.reach;
  reach.read.assign(request.words.begin(), request.words.end());
  if (request.words.empty())
    for (const std::filesystem::path& directory : directories)
      guard::add_with_links(directory, reach.read);
  const host::Places& places = machine.places;
  reach.read.insert(reach.read.end(),
                    {places.proc / "devices", places.proc / "driver/nvidia/version"});
  reach.list = {places.dev};
  for (const auto& copy : {request.places.root, request.places.dev})
    if (copy) reach.read.push_back(*copy);
  return confine(request, wanted, io);
}

Result<int> run_cdi_validate(const CdiValidateRequest& request, Io& io) {
  if (!request.words.empty() && !request.spec_dirs.empty())
    return fail(Code::kUsage, "--spec-dir and FILE exclude each other");
  // Opening a named pipe would wait for its writer.
  for (const std::string& path : request.words)
    if (!file_identity(path)) return unreachable(errno, path);
  const host::Machine machine(places_of(request.places));
  const auto directories = spec_directories_of(request.spec_dirs, request.places, io);
  TRY_DO(confine_to(request, machine, directories, io));
  std::vector<cdi::ValidatedFile> files;
  if (request.words.empty()) files = cdi::validate_directories(directories, machine);
  for (const std::string& path : request.words) files.push_back(cdi::validate_file(path, machine));
  TRY_DO(request.json ? write_text(io, text::dump_json(validate_json(files), 2) + "\n")
                      : write_report(io, validate_text(files, output_style(request, io))));
  if (!std::ranges::all_of(files, &cdi::ValidatedFile::readable))
    return exit_status(Code::kBadInput);
  return count(files, Severity::kError) == 0 ? 0 : 1;
}

}  // namespace

const Command& cdi_validate_action() {
  static constexpr std::size_t kMostFiles = 1024;
  static const Command kAction{.name = "validate",
                               .summary = "specifications against the rules and this machine",
                               .positionals = "[FILE...]",
                               .max_positionals = kMostFiles,
                               .help = kCdiValidateHelp,
                               .call = [] { return call_of(run_cdi_validate); }};
  return kAction;
}

}  // namespace flense::cli
