// flense cdi apply: what an engine does with --device, for runtimes and scripts that have none.
#include "cdi/spec/apply.h"

#include <array>

#include "base/file.h"
#include "cdi/spec/registry.h"
#include "cli/cdi/cdi.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"

namespace flense::cli {

namespace {

using text::Json;

constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{16} << 20;

constexpr std::string_view kCdiApplyHelp =
    R"(Merges the edits of the named devices into an OCI runtime configuration, as an engine does, and
prints it, or writes it with -o (the same file is fine). Either all of it is applied or nothing.
--rootless binds the host's nodes, since only root may make any.
  flense cdi apply --device nvidia.com/gpu=0 config.json -o config.json
  flense cdi apply --device nvidia.com/gpu=all --rootless bundle/config.json)";

struct CdiApplyRequest : Request {
  std::vector<std::string> devices, spec_dirs;
  bool rootless = false;
  std::string output;
  PlaceOptions places;
};

void declare(Options& options, CdiApplyRequest& request) {
  options.add("--device", "NAME", "a device by its qualified name", request.devices);
  options.flag("--rootless", "device nodes as bind mounts, without cgroup rules", request.rootless);
  options
      .add("--output", "FILE", "write here, whole or not at all (default: print)", request.output)
      .letter("-o")
      .file();
  add_spec_dir(options, request.spec_dirs);
  add_root(options, request.places);
  add_dev(options, request.places);
}

Result<int> run_cdi_apply(const CdiApplyRequest& request, Io& io) {
  const std::string& path = request.words.front();
  const std::vector<std::string>& names = request.devices;
  if (names.empty())
    return fail(Code::kUsage, "cdi apply needs --device").hint("flense cdi list shows the names");
  TRY(const std::string text, read_file(path, kMaxConfigBytes));
  TRY(Json config, text::parse_json(text, path));
  const auto directories = spec_directories_of(request.spec_dirs, request.places, io);
  TRY(const cdi::Edits edits, cdi::read_registry(directories).resolve(names));
  const host::Machine machine(places_of(request.places));
  TRY_DO(with_context(cdi::apply(edits, machine.dev, {request.rootless}, config),
                      "applying {} to {}", fmt::join(names, ", "), path));
  const std::string out = text::dump_json(config, 2) + "\n";
  if (!request.output.empty())
    TRY_DO(save_named(request.output, out));
  else
    TRY_DO(io.out.exact(out));
  return 0;
}

}  // namespace

const Command& cdi_apply_action() {
  static const Command kAction{.name = "apply",
                               .summary = "merge devices into an OCI config.json",
                               .positionals = "CONFIG",
                               .min_positionals = 1,
                               .max_positionals = 1,
                               .help = kCdiApplyHelp,
                               .call = [] { return call_of(run_cdi_apply); }};
  return kAction;
}

}  // namespace flense::cli
