#include "cli/version.h"

#include "base/ascii.h"
#include "base/format.h"
#include "base/version.h"
#include "cli/build.h"
#include "cli/shared/common.h"
#include "guard/confine.h"
#include "inventory/scan/own_build.h"
#include "knowledge/table_set.h"
#include "knowledge/tables.h"
#include "text/json.h"

namespace flense::cli {

namespace {

text::Json packages() {
  text::Json out = text::Json::object();
  for (const std::string_view line : split(kLinked, '\n')) {
    const std::size_t blank = line.find(' ');
    if (blank != line.npos)
      out.set(std::string(line.substr(0, blank)), std::string(line.substr(blank + 1)));
  }
  return out;
}

/// What this kernel has of the sandbox.
text::Json sandbox() {
  const guard::Support has = guard::support();
  return text::Json::object()
      .set("landlock", has.landlock == 0 ? text::Json() : text::Json(has.landlock))
      .set("seccomp", has.seccomp);
}

text::Json told(std::string_view text) {
  return text.empty() ? text::Json() : text::Json(std::string(text));
}

}  // namespace

Result<void> print_version(bool json, Io& io) {
  if (!json) return write_text(io, fmt::format("flense {}\n", kVersion));
  const std::vector<std::string_view> names = knowledge::embedded_table_names();
  TRY(const knowledge::TableSet tables, knowledge::TableSet::load({}, names));
  text::Json dates = text::Json::object();
  for (const std::string_view name : names) dates.set(std::string(name), tables.state(name));
  text::Json out = text::Json::object();
  out.set("schema", "flense/version/v1")
      .set("version", kVersion)
      .set("commit", told(kCommit))
      .set("build_id", told(inventory::own_build()))
      .set("tables", std::move(dates))
      .set("packages", packages())
      .set("sandbox", sandbox());
  return write_text(io, text::dump_json(out, 2) + "\n");
}

}  // namespace flense::cli
