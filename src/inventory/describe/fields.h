// Members of an inventory's rows and their names in JSON, for all documents that hold such rows.
#pragma once

#include "inventory/describe/inventory.h"
#include "inventory/describe/slim_mark.h"
#include "text/fields.h"

namespace flense::inventory {

using text::FieldsOf;

void each_field(FieldsOf<ArchCount> auto& row, auto&& see) {
  see("vendor", row.vendor);
  see("kind", row.kind);
  see("arch", row.arch);
  see("count", row.count);
  see("bytes", row.bytes);
  see("version", row.version);
  see("zstd", row.zstd);
  see("hollow", row.hollow);
}

void each_field(FieldsOf<Runtime> auto& runtime, auto&& see) {
  see("name", runtime.name);
  see("version", runtime.version);
  see("evidence", runtime.evidence);
}

void each_field(FieldsOf<InstalledPackage> auto& installed, auto&& see) {
  see("type", installed.package.type);
  see("name", installed.package.name);
  see("version", installed.package.version);
  see("torch", installed.package.torch);
  see("cudnn", installed.package.cudnn);
  see("path", installed.path);
}

void each_field(FieldsOf<SlimMark> auto& mark, auto&& see) {
  see("targets", mark.targets);
  see("driver_floor", mark.driver_floor);
  see("code_floor", mark.code_floor);
  see("level", mark.level);
  see("version", mark.version);
  see("evidence", mark.evidence);
  see("input_digest", mark.input_digest);
  see("tables", mark.tables);
  see("rules", mark.rules);
}

}  // namespace flense::inventory
