// flense host: what a machine offers.
#include <algorithm>
#include <array>
#include <iterator>
#include <system_error>

#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "host/driver_query.h"
#include "host/host_argument.h"
#include "host/profile_json.h"
#include "report/hosts/exported.h"
#include "report/hosts/text.h"
#include "report/verdicts/fleet.h"

namespace flense::cli {

namespace {

constexpr std::string_view kHostHelp = R"(Reads this machine and shows
  GPUs            architecture, memory, PCI link, NUMA node, MIG instances or partitions
  drivers         NVIDIA's kernel module and libcuda, the CUDA they run, amdgpu, ROCm
  network         InfiniBand and RoCE cards, and how far they are from each GPU
  system          kernel, distribution, libc, processor level, what containers may do
  engines         Docker, Podman, containerd, CRI-O, Apptainer, enroot; CDI on or off

Only plain files are read: no vendor library, no program, no root rights. What files do not tell is
"?", with the reason. --ask-driver also runs nvidia-smi: exact memory, compute mode, persistence and
MIG mode, NVLink. --root reads a mounted or copied machine; --proc, --sys and --dev name the parts
that lie elsewhere (default: below --root).

--host names other machines: a file, GPUs and a driver, or an instance type (aws, gcp, azure, oci,
lambda). A file is told by its content: a profile or a list of them, kubectl get nodes -o json,
scontrol show node (also with --json), sinfo -o "%N %G %f". Several machines are compared, as with
--compare: what differs, which hosts are equal, the weakest one, and the architectures that serve all.

--build-args has every architecture of these machines and of all else what the weakest has: CUDA,
driver, processor (CPU_MARCH, CPU_AVX), and compilers at once by memory (MAX_JOBS).

--labels are words for kubectl label, and a feature file of Node Feature Discovery.

Exit status: 0 fine, 1 compared hosts differ, 2 wrong usage, 3 bad input, 4 environment, 5 something
decisive is unknown: a GPU's architecture (--build-args), or a fact of some of the compared hosts.

Examples:
  flense host
  flense host --json > h100-node.json
  flense host --host h100@550.54.15
  kubectl get nodes -o json > nodes.json; flense host --host nodes.json
  flense host --compare this gpu-7.json aws:p5.48xlarge@550.54.15
  docker build $(flense host --build-args) .
  flense host --build-args --host nodes.json --host h100@550.54.15
  kubectl label node --overwrite gpu-7 $(flense host --root /host --labels)
  flense host --labels > /etc/kubernetes/node-feature-discovery/features.d/flense)";

struct HostRequest : TableRequest {
  std::vector<std::string> hosts;
  bool compare = false, json = false, build_args = false, labels = false, ask_driver = false;
  PlaceOptions places;
};

void declare(Options& options, HostRequest& request) {
  options
      .add("--host", "HOST",
           "this (default), a file, GPU@DRIVER (h100@550.54.15), or aws:p5.48xlarge", request.hosts)
      .file();
  options.flag("--compare", "show what differs between the hosts named", request.compare);
  options.flag("--json", "print JSON (schema flense/host/v1; with --compare flense/fleet/v1)",
               request.json);
  options.flag("--build-args", "print arguments for a build that runs on all hosts named",
               request.build_args);
  options.flag("--labels", "print labels for this machine as a Kubernetes node", request.labels);
  options.flag("--ask-driver", "also run nvidia-smi, which asks NVIDIA's driver",
               request.ask_driver);
  add_data(options, request);
  declare(options, request.places);
}

/// Build arguments without an architecture would build for GPUs that are not here.
Result<int> print_build_args(std::span<const host::Profile> hosts, Io& io) {
  const report::BuildArgs args = report::build_args(hosts);
  const auto has_gpu = [](const host::Profile& host) { return !host.gpus.empty(); };
  if (args.words.empty() && std::ranges::none_of(hosts, has_gpu)) {
    const host::Number& count = hosts.front().gpu_count;
    return fail(Code::kEnvironment, "there is no GPU to build for{}",
                count.value ? std::string() : ": " + count.evidence)
        .hint("flense host shows what was looked at");
  }
  for (const auto& [name, value] : args.words)
    TRY_DO(write_text(io, fmt::format("--build-arg {}={}\n", name, value)));
  for (const std::string& one : args.left_out)
    TRY_DO(io.err.line(fmt::format("note: left out {}", one)));
  bool missing = false;
  for (const host::Profile& host : hosts)
    for (const std::string& name : report::gpus_without_architecture(host)) {
      TRY_DO(io.err.line(fmt::format("warning: the architecture of '{}' is unknown", name)));
      missing = true;
    }
  return missing ? 5 : 0;
}

/// The words that name hosts: those of --host, and with --compare the positional ones.
Result<std::vector<std::string>> host_words_of(const HostRequest& request) {
  std::vector<std::string> words = request.hosts;
  const auto& more = request.words;
  if (!more.empty() && !request.compare)
    return fail(Code::kUsage, "host has no use for '{}'", more.front())
        .hint("name a host with --host, or several with --compare");
  words.insert(words.end(), more.begin(), more.end());
  if (words.empty()) words.emplace_back("this");
  const bool this_one = std::ranges::find(words, "this") != words.end();
  const std::string_view place = request.places.first_named();
  if (request.ask_driver && (!this_one || !place.empty()))
    return fail(Code::kUsage,
                "--ask-driver asks the driver that runs here, and {} names another machine",
                this_one ? "--root" : "--host");
  if (!this_one && !place.empty())
    return fail(Code::kUsage, "{} belongs to this machine, and --host names another", place);
  return words;
}

Result<std::vector<host::Profile>> read_hosts(const HostRequest& request, Io& io) {
  TRY(const knowledge::Knowledge tables, tables_of(request, io, knowledge::kHostTables));
  const host::Places places = places_of(request.places);
  TRY(const std::vector<std::string> words, host_words_of(request));
  std::vector<host::Profile> out;
  for (const std::string& word : words) {
    TRY(std::vector<host::Profile> profiles,
        with_context(host::profiles_of(word, places, tables), "reading the host '{}'", word));
    if (word == "this" && request.ask_driver) {
      TRY(const host::DriverAnswer answer, host::ask_driver());
      host::add_answer(profiles.front(), answer);
    }
    std::ranges::move(profiles, std::back_inserter(out));
  }
  return out;
}

Result<int> print_comparison(std::span<const host::Profile> hosts, const HostRequest& request,
                             Io& io) {
  if (hosts.size() < 2)
    return fail(Code::kUsage, "there is one host, and nothing to compare it with")
        .hint("flense host --compare A B, or a file with the nodes of a cluster");
  const host::Fleet fleet = host::compare(hosts);
  TRY_DO(request.json
             ? write_text(io, text::dump_json(report::fleet_json(hosts, fleet), 2) + "\n")
             : write_report(io, report::fleet_text(hosts, fleet, output_style(request, io))));
  if (!fleet.equal()) return 1;
  return fleet.undecided() ? 5 : 0;
}

Result<int> print_labels(const host::Profile& profile, Io& io) {
  for (const auto& [name, value] : report::node_labels(profile))
    TRY_DO(write_text(io, fmt::format("{}={}\n", name, value)));
  return 0;
}

/// One profile as it is, several as a list: both are read again by --host.
Result<int> print_json(std::span<const host::Profile> hosts, Io& io) {
  text::Json list = text::Json::array();
  for (const host::Profile& profile : hosts) list.push(host::to_json(profile));
  const text::Json& json = hosts.size() == 1 ? list.items().front() : list;
  TRY_DO(write_text(io, text::dump_json(json, 2) + "\n"));
  return 0;
}

Result<int> run_host(const HostRequest& request, Io& io) {
  if (request.json + request.build_args + request.labels > 1)
    return fail(Code::kUsage, "--json, --build-args and --labels exclude each other");
  if (request.compare && (request.build_args || request.labels))
    return fail(Code::kUsage, "--compare shows what differs; {} does without it",
                request.labels ? "--labels" : "--build-args");
  TRY(const std::vector<host::Profile> hosts, read_hosts(request, io));
  if (request.compare) return print_comparison(hosts, request, io);
  if (request.json) return print_json(hosts, io);
  if (request.build_args) return print_build_args(hosts, io);
  if (hosts.size() > 1) {
    if (!request.labels) return print_comparison(hosts, request, io);
    return fail(Code::kUsage, "--labels are of one host, and {} are named", hosts.size());
  }
  const host::Profile& profile = hosts.front();
  if (request.labels) return print_labels(profile, io);
  report::HostTextOptions options;
  options.style = output_style(request, io);
  options.quiet = request.quiet;
  options.verbose = request.verbose;
  TRY_DO(write_report(io, report::host_text(profile, options)));
  return 0;
}

constexpr std::size_t kMostHosts = 100'000;

}  // namespace

const Command& host_command() {
  static const Command kCommand{.name = "host",
                                .group = "Hosts",
                                .summary = "show what a machine offers to GPU containers",
                                .positionals = "[HOST...]",
                                .max_positionals = kMostHosts,
                                .help = kHostHelp,
                                .call = [] { return call_of(run_host); }};
  return kCommand;
}

}  // namespace flense::cli
