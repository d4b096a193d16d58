#include "slim/plan/plan.h"

#include <algorithm>

#include "base/checked.h"
#include "base/format.h"
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
    case Action::kLink:
      return "link";
    case Action::kSymlink:
      return "symlink";
    case Action::kPlace:
      return "place";
  }
  return "drop";
}

RewriteShares shares_of(const RewriteMeasure& measure, std::uint64_t saved) {
  RewriteShares out;
  // Where no device code goes, headers and padding that go with the debug sections are theirs.
  out.debug = measure.code ? std::min(saved, measure.debug) : saved;
  out.recompressed = std::min(saved - out.debug, measure.recompressed);
  const std::uint64_t rest = saved - out.debug - out.recompressed;
  if (measure.ptx_entries > 0) out.ptx = share(rest, measure.ptx_entries, measure.dropped_entries);
  out.code = rest - out.ptx;
  return out;
}

std::uint64_t Plan::bytes_given_back() const {
  std::uint64_t total = 0;
  for (const PassTotal& pass : passes) total += pass.bytes;
  return total;
}

bool Plan::empty() const {
  if (compiled && compiled->files > 0) return false;
  return std::ranges::all_of(layers, [](const LayerPlan& layer) { return layer.edits.empty(); });
}

text::Json to_json(const device::Targets& targets) {
  text::Json cuda = text::Json::array(), amd = text::Json::array();
  for (const device::CudaArch& arch : targets.cuda) cuda.push(device::to_string(arch));
  for (const std::string& arch : targets.amd) amd.push(arch);
  return text::Json::object().set("cuda", std::move(cuda)).set("amd", std::move(amd));
}

text::Json passes_json(const std::vector<PassTotal>& passes) {
  text::Json out = text::Json::array();
  for (const PassTotal& pass : passes) {
    out.push(text::Json::object()
                 .set("id", pass.pass.id())
                 .set("reason", pass.pass.text())
                 .set("files", pass.files)
                 .set("bytes", pass.bytes)
                 .set("breaks_sharing", pass.breaks_sharing));
  }
  return out;
}

text::Json left_alone_json(const std::vector<LeftAlone>& files) {
  text::Json out = text::Json::array();
  for (const LeftAlone& file : files)
    out.push(
        text::Json::object().set("path", file.path).set("bytes", file.bytes).set("why", file.why));
  return out;
}

text::Json traces_json(const std::vector<TraceSource>& traces) {
  text::Json out = text::Json::array();
  for (const TraceSource& trace : traces) {
    text::Json one = text::Json::object();
    if (trace.file.empty()) {
      one.set("command", trace.command).set("used", trace.used).set("looked_at", trace.looked);
    } else {
      one.set("file", trace.file).set("paths", trace.used);
    }
    out.push(std::move(one));
  }
  return out;
}

text::Json closure_json(const ClosureRecord& closure) {
  text::Json starts = text::Json::array(), packages = text::Json::array();
  for (const std::string& start : closure.starts) starts.push(start);
  for (const closure::UnreachedPackage& one : closure.packages)
    packages.push(text::Json::object()
                      .set("type", one.type)
                      .set("name", one.name)
                      .set("version", one.version)
                      .set("files", one.files)
                      .set("bytes", one.bytes)
                      .set("whole", one.whole));
  return text::Json::object()
      .set("starts", std::move(starts))
      .set("files", closure.files)
      .set("bytes", closure.bytes)
      .set("packages", std::move(packages));
}

text::Json compiled_json(const CompiledSources& compiled) {
  return text::Json::object()
      .set("files", compiled.files)
      .set("bytes", compiled.bytes)
      .set("current", compiled.current)
      .set("failed", compiled.failed);
}

std::string closure_text(const ClosureRecord& closure) {
  const auto whole = std::ranges::count_if(
      closure.packages, [](const closure::UnreachedPackage& one) { return one.whole; });
  return fmt::format("{} files; {} packages whole, {} in part", grouped(closure.files), whole,
                     closure.packages.size() - static_cast<std::size_t>(whole));
}

namespace {

text::Json edit_json(std::uint64_t position, const Edit& edit) {
  text::Json out = text::Json::object();
  out.set("position", position)
      .set("action", to_string(edit.action))
      .set("pass", edit.pass.id())
      .set("path", edit.path);
  if (!edit.new_path.empty()) out.set("new_path", edit.new_path);
  out.set("bytes_before", edit.bytes_before).set("bytes_after", edit.bytes_after);
  return out;
}

}  // namespace

text::Json to_json(const Plan& plan) {
  using text::Json;
  Json out = Json::object();
  out.set("schema", "flense/plan/v1");
  out.set("flense", kVersion);
  out.set("target", plan.input);
  out.set("digest", plan.input_digest);
  out.set("targets", to_json(plan.targets));
  out.set("level", device::to_string(plan.level));
  out.set("bytes", plan.bytes_given_back());
  out.set("passes", passes_json(plan.passes));
  Json layers = Json::array();
  for (const LayerPlan& layer : plan.layers) {
    Json edits = Json::array();
    for (const auto& [position, edit] : layer.edits) edits.push(edit_json(position, edit));
    layers.push(Json::object()
                    .set("digest", layer.digest)
                    .set("content_bytes", layer.content_bytes)
                    .set("edits", std::move(edits)));
  }
  out.set("layers", std::move(layers));
  out.set("left_alone", left_alone_json(plan.left_alone));
  Json bolder = Json::object();
  for (const auto& [rule, bytes] : plan.bolder) bolder.set(rule, bytes);
  out.set("bolder_rules", std::move(bolder));
  if (!plan.traces.empty()) out.set("traces", traces_json(plan.traces));
  if (plan.compiled) out.set("compiled_python", compiled_json(*plan.compiled));
  Json notices = Json::array();
  for (const std::string& notice : plan.notices) notices.push(notice);
  out.set("notices", std::move(notices));
  if (plan.closure) {
    Json kept = Json::array();
    for (const auto& [path, why] : plan.closure->kept)
      kept.push(Json::object().set("path", path).set("why", why));
    out.set("closure", closure_json(*plan.closure).set("kept", std::move(kept)));
  }
  return out;
}

}  // namespace flense::slim
