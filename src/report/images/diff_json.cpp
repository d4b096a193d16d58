#include "base/version.h"
#include "report/images/diff_text.h"
#include "text/fields.h"

namespace flense::inventory {

void each_field(text::FieldsOf<ComparedSide> auto& side, auto&& see) {
  see("target", side.target);
  see("digest", side.digest);
  see("platform", side.platform);
  see("saved", side.saved);
  see("size_bytes", side.size_bytes);
  see("unpacked_bytes", side.unpacked_bytes);
  see("file_bytes", side.file_bytes);
  see("files", side.files);
  see("layers", side.layers);
  see("packages_known", side.packages_known);
}

void each_field(text::FieldsOf<SizeChange> auto& change, auto&& see) {
  see("reason", change.name);
  see("bytes_before", change.before);
  see("bytes_after", change.after);
}

void each_field(text::FieldsOf<VersionChange> auto& change, auto&& see) {
  see("type", change.type);
  see("name", change.name);
  see("how", change.how);
  see("before", change.before);
  see("after", change.after);
}

void each_field(text::FieldsOf<CodeChange> auto& change, auto&& see) {
  see("vendor", change.vendor);
  see("kind", change.kind);
  see("arch", change.arch);
  see("count_before", change.count_before);
  see("count_after", change.count_after);
  see("bytes_before", change.bytes_before);
  see("bytes_after", change.bytes_after);
}

void each_field(text::FieldsOf<CodeFileChange> auto& change, auto&& see) {
  see("path", change.path);
  see("bytes_before", change.bytes_before);
  see("bytes_after", change.bytes_after);
  see("lost", change.lost);
  see("gained", change.gained);
}

void each_field(text::FieldsOf<FileTotals> auto& totals, auto&& see) {
  see("how", totals.how);
  see("files", totals.files);
  see("bytes_before", totals.bytes_before);
  see("bytes_after", totals.bytes_after);
}

void each_field(text::FieldsOf<FileChange> auto& change, auto&& see) {
  see("path", change.path);
  see("how", change.how);
  see("what", change.what);
  see("bytes_before", change.bytes_before);
  see("bytes_after", change.bytes_after);
}

void each_field(text::FieldsOf<LayerChange> auto& change, auto&& see) {
  see("how", change.how);
  see("instruction", change.instruction);
  see("digest_before", change.digest_before);
  see("digest_after", change.digest_after);
  see("size_bytes_before", change.size_before);
  see("size_bytes_after", change.size_after);
  see("unpacked_bytes_before", change.unpacked_before);
  see("unpacked_bytes_after", change.unpacked_after);
}

void each_field(text::FieldsOf<ConfigurationChange> auto& change, auto&& see) {
  see("name", change.name);
  see("before", change.before);
  see("after", change.after);
}

}  // namespace flense::inventory

namespace flense::compat {

void each_field(text::FieldsOf<CheckChange> auto& change, auto&& see) {
  see("id", change.id);
  see("before", change.before);
  see("after", change.after);
  see("message", change.message);
}

void each_field(text::FieldsOf<GateResult> auto& gate, auto&& see) {
  see("gate", gate.gate);
  see("status", gate.status);
  see("reason", gate.reason);
}

void each_field(text::FieldsOf<Untold> auto& untold, auto&& see) {
  see("id", untold.id);
  see("reason", untold.reason);
}

}  // namespace flense::compat

namespace flense::report {

namespace {

using text::fields_to_json;
using text::Json;

template <class T>
Json first_of(const std::vector<T>& list, std::size_t most) {
  Json out = Json::array();
  for (std::size_t i = 0; i < std::min(most, list.size()); ++i) out.push(fields_to_json(list[i]));
  return out;
}

Json host_change_json(const compat::HostChange& change) {
  Json out = Json::object();
  out.set("id", change.id);
  out.set("direction", to_string(change.direction));
  out.set("text", change.text);
  out.set("before", change.before);
  out.set("after", change.after);
  out.set("evidence_before", change.evidence_before);
  out.set("evidence_after", change.evidence_after);
  return out;
}

Json verdict_change_json(const compat::VerdictChange& change) {
  Json out = Json::object();
  out.set("host", change.host);
  out.set("launcher", change.launcher);
  out.set("before", to_string(change.before));
  out.set("after", to_string(change.after));
  out.set("checks", fields_to_json(change.checks));
  return out;
}

}  // namespace

Json diff_json(const ImageDiff& diff, std::size_t most) {
  const inventory::InventoryChanges& changes = diff.changes;
  Json out = Json::object();
  out.set("schema", kDiffSchema);
  out.set("flense", kVersion);
  out.set("before", fields_to_json(changes.before));
  out.set("after", fields_to_json(changes.after));
  out.set("same", changes.same_content() && changes.whole() && changes.files_unread == 0);
  Json hosts = Json::array();
  for (const compat::HostChange& one : diff.hosts.changes) hosts.push(host_change_json(one));
  out.set("hosts", std::move(hosts));
  out.set("hosts_untold", fields_to_json(diff.hosts.untold));
  Json verdicts = Json::array();
  for (const compat::VerdictChange& one : diff.verdicts) verdicts.push(verdict_change_json(one));
  out.set("verdicts", std::move(verdicts));
  out.set("gates", fields_to_json(diff.gates));
  out.set("reasons", fields_to_json(changes.reasons));
  out.set("runtimes", fields_to_json(changes.runtimes));
  out.set("packages", fields_to_json(changes.packages));
  Json code = Json::object();
  code.set("totals", fields_to_json(changes.code));
  code.set("files_changed", changes.code_files.size());
  code.set("files", first_of(changes.code_files, most));
  out.set("device_code", std::move(code));
  Json files = Json::object();
  files.set("known", changes.whole());
  files.set("unread", changes.files_unread);
  files.set("totals", fields_to_json(changes.file_totals));
  files.set("largest", first_of(changes.files, most));
  out.set("files", std::move(files));
  out.set("layers", fields_to_json(changes.layers));
  out.set("configuration", fields_to_json(changes.configuration));
  Json notices = Json::array();
  for (const std::string& notice : diff.notices) notices.push(notice);
  out.set("notices", std::move(notices));
  return out;
}

}  // namespace flense::report
