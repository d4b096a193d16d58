#include "slim/plan.h"

#include <algorithm>

#include "base/version.h"

namespace flense::slim {

std::string_view to_string(Action action) {
  switch (action) {
    case Action::kDrop:
      return "drop";
    case Action::kRewrite:
      return "rewrite";
    case Action::kRename:
      return "rename";
    case Action::kMoved:
      return "moved";
    case Action::kRetarget:
      return "retarget";
  }
  return "drop";
}

std::uint64_t Plan::bytes_given_back() const {
  std::uint64_t total = 0;
  for (const PassTotal& pass : passes) total += pass.bytes;
  return total;
}

bool Plan::empty() const {
  return std::ranges::all_of(layers, [](const LayerPlan& layer) { return layer.edits.empty(); });
}

text::Json to_json(const Plan& plan) {
  using text::Json;
  Json out = Json::object();
  out.set("schema", "flense/plan/v1");
  out.set("flense_version", kVersion);
  out.set("input", plan.input);
  out.set("input_digest", plan.input_digest);
  out.set("targets", plan.targets);
  out.set("level", plan.level);
  out.set("bytes_given_back", plan.bytes_given_back());
  Json passes = Json::array();
  for (const PassTotal& pass : plan.passes) {
    passes.push(Json::object()
                    .set("pass", pass.pass)
                    .set("description", pass.description)
                    .set("files", pass.files)
                    .set("bytes", pass.bytes)
                    .set("breaks_sharing", pass.breaks_sharing));
  }
  out.set("passes", std::move(passes));
  Json layers = Json::array();
  for (const LayerPlan& layer : plan.layers) {
    Json edits = Json::array();
    for (const auto& [position, edit] : layer.edits) {
      Json one = Json::object();
      one.set("position", position)
          .set("action", to_string(edit.action))
          .set("pass", edit.pass)
          .set("path", edit.path);
      if (!edit.new_path.empty()) one.set("new_path", edit.new_path);
      one.set("bytes_before", edit.bytes_before).set("bytes_after", edit.bytes_after);
      edits.push(std::move(one));
    }
    layers.push(Json::object()
                    .set("digest", layer.digest)
                    .set("bytes_before", layer.bytes_before)
                    .set("edits", std::move(edits)));
  }
  out.set("layers", std::move(layers));
  Json left = Json::array();
  for (const LeftAlone& file : plan.left_alone)
    left.push(Json::object().set("path", file.path).set("bytes", file.bytes).set("why", file.why));
  out.set("left_alone", std::move(left));
  Json bolder = Json::object();
  for (const auto& [rule, bytes] : plan.bolder) bolder.set(rule, bytes);
  out.set("bolder_rules", std::move(bolder));
  Json notices = Json::array();
  for (const std::string& notice : plan.notices) notices.push(notice);
  out.set("notices", std::move(notices));
  return out;
}

}  // namespace flense::slim
