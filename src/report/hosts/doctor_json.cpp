#include "report/hosts/doctor_json.h"

#include "base/version.h"

namespace flense::report {

namespace {

using text::Json;

Json document(std::string_view verdict) {
  Json out = Json::object();
  out.set("schema", "flense/doctor/v1");
  out.set("flense", kVersion);
  out.set("verdict", verdict);
  return out;
}

Json step_json(const doctor::Step& step) {
  Json out = Json::object();
  out.set("id", step.id);
  out.set("title", step.title);
  out.set("verdict", doctor::to_string(step.verdict));
  Json seen = Json::array();
  for (const std::string& one : step.looked_at) seen.push(one);
  out.set("looked_at", std::move(seen));
  out.set("message", step.message);
  if (!step.fix.empty()) out.set("fix", step.fix);
  if (!step.source.empty()) out.set("source", step.source);
  if (step.verdict == doctor::Verdict::kUnknown) out.set("decisive", step.decisive);
  if (step.verdict == doctor::Verdict::kBroken)
    out.set("nvidia_smi_unaffected", step.smi_unaffected);
  return out;
}

}  // namespace

Json doctor_json(const doctor::Diagnosis& diagnosis) {
  Json out = document(diagnosis.gpu == false ? "no-gpu" : doctor::to_string(diagnosis.verdict()));
  if (const doctor::Step* step = diagnosis.first_broken()) out.set("first_broken", step->id);
  Json steps = Json::array();
  for (const doctor::Step& step : diagnosis.steps) steps.push(step_json(step));
  out.set("steps", std::move(steps));
  return out;
}

Json doctor_json(const std::vector<doctor::Recognised>& messages) {
  Json out = document(doctor::tells_failure(messages) ? "broken" : "unknown");
  out.set("steps", Json::array());
  Json list = Json::array();
  for (const doctor::Recognised& one : messages) {
    Json item = Json::object();
    if (!one.id.empty()) item.set("id", one.id);
    item.set("says", one.says);
    item.set("line", one.line);
    item.set("number", one.number);
    if (one.advice) item.set("advice", true);
    item.set("cause", one.cause);
    item.set("fix", one.fix);
    if (!one.step.empty()) item.set("step", one.step);
    if (!one.source.empty()) item.set("source", one.source);
    list.push(std::move(item));
  }
  out.set("messages", std::move(list));
  return out;
}

}  // namespace flense::report
