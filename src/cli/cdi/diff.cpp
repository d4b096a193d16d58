// flense cdi diff: a specification on disk against what this machine would give now.
#include <algorithm>
#include <array>

#include "base/printable.h"
#include "base/version.h"
#include "cdi/diff.h"
#include "cdi/spec/registry.h"
#include "cli/cdi/cdi.h"
#include "cli/cdi/machine.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "report/format/table.h"

namespace flense::cli {

namespace {

using text::Json;

constexpr std::string_view kCdiDiffSchema = "flense/cdi-diff/v1";

constexpr std::string_view kCdiDiffHelp =
    R"(Compares a specification, by file or kind, with what `cdi generate` would write now: devices that
came or went, device nodes, files that are gone or have another version. The options of that
generation are told by the file's content; those on the command line go before it.
Exit status: 0 the same, 1 different.
  flense cdi diff /etc/cdi/flense.json
  flense cdi diff nvidia.com/gpu --json)";

struct CdiDiffRequest : Request {
  bool json = false;
  std::vector<std::string> spec_dirs;
  MachineOptions machine;
};

void declare(Options& options, CdiDiffRequest& request) {
  add_cdi_json(options, request.json);
  add_spec_dir(options, request.spec_dirs);
  declare(options, request.machine);
}

Result<cdi::SpecFile> read_one(const CdiDiffRequest& request, const Io& io) {
  const std::string& word = request.words.front();
  const std::size_t slash = word.find('/');
  const bool kind = slash != std::string::npos &&
                    cdi::complaint_about_vendor(word.substr(0, slash)).empty() &&
                    cdi::complaint_about_class(word.substr(slash + 1)).empty();
  std::error_code ignored;
  if (!kind || std::filesystem::exists(word, ignored)) {
    TRY(const cdi::SpecText file, cdi::read_spec_text(word));
    TRY(cdi::Spec spec, cdi::read_spec(file.text, word));
    return cdi::SpecFile{word, std::move(spec)};
  }
  cdi::Registry registry =
      cdi::read_registry(spec_directories_of(request.spec_dirs, request.machine.places, io));
  std::vector<cdi::SpecFile> found;
  for (cdi::SpecFile& file : registry.files)
    if (file.spec.kind == word) found.push_back(std::move(file));
  if (found.empty())
    return fail(Code::kEnvironment, "there is no specification of {}", word)
        .hint("flense cdi list shows what there is");
  if (found.size() > 1)
    return fail(Code::kUsage, "{} files are of kind {}: {} and {}", found.size(), word,
                found[0].path.string(), found[1].path.string())
        .hint("name one by its path");
  return std::move(found.front());
}

Json diff_json(const cdi::SpecFile& file, const std::vector<cdi::Difference>& all) {
  Json list = Json::array();
  for (const cdi::Difference& one : all) {
    Json item = Json::object();
    item.set("what", one.what);
    item.set("how", one.how);
    if (!one.device.empty()) item.set("device", one.device);
    item.set("name", one.name);
    if (!one.was.empty()) item.set("was", one.was);
    if (!one.now.empty()) item.set("now", one.now);
    list.push(std::move(item));
  }
  Json out = Json::object();
  out.set("schema", kCdiDiffSchema);
  out.set("flense", kVersion);
  out.set("file", file.path.string());
  out.set("kind", file.spec.kind);
  out.set("same", all.empty());
  out.set("differences", std::move(list));
  return out;
}

std::string diff_text(const cdi::SpecFile& file, const std::vector<cdi::Difference>& all,
                      const report::Style& style) {
  if (all.empty()) return printable(file.path.string()) + " is as it would be written now\n";
  using report::Column;
  report::Table table({{"what"},
                       {"how"},
                       {"name", report::Align::kLeft, Column::Flex::kPath},
                       {"on disk", report::Align::kLeft, Column::Flex::kPath},
                       {"now", report::Align::kLeft, Column::Flex::kPath}});
  for (const cdi::Difference& one : all)
    table.add({one.what, one.how,
               one.device.empty() ? one.name : fmt::format("{}: {}", one.device, one.name),
               one.was == one.name ? "" : one.was, one.now == one.name ? "" : one.now});
  return fmt::format("{}\n{}", printable(file.path.string()), table.text(style));
}

Result<int> run_cdi_diff(const CdiDiffRequest& request, Io& io) {
  TRY(const cdi::SpecFile file, read_one(request, io));
  const host::Machine machine(places_of(request.machine.places));
  // As the file tells, and over it what was asked for.
  TRY(const cdi::GenerateOptions options,
      generate_options(request.machine, cdi::recognise(file.spec, cdi::modes_here(machine)), io));
  TRY(const cdi::Generated now, cdi::generate(machine, options));
  const std::vector<cdi::Difference> all = cdi::differences(file.spec, now.spec);
  TRY_DO(request.json ? write_text(io, text::dump_json(diff_json(file, all), 2) + "\n")
                      : write_report(io, diff_text(file, all, output_style(request, io))));
  if (request.verbose)
    for (const std::string& text : now.notices) TRY_DO(io.err.line(fmt::format("note: {}", text)));
  return all.empty() ? 0 : 1;
}

}  // namespace

const Command& cdi_diff_action() {
  static const Command kAction{.name = "diff",
                               .summary = "a specification against what would be written now",
                               .positionals = "FILE|KIND",
                               .min_positionals = 1,
                               .max_positionals = 1,
                               .help = kCdiDiffHelp,
                               .call = [] { return call_of(run_cdi_diff); }};
  return kAction;
}

}  // namespace flense::cli
