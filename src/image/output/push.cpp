#include "image/output/push.h"

#include "image/model/reference.h"
#include "image/output/documents.h"
#include "image/sources/docker_engine.h"
#include "image/sources/skopeo.h"

namespace flense::image {

bool is_push_target(std::string_view text) {
  const TransportForm* form = transport_form_of(text);
  return form != nullptr && form->is_engine;
}

Result<PushPlan> plan_push(std::string_view text) {
  const Target target = parse_target(text);
  if (!is_push_target(text)) {
    return fail(Code::kUsage, "\"{}\" is no engine or registry", text);
  }
  if (!normalise_reference(target.reference)) {
    return fail(Code::kUsage, "\"{}\" is not an image name", target.reference);
  }
  PushPlan out;
  out.tag = target.reference;
  if (target.transport == Transport::kDockerDaemon) {
    out.form = OutputForm::kDockerArchive;
    out.allows_zstd = false;
  }
  return out;
}

Result<std::string> check_push(std::string_view text, const RegistryLimits& limits) {
  const Target target = parse_target(text);
  if (target.transport == Transport::kDockerDaemon) TRY_DO(docker_address());
  if (target.transport != Transport::kRegistry) return std::string();
  return check_push_by_skopeo(target.reference, limits);
}

Result<void> check_unmoved(std::string_view text, const std::string& before,
                           const std::string& ours, const RegistryLimits& limits) {
  TRY(const std::string now, check_push(text, limits));
  if (now == before || now == ours) return {};
  return fail(Code::kEnvironment, "{} shows {} since this run began, and {} before", text,
              now.empty() ? "nothing" : now, before.empty() ? "nothing" : before)
      .hint("somebody else has pushed there; run it again, or push to another tag");
}

Result<void> push_image(const std::filesystem::path& written, std::string_view text,
                        const RegistryLimits& limits, Progress* progress) {
  const Target target = parse_target(text);
  switch (target.transport) {
    case Transport::kDockerDaemon: {
      TRY(const std::string address, docker_address());
      return with_context(docker_load(address, written), "loading {} into Docker",
                          target.reference);
    }
    case Transport::kRegistry:
      return push_by_skopeo(written, "docker://" + target.reference, limits, progress);
    case Transport::kContainersStorage:
      return push_by_skopeo(written, "containers-storage:" + target.reference, limits, progress);
    default:
      return fail(Code::kUsage, "\"{}\" is no engine or registry", text);
  }
}

Result<void> push_index(const std::filesystem::path& layout, std::string_view text,
                        const std::vector<std::string>& tags, const RegistryLimits& limits,
                        Progress* progress) {
  const std::string name = parse_target(text).reference;
  const std::string_view tag = short_tag(name);
  const std::string repository = tag == name ? name : name.substr(0, name.size() - tag.size() - 1);
  const std::string index(tag == name ? "latest" : tag);
  const std::string to = fmt::format("{}:", repository);
  for (const std::string& one : tags) TRY_DO(push_named(layout, one, to + one, limits, progress));
  return push_by_skopeo(layout, "docker://" + to + index, limits, progress, {index, Entries::kAll});
}

Result<void> push_named(const std::filesystem::path& layout, const std::string& tag,
                        const std::string& reference, const RegistryLimits& limits,
                        Progress* progress) {
  return push_by_skopeo(layout, "docker://" + reference, limits, progress, {tag, Entries::kOne});
}

}  // namespace flense::image
