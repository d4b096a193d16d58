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

Result<void> write_file(const std::string& path, std::string_view text) {
  TRY(AtomicFile file, AtomicFile::create(path));
  TRY_DO(write_fully(file.fd(), as_bytes(text), path));
  return file.commit();
}

Result<int> apply(const ParsedArgs& args, const std::vector<std::string>& positionals, Io& io) {
  const std::string& path = positionals.front();
  const std::vector<std::string> names = args.values("--device");
  if (names.empty())
    return fail(Code::kUsage, "cdi apply needs --device").hint("flense cdi list shows the names");
  TRY(const host::Places places, places_of(args));
  TRY(const std::string text, read_file(path, kMaxConfigBytes));
  TRY(Json config, text::parse_json(text, path));
  TRY(const auto directories, spec_directories_of(args, io));
  TRY(const cdi::Edits edits, cdi::read_registry(directories).resolve(names));
  TRY_DO(
      with_context(cdi::apply(edits, host::Machine(places).dev, {args.has("--rootless")}, config),
                   "applying {} to {}", fmt::join(names, ", "), path));
  const std::string out = text::dump_json(config, 2) + "\n";
  if (args.has("--output"))
    TRY_DO(write_file(args.value("--output"), out));
  else
    TRY_DO(io.out.exact(out));
  return 0;
}

}  // namespace

const OptionSpec kCdiOutputOption{
    "--output", "-o", "FILE",           "write here, whole or not at all (default: print)",
    false,      {},   Completion::kFile};

const CdiAction& cdi_apply_action() {
  static const std::array kOptions = {
      OptionSpec{"--device", "", "NAME", "a device by its qualified name", true},
      OptionSpec{"--rootless", "", "", "device nodes as bind mounts, without cgroup rules"},
      kCdiOutputOption,
      kSpecDirOption,
      kRootOption,
      kDevOption};
  static const CdiAction kAction{
      "apply", "merge devices into an OCI config.json", "CONFIG", 1, 1, kOptions, kCdiApplyHelp,
      apply};
  return kAction;
}

}  // namespace flense::cli
