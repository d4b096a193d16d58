// Kernel, distribution, libc, processor, and what the kernel lets containers do.
#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/numbers.h"
#include "base/path.h"
#include "host/probe.h"
#include "host/probe_support.h"

namespace flense::host {

namespace {

constexpr std::uint64_t kCpuInfoLimit = 8u << 20;  // 512 processors with all their flags
constexpr std::uint64_t kModulesLimit = 8u << 20;

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty() && out.size() < 1024) {
    const std::size_t end = text.find(' ');
    if (std::string word = clean(text.substr(0, end)); !word.empty())
      out.push_back(std::move(word));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

void probe_cpu(const Tree& proc, System& out) {
  const Result<std::string> text = proc.read("cpuinfo", kCpuInfoLimit);
  const std::string label = proc.label("cpuinfo");
  if (!text) {
    const std::string& reason = text.error().message;
    out.cpu_model = out.cpu_level = Text::unknown(reason);
    out.cpu_flags = List::unknown(reason);
    out.cpus = Number::unknown(reason);
    return;
  }
  std::uint64_t count = 0;
  for (const auto& [name, value] : colon_pairs(*text)) count += name == "processor" ? 1U : 0U;
  out.cpus = count > 0 ? Number::known(count, label) : Number::unknown(label + " names none");
  // Pairs of the first processor only; the others repeat them.
  const Pairs first = colon_pairs(std::string_view(*text).substr(0, text->find("\n\n")));
  const std::string model = clean(value_of(first, "model name"));
  out.cpu_model =
      model.empty() ? Text::unknown(label + " has no model name") : Text::known(model, label);
  const std::string_view x86 = value_of(first, "flags"), arm = value_of(first, "Features");
  const std::vector<std::string> flags = words(x86.empty() ? arm : x86);
  out.cpu_flags =
      flags.empty() ? List::unknown(label + " lists no flags") : List::known(flags, label);
  const auto level = cpu_level(flags);
  out.cpu_level = level ? Text::known(*level, label + ", flags")
                        : Text::unknown(arm.empty() ? label + " lists no x86-64 flags"
                                                    : std::string("not an x86-64 processor"));
  if (out.architecture.value) return;
  if (std::find(flags.begin(), flags.end(), "lm") != flags.end())
    out.architecture = Text::known("x86_64", label + ", flag lm");
  else if (!value_of(first, "CPU implementer").empty())
    out.architecture = Text::known("aarch64", label + ", CPU implementer");
}

Text kernel_release(const Tree& proc) {
  return text_fact(proc, "sys/kernel/osrelease");
}

void probe_distribution(const Tree& root, System& out) {
  const std::string path = root.exists("etc/os-release") ? "etc/os-release" : "usr/lib/os-release";
  const Result<std::string> text = root.read(path);
  const auto fact = [&](std::string_view key) {
    if (!text) return Text::unknown(text.error().message);
    const std::string value(value_of(assignments(*text), key));
    return value.empty() ? Text::unknown(fmt::format("no {} in {}", key, root.label(path)))
                         : Text::known(value, root.label(path));
  };
  out.distribution = fact("PRETTY_NAME");
  out.distribution_id = fact("ID");
  out.distribution_version = fact("VERSION_ID");
}

void probe_libc(const Tree& root, System& out) {
  constexpr std::array<std::string_view, 6> kGlibc = {"lib/x86_64-linux-gnu/libc.so.6",
                                                      "usr/lib/x86_64-linux-gnu/libc.so.6",
                                                      "lib/aarch64-linux-gnu/libc.so.6",
                                                      "usr/lib/aarch64-linux-gnu/libc.so.6",
                                                      "lib64/libc.so.6",
                                                      "usr/lib64/libc.so.6"};
  for (const std::string_view path : kGlibc) {
    const auto real = root.resolve(path);
    if (!real) continue;
    out.libc = Text::known("glibc", root.label(path));
    const Result<MappedFile> file = root.map(path);
    const std::string version = file ? glibc_version(as_text(file->bytes())) : std::string();
    out.libc_version = version.empty() ? Text::unknown(root.label(path) + " does not say")
                                       : Text::known(version, root.label(*real));
    return;
  }
  for (const std::string_view path :
       {"lib/ld-musl-x86_64.so.1", "lib/ld-musl-aarch64.so.1", "usr/lib/ld-musl-x86_64.so.1"}) {
    if (!root.exists(path)) continue;
    out.libc = Text::known("musl", root.label(path));
    const Result<std::string> apk = root.read("lib/apk/db/installed", kModulesLimit);
    const auto version = apk ? apk_version(*apk, "musl") : std::nullopt;
    out.libc_version = version ? Text::known(*version, root.label("lib/apk/db/installed"))
                               : Text::unknown("musl's loader does not say its version");
    return;
  }
  out.libc = out.libc_version = Text::unknown("neither glibc nor musl in the library directories");
}

void add_platform(const Machine& machine, System& out) {
  const std::string kernel = out.kernel.value.value_or("");
  const bool named = kernel.find("WSL2") != std::string::npos ||
                     kernel.find("microsoft-standard") != std::string::npos;
  if (named)
    out.wsl2 = Flag::known(true, out.kernel.evidence);
  else if (machine.dev.exists("dxg"))
    out.wsl2 = Flag::known(true, machine.dev.label("dxg"));
  else if (out.kernel.value)
    out.wsl2 = Flag::known(false, out.kernel.evidence);
  else
    out.wsl2 = Flag::unknown(out.kernel.evidence);

  out.jetson = parsed_fact<std::string>(machine.root, "etc/nv_tegra_release", parse_tegra_release);
  out.board = text_fact(machine.proc, "device-tree/model");

  const Tree& root = machine.root;
  out.in_container = Flag::known(false, "no /.dockerenv, no /run/.containerenv");
  for (const std::string_view mark : {".dockerenv", "run/.containerenv"})
    if (root.exists(mark)) out.in_container = Flag::known(true, root.label(mark));
}

Flag filesystem(const Machine& machine, const System& system, std::string_view name) {
  const Result<std::string> text = machine.proc.read("filesystems");
  if (!text) return Flag::unknown(text.error().message);
  const std::string label = machine.proc.label("filesystems");
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (clean(line.substr(std::min(line.size(), line.find('\t')))) == name)
      return Flag::known(true, label);
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  // A module that is not loaded may still be loadable.
  if (system.kernel.value) {
    const std::string modules = "lib/modules/" + *system.kernel.value + "/modules.dep";
    const Result<std::string> known = machine.root.read(modules, kModulesLimit);
    if (known && known->find(fmt::format("/{}.ko", name)) != std::string::npos)
      return Flag::known(true, machine.root.label(modules) + ", not loaded");
    if (known) return Flag::known(false, label + " and modules.dep");
  }
  return Flag::unknown(label + " lists only what is loaded");
}

}  // namespace

Flag module_fact(const Machine& machine, std::string_view name) {
  const std::string folder = fmt::format("module/{}", name);
  if (machine.sys.exists(folder)) return Flag::known(true, machine.sys.label(folder));
  const Result<std::string> loaded = machine.proc.read("modules", kModulesLimit);
  const std::string label = machine.proc.label("modules");
  if (loaded && ("\n" + *loaded).contains(fmt::format("\n{} ", name)))
    return Flag::known(true, label);
  const Text kernel = kernel_release(machine.proc);
  if (!loaded || !kernel.value)
    return Flag::unknown(loaded ? kernel.evidence : loaded.error().message);
  const std::string index = "lib/modules/" + *kernel.value + "/modules.dep";
  const Result<std::string> built = machine.root.read(index, kModulesLimit);
  if (built && built->contains(fmt::format("/{}.ko", name)))
    return Flag::unknown(machine.root.label(index) + ": not loaded");
  return Flag::known(false, built ? label + " and " + machine.root.label(index) : label);
}

System probe_platform(const Machine& machine) {
  System out;
  out.kernel = kernel_release(machine.proc);
  add_platform(machine, out);
  return out;
}

System probe_system(const Machine& machine) {
  System out;
  out.kernel = kernel_release(machine.proc);
  out.architecture = text_fact(machine.proc, "sys/kernel/arch");
  probe_cpu(machine.proc, out);
  probe_distribution(machine.root, out);
  probe_libc(machine.root, out);
  add_platform(machine, out);
  out.memory_bytes = parsed_fact<std::uint64_t>(
      machine.proc, "meminfo", [](std::string_view text) -> std::optional<std::uint64_t> {
        const Pairs pairs = colon_pairs(text);
        const std::string_view total = value_of(pairs, "MemTotal");
        const auto kib = parse_number(total.substr(0, total.find(' ')));
        return kib && *kib < (1ull << 50) ? std::optional(*kib << 10) : std::nullopt;
      });
  return out;
}

Isolation probe_isolation(const Machine& machine, const System& system) {
  Isolation out;
  const Tree& sys = machine.sys;
  constexpr std::string_view kGroups = "fs/cgroup";
  if (const std::string v2 = "fs/cgroup/cgroup.controllers"; sys.exists(v2))
    out.cgroups = Text::known("v2", sys.label(v2));
  else if (const std::string both = "fs/cgroup/unified/cgroup.controllers"; sys.exists(both))
    out.cgroups = Text::known("hybrid", sys.label(both));
  else if (const std::string v1 = "fs/cgroup/memory"; sys.exists(v1))
    out.cgroups = Text::known("v1", sys.label(v1));
  else
    out.cgroups = Text::unknown("nothing is mounted on " + sys.label(kGroups));

  // Each of the three switches alone disables them for ordinary users.
  const Tree& proc = machine.proc;
  const Number most = number_fact(proc, "sys/user/max_user_namespaces");
  const Number debian = number_fact(proc, "sys/kernel/unprivileged_userns_clone");
  const Number ubuntu = number_fact(proc, "sys/kernel/apparmor_restrict_unprivileged_userns");
  if (!most.value)
    out.user_namespaces = Flag::unknown(most.evidence);
  else if (*most.value == 0)
    out.user_namespaces = Flag::known(false, most.evidence);
  else if (debian.value == 0u)
    out.user_namespaces = Flag::known(false, debian.evidence);
  else if (ubuntu.value.value_or(0) != 0)
    out.user_namespaces = Flag::known(false, ubuntu.evidence);
  else
    out.user_namespaces = Flag::known(true, most.evidence);

  out.overlay = filesystem(machine, system, "overlay");
  out.fuse = machine.dev.exists("fuse") ? filesystem(machine, system, "fuse")
                                        : Flag::known(false, "no " + machine.dev.label("fuse"));
  return out;
}

}  // namespace flense::host
