#include "cli/slim/hanging.h"

#include <map>

#include "cli/shared/registries.h"
#include "compat/requirements.h"
#include "image/model/reference.h"
#include "image/output/attach.h"
#include "image/registry/referrers.h"
#include "report/verdicts/node_rules.h"

namespace flense::cli {

namespace {

// docs of Node Feature Discovery, "Image Compatibility": what its client looks for.
constexpr const char* kCompatibility = "application/vnd.nfd.image-compatibility.v1alpha1";
constexpr const char* kCompatibilityText =
    "application/vnd.nfd.image-compatibility.spec.v1alpha1+yaml";

/// Of a slim image more is known than its files tell: nothing but its targets is served.
compat::Requirements requirements_of(const slim::Slimming& slimming, const std::string& name) {
  compat::Requirements out;
  out.name = name;
  out.platform = host::Text::known(slimming.image().platform.text(), "its configuration");
  const std::string& driver = slimming.driver_floor.driver;
  out.driver_native =
      driver.empty() ? host::Text::unknown("no CUDA runtime of a known version is in the image")
                     : host::Text::known(driver, slimming.driver_floor.tables);
  const device::Targets& targets = slimming.options.cuts.targets;
  for (const device::CudaArch gpu : targets.cuda)
    out.gpus.push_back({"nvidia",
                        fmt::format("{}.{}", gpu.major(), gpu.minor()),
                        std::string(to_string(compat::Service::kNative)),
                        0,
                        {},
                        {}});
  for (const std::string& gpu : targets.amd)
    out.gpus.push_back({"amd", gpu, std::string(to_string(compat::Service::kNative)), 0, {}, {}});
  return out;
}

Result<void> attach_each(const std::string& place, const std::vector<Hanging>& all,
                         const slim::Workplace& workplace, Io& io) {
  TRY(const image::RegistryService service, registry_service({place}, io));
  image::RegistryClient client(service, "pull,push", workplace.progress);
  for (const Hanging& one : all)
    TRY_DO(image::attach(place, one.on, one.artefacts, workplace.scratch_directory,
                         workplace.registry, client, workplace.progress));
  return {};
}

}  // namespace

Result<image::Artefact> compatibility_of(const slim::Slimming& slimming, const std::string& name) {
  TRY(std::string rules, report::nfd_compatibility(requirements_of(slimming, name)));
  return image::Artefact{kCompatibility, kCompatibilityText, "compatibility.yaml",
                         std::move(rules)};
}

Result<std::vector<std::string>> attach_all(const std::string& pushed_to,
                                            const std::vector<Hanging>& all,
                                            const slim::Workplace& workplace, Io& io) {
  std::vector<std::string> notices;
  const image::Target target = image::parse_target(pushed_to);
  const auto name = image::parse_registry_name(target.reference);
  if (target.transport != image::Transport::kRegistry || !name) return notices;
  const auto attached = attach_each(name->place(), all, workplace, io);
  if (attached) return notices;
  if (attached.error().code == Code::kInterrupted) return std::unexpected(attached.error());
  notices.push_back(fmt::format("not everything hangs on the images in {}: {}", name->place(),
                                attached.error().message));
  return notices;
}

Result<std::string> named_on_original(const image::Image& original,
                                      const slim::Workplace& workplace, Io& io) {
  const auto name = image::parse_registry_name(original.pulled_from);
  if (original.pulled_from.empty() || !name) return std::string();
  std::vector<std::string> digests = {name->digest};
  if (original.manifest_digest != name->digest) digests.push_back(original.manifest_digest);
  TRY(const image::RegistryService service, registry_service({}, io));
  image::RegistryClient client(service, "pull", workplace.progress);
  const auto found = image::what_hangs(*name, digests, client);
  if (!found && found.error().code == Code::kInterrupted) return std::unexpected(found.error());
  const std::string failure = found ? found->failure : found.error().message;
  if (!found || found->kinds.empty())
    return failure.empty() ? std::string()
                           : fmt::format(
                                 "whether signatures or SBOMs hang on the original is not "
                                 "known: {}",
                                 failure);
  std::map<std::string, std::size_t> counts;
  for (const std::string& kind : found->kinds) ++counts[kind];
  std::string list;
  for (const auto& [kind, count] : counts)
    list += (list.empty() ? "" : ", ") + kind + (count > 1 ? fmt::format(" ({})", count) : "");
  return fmt::format("on the original hang, and speak of it alone: {}", list);
}

}  // namespace flense::cli
