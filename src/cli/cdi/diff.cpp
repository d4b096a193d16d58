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

Result<cdi::SpecFile> read_one(const std::string& word, const ParsedArgs& args, const Io& io) {
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
  TRY(const auto directories, spec_directories_of(args, io));
  cdi::Registry registry = cdi::read_registry(directories);
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

/// As the file tells, and over it what was asked for.
Result<cdi::GenerateOptions> options_for(const cdi::Spec& spec, const ParsedArgs& args,
                                         const Io& io, const host::Machine& machine) {
  cdi::GenerateOptions out = cdi::recognise(spec, cdi::modes_here(machine));
  TRY(const cdi::GenerateOptions asked, generate_options_of(args, io));
  if (args.has("--mode")) out.mode = asked.mode;
  if (args.has("--capabilities")) out.capabilities = asked.capabilities;
  if (args.has("--with")) out.with = asked.with;
  if (args.has("--driver-root")) out.driver_root = asked.driver_root;
  if (args.has("--dev-root")) out.dev_root = asked.dev_root;
  if (args.has("--library-dir")) out.library_dirs = asked.library_dirs;
  if (args.has("--hooks")) {
    out.all_hooks = asked.all_hooks;
    out.compat_hook = asked.compat_hook;
  }
  if (args.has("--hook-path")) out.hook_program = asked.hook_program;
  if (args.has("--groups")) out.groups = true;
  out.library_search = asked.library_search;
  out.mps_pipe_directory = asked.mps_pipe_directory;
  out.mps_log_directory = asked.mps_log_directory;
  out.mig = asked.mig;
  return out;
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
                       {"name", report::Align::kLeft, Column::Flex::kStart},
                       {"on disk", report::Align::kLeft, Column::Flex::kStart},
                       {"now", report::Align::kLeft, Column::Flex::kStart}});
  for (const cdi::Difference& one : all)
    table.add({one.what, one.how,
               one.device.empty() ? one.name : fmt::format("{}: {}", one.device, one.name),
               one.was == one.name ? "" : one.was, one.now == one.name ? "" : one.now});
  return fmt::format("{}\n{}", printable(file.path.string()), table.text(style));
}

Result<int> diff_specs(const ParsedArgs& args, const std::vector<std::string>& positionals,
                       Io& io) {
  TRY(const cdi::SpecFile file, read_one(positionals.front(), args, io));
  TRY(const host::Places places, places_of(args));
  const host::Machine machine(places);
  TRY(const cdi::GenerateOptions options, options_for(file.spec, args, io, machine));
  TRY(const cdi::Generated now, cdi::generate(machine, options));
  const std::vector<cdi::Difference> all = cdi::differences(file.spec, now.spec);
  TRY_DO(write_text(io, args.has("--json") ? text::dump_json(diff_json(file, all), 2) + "\n"
                                           : diff_text(file, all, output_style(args, io))));
  if (args.has("--verbose"))
    for (const std::string& text : now.notices) TRY_DO(io.err.line(fmt::format("note: {}", text)));
  return all.empty() ? 0 : 1;
}

}  // namespace

const CdiAction& cdi_diff_action() {
  static const std::vector<OptionSpec> kOptions = [] {
    std::vector<OptionSpec> options = {kCdiJsonOption, kSpecDirOption};
    for (const OptionSpec& option : machine_options())
      if (option.name != "--vendor" && option.name != "--class" && option.name != "--annotate" &&
          option.name != "--allow-missing")
        options.push_back(option);
    return options;
  }();
  static const CdiAction kAction{"diff",
                                 "a specification against what would be written now",
                                 "FILE|KIND",
                                 1,
                                 1,
                                 kOptions,
                                 kCdiDiffHelp,
                                 diff_specs};
  return kAction;
}

}  // namespace flense::cli
