// flense init: a project that fits its hosts from the start.
#include <array>

#include "cli/shared/check_steps.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "host/host_argument.h"
#include "scaffold/project.h"
#include "scaffold/project_json.h"
#include "scaffold/reasons.h"

namespace flense::cli {

namespace {

constexpr std::string_view kInitHelp =
    R"(Writes a project whose versions fit the named hosts: Dockerfile, Compose, bake and Kubernetes files,
a dev container, a CI workflow, and a small application with a test. Every candidate is judged for
every host by the same rules as flense check; the newest that runs on all is taken, and README.md of
the project says why, with the table rows.

--host is as for flense check, and may be repeated; --gpu H100 --driver 550.54.15 is short for
--host h100@550.54.15. Without either: this machine. Without a driver, the build is taken that asks
least of one.

No file is replaced without --force, and when one is in the way nothing is written.

Exit status: 0 written, 2 wrong usage, or no build runs on the hosts, 3 bad input, 4 a file is in the
way or cannot be written.

Examples:
  flense init --list
  flense init pytorch-inference --host h100@550.54.15 -o service
  flense init pytorch-training --host nodes.json --dry-run
  flense init cuda-cpp --gpu a100,l4 --driver 535.104.05)";

constexpr std::array<std::string_view, 8> kTemplates = {
    "pytorch-inference", "pytorch-training", "cuda-cpp", "jax", "rocm-pytorch", "conda",
    "distroless-cuda",   "apptainer"};

struct InitRequest : TableRequest {
  std::vector<std::string> hosts, gpus;
  std::string driver, output = ".";
  bool force = false, dry_run = false, json = false, list = false;
  PlaceOptions places;
};

void declare(Options& options, InitRequest& request) {
  options
      .add("--host", "HOST", "a machine that the image shall run on; may be repeated",
           request.hosts)
      .file();
  options.add("--gpu", "GPU", "the same by its GPUs; may be repeated", request.gpus);
  options.add("--driver", "VERSION", "the driver beside --gpu", request.driver);
  options.add("--output", "DIR", "where to write (default: .)", request.output)
      .letter("-o")
      .directory();
  options.flag("--force", "replace files that are there", request.force);
  options.flag("--dry-run", "only show the choices and the files with their sizes",
               request.dry_run);
  options.flag("--json", "print JSON (schema flense/init/v1)", request.json);
  options.flag("--list", "list the templates", request.list);
  add_data(options, request);
  declare(options, request.places);
}

/// --gpu and --driver as one of the forms that --host takes.
Result<std::vector<host::Profile>> named_hosts(const InitRequest& request,
                                               const knowledge::Knowledge& tables) {
  const bool gpus = !request.gpus.empty(), driver = !request.driver.empty();
  if (driver && !gpus)
    return usage_error("--driver says nothing without --gpu", "--gpu h100 --driver 550.54.15");
  if (gpus && !request.hosts.empty())
    return usage_error("--gpu and --host exclude each other", "--host h100@550.54.15 says both");
  if (!gpus)
    return hosts_of(request.hosts, this_host(request.hosts, places_of(request.places), tables),
                    tables);
  std::vector<host::Profile> out;
  for (const std::string& gpu : request.gpus) {
    const std::string words = driver ? fmt::format("{}@{}", gpu, request.driver) : gpu;
    TRY(host::Profile one, host::described_profile(words, tables));
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::vector<host::Profile>> hosts_for(const InitRequest& request,
                                             const knowledge::Knowledge& tables) {
  TRY(std::vector<host::Profile> hosts, named_hosts(request, tables));
  if (request.gpus.empty() && request.hosts.empty() && hosts.front().gpus.empty())
    return usage_error("no host is named, and this machine has no GPU",
                       "name the machine that the image will run on: --host h100@550.54.15");
  return hosts;
}

Result<int> list_templates(const InitRequest& request, Io& io) {
  TRY(const std::vector<scaffold::Template> all, scaffold::templates());
  if (request.json) {
    TRY_DO(write_text(io, text::dump_json(scaffold::templates_json(all), 2) + "\n"));
    return 0;
  }
  for (const scaffold::Template& one : all)
    TRY_DO(write_text(io, fmt::format("{:<20}{}\n", one.name, one.summary)));
  return 0;
}

std::string describe(const scaffold::Project& project, const std::string& directory, bool dry,
                     bool quiet) {
  std::string out;
  if (!quiet) {
    for (const scaffold::Reason& one : project.reasons)
      out += fmt::format("{}: {}\n  {}{}\n", one.name, one.value, one.why,
                         one.source.empty() ? "" : fmt::format("\n  by {}", one.source));
    for (const scaffold::Rejection& one : project.choice.rejected)
      out += fmt::format("{}\n", scaffold::sentence(one));
    out += "\n";
    for (const scaffold::ProjectFile& file : project.files)
      out += fmt::format("{:>9}  {}\n", human_bytes(file.text.size()), file.path);
  }
  out += fmt::format("{} {} files {} {}\n", dry ? "would write" : "wrote", project.files.size(),
                     dry ? "to" : "in", directory);
  return out;
}

Result<int> run_init(const InitRequest& request, Io& io) {
  if (request.list) {
    if (!request.words.empty())
      return usage_error("--list shows all templates", "flense init --list");
    return list_templates(request, io);
  }
  if (request.words.empty())
    return usage_error("init needs a TEMPLATE", "flense init --list shows them");
  TRY(const scaffold::Template chosen, scaffold::find_template(request.words.front()));
  TRY(const knowledge::Knowledge tables, tables_of(request, io, judging_tables()));
  TRY(const std::vector<host::Profile> hosts, hosts_for(request, tables));
  TRY(const scaffold::Project project, scaffold::make_project(chosen, hosts, tables));
  const std::string& directory = request.output;
  const bool dry = request.dry_run;
  if (dry) {
    const auto there = scaffold::files_in_the_way(project.files, directory);
    if (!there.empty() && !request.force && !request.json)
      TRY_DO(io.err.line(fmt::format("in the way: {}", fmt::join(there, ", "))));
  } else {
    TRY_DO(scaffold::write_project(project.files, directory, request.force));
  }
  TRY_DO(write_text(
      io, request.json ? text::dump_json(scaffold::project_json(project, directory, !dry), 2) + "\n"
                       : describe(project, directory, dry, request.quiet)));
  return 0;
}

}  // namespace

const Command& init_command() {
  static const Command kCommand{.name = "init",
                                .group = "Files",
                                .summary = "write a project that fits its hosts, with the reasons",
                                .positionals = "[TEMPLATE]",
                                .max_positionals = 1,
                                .help = kInitHelp,
                                .words = kTemplates,
                                .call = [] { return call_of(run_init); }};
  return kCommand;
}

}  // namespace flense::cli
