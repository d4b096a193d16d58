#include "cli/cdi/machine.h"

#include <array>
#include <ranges>

#include "cli/cdi/cdi.h"
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
std::vector<std::string> split_words(const std::vector<std::string>& lists) {
  std::vector<std::string> out;
  for (const std::string_view list : lists)
    for (const auto word : std::views::split(list, ',')) out.emplace_back(word.begin(), word.end());
  return out;
}

Result<std::set<cdi::Capability>> capabilities_of(const std::vector<std::string>& lists) {
  std::set<cdi::Capability> out;
  for (const std::string& word : split_words(lists)) {
    if (word == "all") {
      // As NVIDIA_DRIVER_CAPABILITIES means it: 32-bit libraries are asked for by name.
      for (const std::string_view name : kCapabilities)
        if (name != "compat32") out.insert(*cdi::capability_of(name));
      continue;
    }
    const auto capability = cdi::capability_of(word);
    if (!capability) {
      const std::string near = nearest(word, kCapabilities);
      return fail(Code::kUsage, "'{}' is not a capability", word)
          .hint(near.empty() ? fmt::format("all, {}", fmt::join(kCapabilities, ", "))
                             : fmt::format("did you mean {}?", near));
    }
    out.insert(*capability);
  }
  return out;
}

Result<std::string> absolute(const std::string& word, std::string_view option) {
  if (word.starts_with('/')) return word;
  return fail(Code::kUsage, "{} takes a path from the root, not '{}'", option, word);
}

Result<std::string> in_container(std::string word, std::string_view option) {
  if (!word.starts_with('/') || (word + "/").find("/../") != std::string::npos)
    return fail(Code::kUsage, "{} takes a path from the container's root, not '{}'", option, word);
  while (word.size() > 1 && word.ends_with('/')) word.pop_back();
  return word;
}

Result<std::string> class_named(const std::string& word, std::string_view option) {
  const std::string why = cdi::complaint_about_class(word);
  return why.empty() ? Result<std::string>(word)
                     : fail(Code::kUsage, "{} '{}' {}", option, word, why);
}

void declare(Options& options, MachineOptions& machine, bool is_new) {
  options
      .add("--mode", "MODE", "auto (default), or as below", machine.mode,
           [](const std::string& word) {
             return Result<cdi::Mode>(cdi::mode_of(word).value_or(cdi::Mode::kAuto));
           })
      .one_of(kModes);
  options.add("--capabilities", "LIST",
              "what of the driver (default compute,utility); all, or as below",
              machine.capabilities, capabilities_of);
  options.add("--with", "LIST", "also rdma, gdrcopy, gds, nvswitch, imex or imex:CHANNEL",
              machine.with, [](const std::vector<std::string>& lists) {
                const std::vector<std::string> words = split_words(lists);
                return Result<std::set<std::string>>({words.begin(), words.end()});
              });
  options
      .add("--driver-root", "DIR", "the driver lies below this directory of the host",
           machine.driver_root, absolute)
      .directory();
  options
      .add("--dev-root", "DIR", "its device nodes lie in dev of this one", machine.dev_root,
           absolute)
      .directory();
  options.add("--library-search-path", "DIR", "of the driver's root: look for libraries here first",
              machine.library_search, absolute);
  if (is_new) {
    options.add("--vendor", "NAME", "of the kind, instead of the mode's", machine.vendor,
                vendor_named);
    options.add("--class", "NAME", "of the kind, instead of the mode's", machine.device_class,
                class_named);
  }
  options.add("--library-dir", "DIR", "of the container: libraries go here", machine.library_dirs,
              in_container);
  options
      .add("--hooks", "", "add hooks of nvidia-cdi-hook; --hooks=compat only for compat",
           machine.hooks)
      .one_of(kHooks);
  options.add("--hook-path", "FILE", "nvidia-cdi-hook or nvidia-ctk (default: found)",
              machine.hook_path, absolute);
  if (is_new)
    options.flag("--allow-missing", "leave out what is missing, with a note",
                 machine.allow_missing);
  options.flag("--groups", "write the groups of device nodes (CDI 0.7.0)", machine.groups);
  if (is_new)
    options.flag("--annotate", "write the driver's version (CDI 0.6.0)", machine.annotate);
  options.flag("--ask-driver", "also run nvidia-smi: UUIDs of MIG instances", machine.ask_driver);
  declare(options, machine.places);
}

}  // namespace

void declare(Options& options, MachineOptions& machine) {
  declare(options, machine, false);
}

void declare_new(Options& options, MachineOptions& machine) {
  declare(options, machine, true);
}

Result<cdi::GenerateOptions> generate_options(const MachineOptions& asked, cdi::GenerateOptions out,
                                              const Io& io) {
  const auto take = [](auto& to, const auto& from) {
    if (!from.empty()) to = from;
  };
  out.mode = asked.mode.value_or(out.mode);
  out.capabilities = asked.capabilities.value_or(out.capabilities);
  take(out.with, asked.with);
  take(out.driver_root, asked.driver_root);
  take(out.dev_root, asked.dev_root);
  take(out.vendor, asked.vendor);
  take(out.device_class, asked.device_class);
  take(out.hook_program, asked.hook_path);
  take(out.library_search, asked.library_search);
  take(out.library_dirs, asked.library_dirs);
  if (asked.hooks) {
    out.compat_hook = *asked.hooks == "compat";
    out.all_hooks = !out.compat_hook;
  }
  out.allow_missing |= asked.allow_missing;
  out.groups |= asked.groups;
  out.annotate |= asked.annotate;
  out.mps_pipe_directory = io.variable("CUDA_MPS_PIPE_DIRECTORY");
  out.mps_log_directory = io.variable("CUDA_MPS_LOG_DIRECTORY");
  if (!asked.ask_driver) return out;
  if (!asked.places.first_named().empty())
    return fail(Code::kUsage,
                "--ask-driver asks the driver that runs here, and --root names another machine");
  TRY(out.mig, host::ask_mig());
  return out;
}

}  // namespace flense::cli
