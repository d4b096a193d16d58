// flense cdi generate: this machine's GPUs as a specification.
#include <algorithm>
#include <array>
#include <system_error>

#include "cdi/generate/generate.h"
#include "cdi/spec/registry.h"
#include "cli/cdi/cdi.h"
#include "cli/cdi/machine.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"

namespace flense::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCdiGenerateHelp =
    R"(Writes what the containers of this machine's GPUs need: device nodes, the driver's libraries,
programs, configuration and sockets. Devices are named by index, UUID and PCI address; MIG instances
as GPU:INSTANCE; `all` is every one. Plain files tell it all: neither the vendor's library nor a GPU
that answers is needed. --ask-driver also runs nvidia-smi, for the UUIDs of MIG instances.

Nothing is run in a container's start: libraries are mounted under every name that programs ask for,
where loaders look (/usr/lib/x86_64-linux-gnu and /usr/lib64, or each --library-dir). --hooks adds the
hooks of nvidia-cdi-hook; --hooks=compat only those that choose an image's cuda-compat libraries.
A missing piece is an error that names it. Specifications hold no numbers of device nodes and say the
lowest CDI version that will do; --groups (0.7.0) and --annotate (0.6.0) raise it.

Modes: auto, nvidia, wsl, jetson (kind nvidia.com/gpu), amd (amd.com/gpu), management
(management.nvidia.com/gpu), and what GPUs work with as a kind of its own: rdma (nvidia.com/mofed),
gds, gdrcopy, nvswitch, imex (nvidia.com/imex-channel). --with gives it to every container of a GPU.

Without -o the specification goes to standard output; -o DIR/ writes a file for each kind. Where
engines would find two specifications of one device, nothing is written; --replace moves the other
file out of their sight, --vendor gives ours another name.
  flense cdi generate -o /etc/cdi/flense.json
  flense cdi generate --capabilities all --with rdma,gds -o /var/run/cdi/
  flense cdi generate --mode amd --format yaml
  flense cdi generate --driver-root /run/nvidia/driver)";

constexpr std::string_view kSaved = ".replaced";
constexpr std::string_view kRefreshed = "/run/cdi/nvidia.yaml";

struct Output {
  fs::path path;
  cdi::Format format = cdi::Format::kJson;
};

struct CdiGenerateRequest : Request {
  std::string output;
  std::optional<cdi::Format> format;
  bool replace = false;
  std::vector<std::string> spec_dirs;
  MachineOptions machine;

  cdi::Format stated_format() const { return format.value_or(cdi::Format::kJson); }
};

void declare(Options& options, CdiGenerateRequest& request) {
  static constexpr std::array<std::string_view, 2> kFormats = {"json", "yaml"};
  options
      .add("--output", "FILE", "write here, whole or not at all; DIR/ for a file of each kind",
           request.output)
      .letter("-o")
      .file();
  options
      .add("--format", "FORMAT", "json or yaml (default: by FILE's name, json)", request.format,
           [](const std::string& word) {
             return Result<cdi::Format>(word == "yaml" ? cdi::Format::kYaml : cdi::Format::kJson);
           })
      .one_of(kFormats);
  options.flag("--replace", "move specifications of the same devices out of the way",
               request.replace);
  add_spec_dir(options, request.spec_dirs);
  declare_new(options, request.machine);
}

Result<std::vector<cdi::Generated>> generate_all(const CdiGenerateRequest& request, const Io& io) {
  const host::Machine machine(places_of(request.machine.places));
  TRY(cdi::GenerateOptions options, generate_options(request.machine, {}, io));
  std::vector<cdi::Mode> modes = {options.mode};
  if (options.mode == cdi::Mode::kAuto)
    if (auto found = cdi::modes_here(machine); found.size() > 1) modes = std::move(found);
  std::vector<cdi::Generated> out;
  for (const cdi::Mode mode : modes) {
    options.mode = mode;
    TRY(cdi::Generated made, cdi::generate(machine, options));
    out.push_back(std::move(made));
  }
  return out;
}

/// "nvidia.com/gpu" -> "nvidia.com-gpu.json".
std::string file_name(const std::string& kind, cdi::Format format) {
  std::string out = kind;
  std::ranges::replace(out, '/', '-');
  return out + (format == cdi::Format::kYaml ? ".yaml" : ".json");
}

Result<std::vector<Output>> outputs_of(const CdiGenerateRequest& request,
                                       const std::vector<cdi::Generated>& all) {
  const std::string& named = request.output;
  const cdi::Format stated = request.stated_format();
  std::error_code ignored;
  if (named.ends_with('/') || fs::is_directory(named, ignored)) {
    std::vector<Output> out;
    out.reserve(all.size());
    for (const cdi::Generated& one : all)
      out.push_back({fs::path(named) / file_name(one.spec.kind, stated), stated});
    return out;
  }
  if (all.size() > 1)
    return fail(Code::kUsage, "there are GPUs of two vendors, and one file has one kind")
        .hint("-o DIR/ writes a file for each; --mode nvidia or --mode amd takes one");
  Output out{named, stated};
  if (!request.format) {
    TRY(out.format, cdi::format_of(out.path));
  }
  return std::vector{out};
}

bool same_file(const fs::path& a, const fs::path& b) {
  std::error_code ignored;
  return fs::weakly_canonical(a, ignored) == fs::weakly_canonical(b, ignored);
}

/// The first device that both define; empty when there is none.
std::string common_device(const cdi::Spec& ours, const cdi::Spec& other) {
  if (ours.kind != other.kind) return {};
  for (const cdi::Device& one : ours.devices)
    for (const cdi::Device& two : other.devices)
      if (one.name == two.name) return ours.kind + "=" + one.name;
  return {};
}

struct Clash {
  fs::path path;
  std::string device;
};

/// Files that would hide devices of ours, or whose devices ours would hide. Only where engines
/// look.
std::vector<Clash> clashes_of(const CdiGenerateRequest& request, const Io& io, const Output& output,
                              const cdi::Spec& spec) {
  const auto directories = spec_directories_of(request.spec_dirs, request.machine.places, io);
  const fs::path folder = output.path.parent_path();
  // Of a mounted root, directories that are still to be made are told by their name.
  const bool seen = folder.string().ends_with("/etc/cdi") ||
                    std::ranges::any_of(directories, [&](const fs::path& directory) {
                      return same_file(directory, folder);
                    });
  std::vector<Clash> out;
  if (!seen) return out;
  // As engines read them.
  for (const cdi::SpecFile& file : cdi::read_registry(directories, cdi::Trust::kAnybody).files) {
    // The vendor's own service writes this one at every boot.
    const bool refreshed = file.path.string().ends_with(kRefreshed);
    if (same_file(file.path, output.path) && !refreshed) continue;
    if (std::string device = common_device(spec, file.spec); !device.empty())
      out.push_back({file.path, std::move(device)});
  }
  return out;
}

Result<void> refuse(const Clash& clash) {
  return fail(Code::kEnvironment, "{} defines {} already", clash.path.string(), clash.device)
      .hint(
          "--replace moves it out of the way, or --vendor flense.dev gives ours names of their "
          "own");
}

Result<void> note(const Request& request, Io& io, const std::string& text) {
  if (request.quiet) return {};
  return io.err.line(fmt::format("note: {}", text));
}

/// Out of the engines' sight, and there to be had again.
Result<void> set_aside(const Request& request, Io& io, const Clash& clash) {
  const fs::path saved = clash.path.string() + std::string(kSaved);
  std::error_code error;
  fs::rename(clash.path, saved, error);
  if (error) return system_error(error.value(), "cannot rename " + clash.path.string());
  TRY_DO(note(request, io, fmt::format("{} is now {}", clash.path.string(), saved.string())));
  if (clash.path.string().ends_with(kRefreshed))
    TRY_DO(note(request, io,
                "nvidia-cdi-refresh writes it again: systemctl disable --now "
                "nvidia-cdi-refresh.path nvidia-cdi-refresh.service"));
  return {};
}

Result<void> write_all(const CdiGenerateRequest& request, Io& io,
                       const std::vector<cdi::Generated>& all) {
  TRY(const std::vector<Output> outputs, outputs_of(request, all));
  std::vector<Clash> clashes;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::vector<Clash> found = clashes_of(request, io, outputs[i], all[i].spec);
    if (!found.empty() && !request.replace) return refuse(found.front());
    clashes.insert(clashes.end(), found.begin(), found.end());
  }
  // Ours first: what fails on the way leaves theirs. One that ours takes the name of is
  // overwritten.
  for (std::size_t i = 0; i < all.size(); ++i)
    TRY_DO(cdi::write_spec(all[i].spec, outputs[i].path, outputs[i].format));
  for (const Clash& clash : clashes) {
    const bool overwritten = std::ranges::any_of(
        outputs, [&](const Output& output) { return same_file(output.path, clash.path); });
    if (!overwritten) TRY_DO(set_aside(request, io, clash));
  }
  return {};
}

Result<int> run_cdi_generate(const CdiGenerateRequest& request, Io& io) {
  TRY(const std::vector<cdi::Generated> all, generate_all(request, io));
  if (!request.output.empty()) {
    TRY_DO(write_all(request, io, all));
  } else {
    if (all.size() > 1)
      return fail(Code::kUsage,
                  "there are GPUs of two vendors, and one specification has "
                  "one kind")
          .hint("-o DIR/ writes a file for each; --mode nvidia or --mode amd takes one");
    TRY_DO(io.out.exact(cdi::spec_text(all.front().spec, request.stated_format())));
  }
  for (const cdi::Generated& one : all)
    for (const std::string& text : one.notices) TRY_DO(note(request, io, text));
  return 0;
}

}  // namespace

const Command& cdi_generate_action() {
  static const Command kAction{.name = "generate",
                               .summary = "write the specification of this machine's GPUs",
                               .help = kCdiGenerateHelp,
                               .call = [] { return call_of(run_cdi_generate); }};
  return kAction;
}

}  // namespace flense::cli
