// flense host: what a machine offers.
#include <array>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/places.h"
#include "host/profile_json.h"
#include "host/spec.h"
#include "report/host_text.h"
#include "report/host_words.h"

namespace flense::cli {

namespace {

constexpr std::string_view kHelp = R"(Reads this machine and shows
  GPUs            architecture, memory, PCI link, NUMA node, MIG instances or partitions
  drivers         NVIDIA's kernel module and libcuda, the CUDA they run, amdgpu, ROCm
  network         InfiniBand and RoCE cards, and how far they are from each GPU
  system          kernel, distribution, libc, processor level, what containers may do
  engines         Docker, Podman, containerd, CRI-O, Apptainer, enroot; CDI on or off

Only plain files are read: no vendor library, no program, no root rights. What files do not tell is
"?", with the reason. --root reads a mounted or copied machine; --proc, --sys and --dev name the
parts that lie elsewhere (default: below --root). --host shows another machine: the file of a
profile, or GPUs and a driver.

Exit status: 0 fine, 2 wrong usage, 3 bad input, 4 environment, 5 a GPU's architecture is unknown
(with --build-args).

Examples:
  flense host
  flense host --json > h100-node.json
  flense host --host h100@550.54.15
  docker build $(flense host --build-args) .
  kubectl label node --overwrite gpu-7 $(flense host --root /host --labels))";

/// Build arguments without an architecture would build for GPUs that are not here.
Result<int> print_build_args(const host::Profile& profile, Io& io) {
  const report::HostWords words = report::build_args(profile);
  if (words.empty() && profile.gpus.empty())
    return with_hint(Result<int>(fail(Code::kEnvironment, "there is no GPU to build for{}",
                                      profile.gpu_count.value ? std::string()
                                                              : ": " + profile.gpu_count.evidence)),
                     "flense host shows what was looked at");
  for (const auto& [name, value] : words)
    TRY_DO(write_text(io, fmt::format("--build-arg {}={}\n", name, value)));
  const std::vector<std::string> missing = report::gpus_without_architecture(profile);
  for (const std::string& name : missing)
    TRY_DO(io.err.write(as_bytes(
        fmt::format("warning: the architecture of '{}' is unknown\n", report::printable(name)))));
  return missing.empty() ? 0 : 5;
}

Result<int> host_function(const ParsedArgs& args, Io& io) {
  const int forms = (args.has("--json") ? 1 : 0) + (args.has("--build-args") ? 1 : 0) +
                    (args.has("--labels") ? 1 : 0);
  if (forms > 1) return fail(Code::kUsage, "--json, --build-args and --labels exclude each other");
  TRY(const host::Places places, places_of(args));
  const std::string spec = args.value("--host", "this");
  if (spec != "this")
    for (const char* option : {"--root", "--proc", "--sys", "--dev"})
      if (args.has(option))
        return fail(Code::kUsage, "{} belongs to this machine, and --host names another", option);
  TRY(const host::Profile profile,
      with_context(host::profile_of(spec, places), "reading the host '{}'", spec));

  if (args.has("--build-args")) return print_build_args(profile, io);
  if (args.has("--json")) {
    TRY_DO(write_text(io, text::dump_json(host::to_json(profile), 2) + "\n"));
  } else if (args.has("--labels")) {
    for (const auto& [name, value] : report::node_labels(profile))
      TRY_DO(write_text(io, fmt::format("{}={}\n", name, value)));
  } else {
    report::HostTextOptions options;
    options.style = output_style(args, io);
    options.quiet = args.has("--quiet");
    options.verbose = args.has("--verbose");
    TRY_DO(write_text(io, report::host_text(profile, options)));
  }
  return 0;
}

}  // namespace

const Command& host_command() {
  static const std::array<OptionSpec, 8> kOptions = {
      OptionSpec{"--host",
                 "",
                 "HOST",
                 "this (default), a profile's file, or GPU@DRIVER: h100@550.54.15",
                 false,
                 {},
                 Completion::kFile},
      OptionSpec{"--json", "", "", "print JSON (schema flense/host/v1)"},
      OptionSpec{"--build-args", "", "", "print arguments for a build on this machine"},
      OptionSpec{"--labels", "", "", "print labels for this machine as a Kubernetes node"},
      kRootOption,
      kProcOption,
      kSysOption,
      kDevOption};
  static const Command kCommand{
      "host",       "Hosts", "show what a machine offers to GPU containers",
      "",           0,       0,
      kOptions,     kHelp,   {},
      host_function};
  return kCommand;
}

}  // namespace flense::cli
