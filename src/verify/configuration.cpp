#include "verify/configuration.h"

#include <algorithm>

namespace flense::verify {

namespace {

using text::Json;

constexpr std::string_view kOwnLabels = "dev.flense.";

Json without(Json object, std::initializer_list<const char*> names) {
  for (const char* name : names) object.erase(name);
  return object;
}

/// Labels that slim does not write.
Json others_labels(const Json& labels) {
  Json out = Json::object();
  for (const auto& [name, value] : labels.members())
    if (!name.starts_with(kOwnLabels)) out.set(name, value);
  return out;
}

class ConfigurationComparison {
 public:
  explicit ConfigurationComparison(Findings& findings) : findings_(findings) {}

  /// Member by member, in any order.
  void members(const std::string& place, const Json& was, const Json& is) {
    for (const auto& [name, value] : was.members()) equal(place + name, value, is[name]);
    for (const auto& [name, value] : is.members())
      if (was.find(name) == nullptr && !value.is_null()) equal(place + name, Json(), value);
  }
  void equal(const std::string& place, const Json& was, const Json& is) {
    if (was == is) return;
    if (was.is_object() && is.is_object()) return members(place + ".", was, is);
    findings_.differ({"", "configuration", place, text::dump_json(was), text::dump_json(is)});
  }

 private:
  Findings& findings_;
};

/// Where layers are others, so is the list, but it tells nothing new.
void known_history(const Json& before, const Json& after, Findings& findings) {
  for (const Json& one : after.items()) {
    const std::string_view text = one["created_by"].text();
    const bool known = std::ranges::any_of(
        before.items(), [&](const Json& was) { return was["created_by"].text() == text; });
    if (!known && !text.empty() && !text.starts_with("flense slim"))
      findings.differ({"", "configuration", "history", "what was there", std::string(text)});
  }
}

}  // namespace

void compare_configuration(const image::Image& before, const image::Image& after,
                           const CodeRule& rule, bool layers_kept, Findings& findings) {
  for (const std::string& one : after.contradictions)
    if (std::ranges::find(before.contradictions, one) == before.contradictions.end())
      findings.differ({"", "documents", "", "the same of one thing", one});
  if (before.config.is_null() || after.config.is_null()) return;
  ConfigurationComparison compare(findings);
  const auto outer = [&](const Json& config) {
    Json out = without(config, {"config", "rootfs"});
    out.set("rootfs", without(config["rootfs"], {"diff_ids"}));
    if (!layers_kept) out.erase("history");
    return out;
  };
  compare.members("", outer(before.config), outer(after.config));
  if (!layers_kept) known_history(before.config["history"], after.config["history"], findings);
  compare.members("config.", without(before.config["config"], {"Labels"}),
                  without(after.config["config"], {"Labels"}));
  compare.members("config.Labels.", others_labels(before.config["config"]["Labels"]),
                  others_labels(after.config["config"]["Labels"]));
  // Forms without a manifest of their own carry none.
  if (before.manifest_annotations.is_object() && !after.manifest_digest.empty())
    compare.equal("annotations", others_labels(before.manifest_annotations),
                  others_labels(after.manifest_annotations));
  // What the labels promise has to be what was asked about.
  const Statement said = statement_of(after);
  for (const device::CudaArch gpu : rule.targets.cuda)
    if (!said.gpus.empty() &&
        std::ranges::find(said.gpus, device::to_string(gpu)) == said.gpus.end())
      findings.differ({"", "configuration", "config.Labels.dev.flense.targets",
                       device::to_string(gpu), "not named"});
  const std::string_view input = after.config["config"]["Labels"]["dev.flense.input-digest"].text();
  const std::string& digest =
      before.manifest_digest.empty() ? before.config_digest : before.manifest_digest;
  // What was slim already and stays as it is keeps its labels.
  const bool earlier = input == before.config["config"]["Labels"]["dev.flense.input-digest"].text();
  if (!input.empty() && !earlier && input != digest && input != before.config_digest)
    findings.unknown(
        "", fmt::format("the labels say that it was made from {}, not from {}", input, digest));
  const std::string was = before.platform.text(), is = after.platform.text();
  if (was != is) findings.differ({"", "platform", "", was, is});
}

Statement statement_of(const image::Image& image) {
  Statement out;
  const Json& labels = image.config["config"]["Labels"];
  std::string_view rest = labels["dev.flense.targets"].text();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    if (end > 0) out.gpus.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  out.level = level_named(labels["dev.flense.level"].text());
  out.recompressed = !labels["dev.flense.recompressed-code"].text().empty();
  return out;
}

std::string environment_value(const image::Image& image, std::string_view name) {
  std::string out;
  for (const Json& one : image.config["config"]["Env"].items()) {
    const std::string_view text = one.text();
    if (text.starts_with(name) && text.substr(name.size()).starts_with('='))
      out = text.substr(name.size() + 1);
  }
  return out;
}

}  // namespace flense::verify
