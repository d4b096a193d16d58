// Members of an inventory's rows and their names in JSON, for all documents that hold such rows.
#pragma once

#include "inventory/describe/inventory.h"
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
  see("path", installed.path);
}

}  // namespace flense::inventory
