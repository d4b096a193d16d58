#include "cli/cdi/machine.h"

#include <array>

#include "cli/shared/places.h"
#include "cli/shared/suggest.h"
#include "host/driver_query.h"

namespace flense::cli {

namespace {

constexpr std::array<std::string_view, 11> kModes = {"auto",       "nvidia",   "wsl",  "jetson",
                                                     "management", "amd",      "rdma", "gdrcopy",
                                                     "gds",        "nvswitch", "imex"};
constexpr std::array<std::string_view, 7> kCapabilities = {
    "compute", "utility", "video", "graphics", "display", "ngx", "compat32"};
constexpr std::array<std::string_view, 2> kHooks = {"all", "compat"};

/// Words between commas, of all times that the option was given.
std::vector<std::string> split_option(const ParsedArgs& args, std::string_view option) {
  std::vector<std::string> out;
  for (const std::string& value : args.values(option)) {
    std::string_view rest = value;
    while (true) {
      const std::size_t comma = rest.find(',');
      out.emplace_back(rest.substr(0, comma));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return out;
}

Result<std::set<cdi::Capability>> capabilities_of(const ParsedArgs& args) {
  std::set<cdi::Capability> out;
  for (const std::string& word : split_option(args, "--capabilities")) {
    if (word == "all") {
      // As NVIDIA_DRIVER_CAPABILITIES means it: 32-bit libraries are asked for by name.
      for (const std::string_view name : kCapabilities)
        if (name != "compat32") out.insert(*cdi::capability_of(name));
      continue;
    }
    const auto capability = cdi::capability_of(word);
    if (!capability) {
      const std::string near = nearest(word, kCapabilities);
      return fail(Code::kUsage, "'{}' is no capability", word)
          .hint(near.empty() ? fmt::format("all, {}", fmt::join(kCapabilities, ", "))
                             : fmt::format("did you mean {}?", near));
    }
    out.insert(*capability);
  }
  return out;
}

Result<std::string> absolute(const ParsedArgs& args, std::string_view option) {
  const std::string value = args.value(option);
  if (!value.empty() && value.front() != '/')
    return fail(Code::kUsage, "{} takes a path from the root, not '{}'", option, value);
  return value;
}

}  // namespace

std::span<const OptionSpec> machine_options() {
  static const std::array kOptions = {
      OptionSpec{"--mode", "", "MODE", "auto (default), or as below", false, kModes},
      OptionSpec{"--capabilities", "", "LIST",
                 "what of the driver (default compute,utility); all, or as below", true},
      OptionSpec{"--with", "", "LIST", "also rdma, gdrcopy, gds, nvswitch, imex or imex:CHANNEL",
                 true},
      OptionSpec{"--driver-root",
                 "",
                 "DIR",
                 "the driver lies below this directory of the host",
                 false,
                 {},
                 Completion::kDirectory},
      OptionSpec{"--dev-root",
                 "",
                 "DIR",
                 "its device nodes lie in dev of this one",
                 false,
                 {},
                 Completion::kDirectory},
      OptionSpec{"--library-search-path", "", "DIR",
                 "of the driver's root: look for libraries here first", true},
      OptionSpec{"--vendor", "", "NAME", "of the kind, instead of the mode's"},
      OptionSpec{"--class", "", "NAME", "of the kind, instead of the mode's"},
      OptionSpec{"--library-dir", "", "DIR", "of the container: libraries go here", true},
      OptionSpec{"--hooks", "", "", "add hooks of nvidia-cdi-hook; --hooks=compat only for compat",
                 false, kHooks},
      OptionSpec{"--hook-path", "", "FILE", "nvidia-cdi-hook or nvidia-ctk (default: found)"},
      OptionSpec{"--allow-missing", "", "", "leave out what is missing, with a note"},
      OptionSpec{"--groups", "", "", "write the groups of device nodes (CDI 0.7.0)"},
      OptionSpec{"--annotate", "", "", "write the driver's version (CDI 0.6.0)"},
      OptionSpec{"--ask-driver", "", "", "also run nvidia-smi: UUIDs of MIG instances"},
      kRootOption,
      kProcOption,
      kSysOption,
      kDevOption};
  return kOptions;
}

Result<cdi::GenerateOptions> generate_options_of(const ParsedArgs& args, const Io& io) {
  cdi::GenerateOptions out;
  out.mode = cdi::mode_of(args.value("--mode", "auto")).value_or(cdi::Mode::kAuto);
  out.vendor = args.value("--vendor");
  out.device_class = args.value("--class");
  if (const std::string why = cdi::complaint_about_vendor(out.vendor);
      args.has("--vendor") && !why.empty())
    return fail(Code::kUsage, "--vendor '{}' {}", out.vendor, why);
  if (const std::string why = cdi::complaint_about_class(out.device_class);
      args.has("--class") && !why.empty())
    return fail(Code::kUsage, "--class '{}' {}", out.device_class, why);
  if (args.has("--capabilities")) {
    TRY(out.capabilities, capabilities_of(args));
  }
  for (std::string& word : split_option(args, "--with")) out.with.insert(std::move(word));
  TRY(out.driver_root, absolute(args, "--driver-root"));
  TRY(out.dev_root, absolute(args, "--dev-root"));
  out.library_search = args.values("--library-search-path");
  for (const std::string& directory : out.library_search)
    if (directory.front() != '/')
      return fail(Code::kUsage, "--library-search-path takes a path from the root, not '{}'",
                  directory);
  for (const std::string& directory : args.values("--library-dir")) {
    if (directory.front() != '/' || (directory + "/").find("/../") != std::string::npos)
      return fail(Code::kUsage, "--library-dir takes a path from the container's root, not '{}'",
                  directory);
    out.library_dirs.push_back(directory);
    while (out.library_dirs.back().size() > 1 && out.library_dirs.back().ends_with('/'))
      out.library_dirs.back().pop_back();
  }
  out.compat_hook = args.has("--hooks") && args.value("--hooks") == "compat";
  out.all_hooks = args.has("--hooks") && !out.compat_hook;
  TRY(out.hook_program, absolute(args, "--hook-path"));
  out.allow_missing = args.has("--allow-missing");
  out.groups = args.has("--groups");
  out.annotate = args.has("--annotate");
  out.mps_pipe_directory = io.variable("CUDA_MPS_PIPE_DIRECTORY");
  out.mps_log_directory = io.variable("CUDA_MPS_LOG_DIRECTORY");
  if (!args.has("--ask-driver")) return out;
  if (names_places(args))
    return fail(Code::kUsage,
                "--ask-driver asks the driver that runs here, and --root names another machine");
  TRY(out.mig, host::ask_mig());
  return out;
}

}  // namespace flense::cli
