#include "cdi/install/record.h"

#include "base/version.h"

namespace flense::cdi {

namespace {

using text::Json;

constexpr std::string_view kSchema = "flense/cdi-record/v1";

Json engine_json(const EngineRecord& engine) {
  Json files = Json::array(), directories = Json::array(), edits = Json::array();
  for (const OwnFile& file : engine.files) {
    Json one = Json::object();
    one.set("path", file.path);
    one.set(file.is_link ? "link" : "text", file.text);
    files.push(std::move(one));
  }
  for (const std::string& directory : engine.directories) directories.push(directory);
  for (const DoneEdit& edit : engine.edits) edits.push(to_json(edit));
  Json out = Json::object();
  out.set("files", std::move(files));
  out.set("directories", std::move(directories));
  out.set("edits", std::move(edits));
  return out;
}

Result<EngineRecord> engine_from(const Json& json, const std::string& path) {
  EngineRecord out;
  for (const Json& item : json["files"].items()) {
    const Json* link = item.find("link");
    OwnFile file{std::string(item["path"].text()),
                 std::string((link != nullptr ? *link : item["text"]).text()), link != nullptr};
    if (!file.path.starts_with('/'))
      return bad_input("{}: '{}' is not an absolute path", path, file.path);
    out.files.push_back(std::move(file));
  }
  for (const Json& item : json["directories"].items()) {
    if (!item.text().starts_with('/'))
      return bad_input("{}: '{}' is not an absolute path", path, item.text());
    out.directories.emplace_back(item.text());
  }
  for (const Json& item : json["edits"].items()) {
    TRY(DoneEdit edit, with_context(done_edit_from(item), "reading {}", path));
    out.edits.push_back(std::move(edit));
  }
  return out;
}

}  // namespace

Result<InstallRecord> read_record(const HostFiles& files, const std::string& path) {
  TRY(const std::optional<std::string> text, files.read(path));
  InstallRecord out;
  if (!text) return out;
  TRY(const Json json, text::parse_json(*text, path));
  if (json["schema"].text() != kSchema)
    return bad_input("{} is not a record of installations ({})", path, kSchema);
  for (const auto& [name, engine] : json["engines"].members()) {
    TRY(out.engines[name], engine_from(engine, path));
  }
  return out;
}

Result<void> write_record(const HostFiles& files, const std::string& path,
                          const InstallRecord& record) {
  if (record.engines.empty()) return files.remove(path);
  Json engines = Json::object();
  for (const auto& [name, engine] : record.engines) engines.set(name, engine_json(engine));
  Json out = Json::object();
  out.set("schema", kSchema);
  out.set("flense", kVersion);
  out.set("engines", std::move(engines));
  // Configurations may hold secrets, such as a proxy's password.
  TRY_DO(files.write(path, text::dump_json(out, 2) + "\n", 0600));
  return {};
}

}  // namespace flense::cdi
