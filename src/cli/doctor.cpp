// flense doctor: why CUDA or ROCm does not work here.
#include <unistd.h>

#include <array>

#include "base/file.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "doctor/diagnose.h"
#include "doctor/messages.h"
#include "host/probe.h"
#include "knowledge/knowledge.h"
#include "report/hosts/doctor_json.h"
#include "report/hosts/doctor_text.h"

namespace flense::cli {

namespace {

constexpr std::uint64_t kMaxLog = 256u << 20;

constexpr std::string_view kDoctorHelp =
    R"(Walks from the hardware up and looks at everything, so that every finding is seen; the first broken step
is the answer and comes with its fix:
  machine         what this is, GPUs on the bus, what a container was given
  driver          kernel module, device nodes, who may open them, libcuda and its version
  variables       CUDA_VISIBLE_DEVICES, NVIDIA_VISIBLE_DEVICES, MIG, ROCR_VISIBLE_DEVICES, LD_LIBRARY_PATH
  frameworks      PyTorch and others in the Python on PATH: built for these GPUs and this driver
  services        Fabric Manager, MPS, PCI links, RDMA
  engines         Docker, Podman, containerd, CRI-O, enroot; CDI specifications; SELinux

Run it where the program fails: inside the container, as the same user. Only plain files are read: no
device is opened, no vendor library loaded, nothing executed. -v shows what each step looked at.

--message and --log recognise error messages instead, of drivers, engines and frameworks.

With --root the environment of this process says nothing, so it is empty; --env names variables.

Exit status: 0 nothing is broken, 1 something is (or a message was recognised), 2 wrong usage, 3 bad
input, 4 there is no GPU at all, 5 something decisive is unknown (or no message was recognised).

Examples:
  flense doctor
  flense doctor --json > diagnosis.json
  docker run --rm --gpus all -v /usr/local/bin/flense:/flense:ro app:1 /flense doctor
  flense doctor --message 'Failed to initialize NVML: Driver/library version mismatch'
  docker run --gpus all app:1 2>&1 | flense doctor --log -)";

Result<doctor::Environment> environment_of(const ParsedArgs& args, const Io& io) {
  doctor::Environment out;
  if (io.environment && !names_places(args))
    for (const std::string_view name : doctor::variables())
      if (auto value = io.environment(name)) out.emplace(name, *std::move(value));
  for (const std::string& one : args.values("--env")) {
    const std::size_t equal = one.find('=');
    if (equal == 0 || equal == std::string::npos)
      return fail(Code::kUsage, "--env takes NAME=VALUE, not '{}'", one);
    out.insert_or_assign(one.substr(0, equal), one.substr(equal + 1));
  }
  return out;
}

Result<std::string> log_of(const ParsedArgs& args) {
  if (args.has("--message")) return args.value("--message");
  const std::string path = args.value("--log");
  if (path != "-") return read_file(path, kMaxLog);
  FdSource source(STDIN_FILENO, "standard input");
  return read_all(source, kMaxLog, "standard input");
}

Result<int> recognise_messages(const ParsedArgs& args, const report::DoctorTextOptions& options,
                               Io& io) {
  TRY(const std::string log, log_of(args));
  TRY(const knowledge::Knowledge tables, knowledge::Knowledge::load());
  const std::vector<doctor::Recognised> found = doctor::recognise(log, tables.explained);
  if (args.has("--json"))
    TRY_DO(write_text(io, text::dump_json(report::doctor_json(found), 2) + "\n"));
  else if (found.empty())
    TRY_DO(write_text(io, "no message that is known; flense doctor looks at the machine itself\n"));
  else
    TRY_DO(write_text(io, report::messages_text(found, options)));
  return found.empty() ? 5 : 1;
}

int doctor_status(const doctor::Diagnosis& diagnosis) {
  if (diagnosis.gpu == false) return exit_status(Code::kEnvironment);
  switch (diagnosis.verdict()) {
    case doctor::Verdict::kBroken:
      return 1;
    case doctor::Verdict::kUnknown:
      return 5;
    default:
      return 0;
  }
}

Result<int> doctor_function(const ParsedArgs& args, Io& io) {
  const report::DoctorTextOptions options{output_style(args, io), args.has("--quiet"),
                                          args.has("--verbose")};
  if (args.has("--message") && args.has("--log"))
    return fail(Code::kUsage, "--message and --log exclude each other");
  if (args.has("--message") || args.has("--log")) {
    if (names_places(args) || args.has("--env"))
      return fail(Code::kUsage, "--message and --log look at no machine");
    return recognise_messages(args, options, io);
  }
  TRY(const host::Places places, places_of(args));
  TRY(const doctor::Environment environment, environment_of(args, io));
  const host::Machine machine(places);
  const host::Profile profile = host::probe(machine);
  const doctor::Diagnosis diagnosis = doctor::diagnose(machine, profile, environment);
  TRY_DO(write_text(io, args.has("--json")
                            ? text::dump_json(report::doctor_json(diagnosis), 2) + "\n"
                            : report::doctor_text(diagnosis, options)));
  return doctor_status(diagnosis);
}

}  // namespace

const Command& doctor_command() {
  static const std::array<OptionSpec, 8> kOptions = {
      OptionSpec{"--json", "", "", "print JSON (schema flense/doctor/v1)"},
      OptionSpec{"--message", "", "TEXT", "say what an error message means"},
      OptionSpec{"--log",
                 "",
                 "FILE",
                 "the same for the messages in a file; - is standard input",
                 false,
                 {},
                 Completion::kFile},
      OptionSpec{"--env", "", "NAME=VALUE", "a variable of the program that fails", true},
      kRootOption,
      kProcOption,
      kSysOption,
      kDevOption};
  static const Command kCommand{"doctor",
                                "Hosts",
                                "find why CUDA or ROCm does not work here",
                                "",
                                0,
                                0,
                                kOptions,
                                kDoctorHelp,
                                {},
                                doctor_function};
  return kCommand;
}

}  // namespace flense::cli
