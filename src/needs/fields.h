// The one list of the members of Needs and their names in JSON: writing, reading and tests go
// through it, so that none of them can forget one.
#pragma once

#include "inventory/describe/fields.h"
#include "needs/needs.h"

namespace flense::needs {

void each_field(text::FieldsOf<CodeFile> auto& file, auto&& see) {
  see("path", file.path);
  see("device_bytes", file.device_bytes);
  see("entries", file.entries);
  see("user", file.user);
}

void each_field(text::FieldsOf<CompatPackage> auto& package, auto&& see) {
  see("path", package.path);
  see("version", package.version);
  see("note", package.note);
  see("cuda", package.cuda);
  see("drivers", package.drivers);
  see("brands", package.brands);
  see("aside", package.aside);
}

void each_field(text::FieldsOf<Sighting> auto& sighting, auto&& see) {
  see("path", sighting.path);
  see("what", sighting.what);
  see("bytes", sighting.bytes);
}

void each_field(text::FieldsOf<MissingLibrary> auto& missing, auto&& see) {
  see("library", missing.library);
  see("user", missing.user);
  see("how", missing.how);
  see("path", missing.path);
  see("askers", missing.askers);
  see("machine", missing.machine);
}

void each_field(text::FieldsOf<TooNewFile> auto& file, auto&& see) {
  see("path", file.path);
  see("version", file.version);
  see("there", file.there);
  see("library", file.library);
  see("needed", file.needed);
  see("first", file.first);
}

void each_field(text::FieldsOf<ForeignPackage> auto& package, auto&& see) {
  see("package", package.package);
  see("path", package.path);
  see("built_for", package.built_for);
  see("there", package.there);
  see("gpu", package.gpu);
}

void each_field(text::FieldsOf<RunTimeCompiler> auto& compiler, auto&& see) {
  see("name", compiler.name);
  see("evidence", compiler.evidence);
  see("cuda", compiler.cuda);
  see("missing", compiler.missing);
}

void each_field(text::FieldsOf<CapabilityNeed> auto& need, auto&& see) {
  see("capability", need.capability);
  see("library", need.library);
  see("user", need.user);
}

void each_field(text::FieldsOf<CpuNeed> auto& need, auto&& see) {
  see("level", need.level);
  see("path", need.path);
}

void each_field(text::FieldsOf<EnginePlan> auto& plan, auto&& see) {
  see("path", plan.path);
  see("version", plan.version);
  see("untold", plan.untold);
}

void each_field(text::FieldsOf<StartNeeds> auto& start, auto&& see) {
  see("program", start.program);
  see("missing", start.missing);
  see("uncached", start.uncached);
  see("driver_libraries", start.driver_libraries);
}

void each_field(text::FieldsOf<Needs> auto& needs, auto&& see) {
  see("name", needs.name);
  see("platform", needs.platform);
  see("machines", needs.machines);
  see("contents", needs.contents);
  see("unread", needs.unread);
  see("environment", needs.environment);
  see("labels", needs.labels);
  see("user", needs.user);
  see("runtimes", needs.runtimes);
  see("packages", needs.packages);
  see("code", needs.code);
  see("compat", needs.compat);
  see("driver_files", needs.driver_files);
  see("stubs_in_path", needs.stubs_in_path);
  see("missing_libraries", needs.missing_libraries);
  see("start", needs.start);
  see("too_new", needs.too_new);
  see("foreign", needs.foreign);
  see("small_pages", needs.small_pages);
  see("compilers", needs.compilers);
  see("capabilities", needs.capabilities);
  see("rdma", needs.rdma);
  see("weights", needs.weights);
  see("plans", needs.plans);
  see("libc", needs.libc);
  see("libc_version", needs.libc_version);
  see("cpu", needs.cpu);
  see("slim", needs.slim);
  see("unpacked_bytes", needs.unpacked_bytes);
}

}  // namespace flense::needs
