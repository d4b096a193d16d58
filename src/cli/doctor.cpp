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
input, 4 there is no GPU at all, 5 something decisive is unknown (or no message tells of a failure).

Examples:
  flense doctor
  flense doctor --json > diagnosis.json
  docker run --rm --gpus all -v /usr/local/bin/flense:/flense:ro app:1 /flense doctor
  flense doctor --message 'Failed to initialize NVML: Driver/library version mismatch'
  docker run --gpus all app:1 2>&1 | flense doctor --log -)";

struct DoctorRequest : TableRequest {
  bool json = false;
  std::string message, log;
  std::vector<std::pair<std::string, std::string>> variables;
  PlaceOptions places;
};

Result<std::pair<std::string, std::string>> variable_of(const std::string& word,
                                                        std::string_view option) {
  const std::size_t equal = word.find('=');
  if (equal == 0 || equal == std::string::npos)
    return fail(Code::kUsage, "{} takes NAME=VALUE, not '{}'", option, word);
  return std::pair(word.substr(0, equal), word.substr(equal + 1));
}

void declare(Options& options, DoctorRequest& request) {
  options.flag("--json", "print JSON (schema flense/doctor/v1)", request.json);
  options.add("--message", "TEXT", "say what an error message means", request.message);
  options
      .add("--log", "FILE", "the same for the messages in a file; - is standard input", request.log)
      .file();
  options.add("--env", "NAME=VALUE", "a variable of the program that fails", request.variables,
              variable_of);
  add_data(options, request);
  declare(options, request.places);
}

doctor::Environment environment_of(const DoctorRequest& request, const Io& io) {
  doctor::Environment out;
  if (io.environment && request.places.first_named().empty())
    for (const std::string_view name : doctor::variables())
      if (auto value = io.environment(name)) out.emplace(name, *std::move(value));
  for (const auto& [name, value] : request.variables) out.insert_or_assign(name, value);
  return out;
}

Result<std::string> log_of(const DoctorRequest& request) {
  if (!request.message.empty()) return request.message;
  if (request.log != "-") return read_file(request.log, kMaxLog);
  FdSource source(STDIN_FILENO, "standard input");
  return read_all(source, kMaxLog, "standard input");
}

Result<int> recognise_messages(const DoctorRequest& request, const knowledge::Knowledge& tables,
                               const report::DoctorTextOptions& options, Io& io) {
  TRY(const std::string log, log_of(request));
  const std::vector<doctor::Recognised> found = doctor::recognise(log, tables.explained);
  if (request.json)
    TRY_DO(write_text(io, text::dump_json(report::doctor_json(found), 2) + "\n"));
  else if (found.empty())
    TRY_DO(write_report(io, fmt::format("no {}; flense doctor looks at the machine itself\n",
                                        request.message.empty() ? "known error message in the log"
                                                                : "message that is known")));
  else
    TRY_DO(write_report(io, report::messages_text(found, options)));
  return doctor::tells_failure(found) ? 1 : 5;
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

Result<int> run_doctor(const DoctorRequest& request, Io& io) {
  const report::DoctorTextOptions options{output_style(request, io), request.quiet,
                                          request.verbose};
  const bool messages = !request.message.empty() || !request.log.empty();
  if (!request.message.empty() && !request.log.empty())
    return fail(Code::kUsage, "--message and --log exclude each other");
  TRY(const knowledge::Knowledge tables,
      tables_of(request, io,
                messages ? std::span<const std::string_view>(knowledge::kExplainTables)
                         : std::span<const std::string_view>(knowledge::kHostTables)));
  if (messages) {
    if (!request.places.first_named().empty() || !request.variables.empty())
      return fail(Code::kUsage, "--message and --log look at no machine");
    return recognise_messages(request, tables, options, io);
  }
  const doctor::Environment environment = environment_of(request, io);
  const host::Machine machine(places_of(request.places));
  const host::Profile profile = host::probe(machine, tables);
  const doctor::Diagnosis diagnosis = doctor::diagnose(machine, profile, environment, tables);
  TRY_DO(request.json ? write_text(io, text::dump_json(report::doctor_json(diagnosis), 2) + "\n")
                      : write_report(io, report::doctor_text(diagnosis, options)));
  return doctor_status(diagnosis);
}

}  // namespace

const Command& doctor_command() {
  static const Command kCommand{.name = "doctor",
                                .group = "Hosts",
                                .summary = "find why CUDA or ROCm does not work here",
                                .help = kDoctorHelp,
                                .call = [] { return call_of(run_doctor); }};
  return kCommand;
}

}  // namespace flense::cli
