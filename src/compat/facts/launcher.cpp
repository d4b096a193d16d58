#include "compat/facts/launcher.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/format.h"
#include "base/version_numbers.h"
#include "knowledge/spelling.h"

namespace flense::compat {

namespace {

using Compat = LauncherTraits::Compat;

struct Row {
  Launcher launcher;
  std::string_view word;
  Compat compat;
  bool requirements, capabilities, visible_devices;
  std::string_view source;
};

/// In the order of the enumeration.
constexpr auto kTable = std::to_array<Row>({
    {Launcher::kNone, "none", Compat::kNo, false, false, false,
     "no launcher: the host's own loader decides"},
    {Launcher::kDocker, "docker", Compat::kHook, true, true, true,
     "nvidia-container-toolkit: the legacy hook calls nvidia-container-cli, which evaluates "
     "NVIDIA_REQUIRE_* and selects libraries by capability"},
    {Launcher::kDockerCdi, "docker-cdi", Compat::kHook, false, false, false,
     "nvidia-container-toolkit: CDI specifications inject everything and evaluate no "
     "requirement; the enable-cuda-compat hook since 1.17.5"},
    {Launcher::kPodman, "podman", Compat::kHook, false, false, false,
     "podman applies CDI specifications, which inject everything and evaluate no requirement; "
     "the enable-cuda-compat hook since 1.17.5"},
    {Launcher::kKubernetes, "kubernetes", Compat::kHook, false, false, false,
     "nvidia-container-toolkit: its default mode is CDI since 1.18; the device plugin names the "
     "devices"},
    {Launcher::kApptainer, "apptainer", Compat::kNo, false, false, false,
     "apptainer --nv binds a list of the host's libraries and looks at no variable of the "
     "image"},
    {Launcher::kEnroot, "enroot", Compat::kHook, true, true, true,
     "enroot's hook 98-nvidia.sh calls nvidia-container-cli when NVIDIA_VISIBLE_DEVICES is "
     "set"},
    {Launcher::kFlense, "flense", Compat::kAutomatic, false, false, false,
     "flense run uses the image's compat libraries where they help"},
});

const host::Engine* engine(const host::Profile& host, std::string_view name) {
  const auto at = std::ranges::find(host.engines, name, &host::Engine::name);
  return at == host.engines.end() ? nullptr : &*at;
}

std::string named(const host::Engine& engine) {
  return engine.version.value ? fmt::format("{} {}", engine.name, *engine.version.value)
                              : engine.name;
}

/// The toolkit's own default is CDI from this version on.
constexpr std::string_view kCdiDefault = "1.18";

ChosenLauncher docker_launcher(const host::Profile& host, const host::Engine& docker) {
  if (!docker.cdi.value.value_or(false))
    return {Launcher::kDocker, fmt::format("{} is installed, and CDI is {}", named(docker),
                                           docker.cdi.value ? "off" : "not known to be on")};
  if (host.cdi_specs.value && !host.cdi_specs.value->empty())
    return {Launcher::kDockerCdi, fmt::format("{} is installed, CDI is on and {} is there",
                                              named(docker), host.cdi_specs.value->front())};
  if (const auto& toolkit = host.nvidia.toolkit_version.value;
      toolkit && version_at_least(*toolkit, kCdiDefault))
    return {Launcher::kDockerCdi,
            fmt::format("{} is installed, and container toolkit {} uses CDI by default",
                        named(docker), *toolkit)};
  return {Launcher::kDocker,
          fmt::format("{} is installed, and there is no CDI specification", named(docker))};
}

}  // namespace

std::string_view to_string(Launcher launcher) {
  for (const Row& row : kTable)
    if (row.launcher == launcher) return row.word;
  return "none";
}

std::vector<std::string_view> launcher_words() {
  std::vector<std::string_view> out;
  for (const Row& row : kTable) out.push_back(row.word);
  return out;
}

Result<Launcher> parse_launcher(std::string_view word) {
  for (const Row& row : kTable)
    if (row.word == word) return row.launcher;
  const std::string words = fmt::format("{}", fmt::join(launcher_words(), ", "));
  return fail(Code::kUsage, "'{}' is not a launcher that flense knows", word.substr(0, 60))
      .hint("one of " + words);
}

LauncherTraits traits(Launcher launcher) {
  const auto found = std::ranges::find(kTable, launcher, &Row::launcher);
  const Row& row = found == kTable.end() ? kTable.front() : *found;
  return {row.compat, row.requirements, row.capabilities, row.visible_devices,
          std::string(row.source)};
}

LauncherTraits traits_on(Launcher launcher, const host::Profile& host) {
  LauncherTraits out = traits(launcher);
  const auto& toolkit = host.nvidia.toolkit_version.value;
  if (launcher == Launcher::kKubernetes && toolkit && !version_at_least(*toolkit, kCdiDefault)) {
    out.evaluates_requirements = out.honours_capabilities = true;
    out.source = fmt::format(
        "nvidia-container-toolkit {}: the default mode before 1.18 is the legacy hook", *toolkit);
  }
  return out;
}

ChosenLauncher likely_launcher(const host::Profile& host) {
  if (const host::Engine* docker = engine(host, "docker")) return docker_launcher(host, *docker);
  constexpr std::array<std::pair<std::string_view, Launcher>, 5> kOrder = {{
      {"cri-o", Launcher::kKubernetes},
      {"containerd", Launcher::kKubernetes},
      {"podman", Launcher::kPodman},
      {"apptainer", Launcher::kApptainer},
      {"enroot", Launcher::kEnroot},
  }};
  for (const auto& [name, launcher] : kOrder)
    if (const host::Engine* found = engine(host, name))
      return {launcher, fmt::format("{} is installed", named(*found))};
  return {Launcher::kDocker, "no container engine is known, so docker is assumed", true};
}

}  // namespace flense::compat
