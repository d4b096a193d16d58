#include "mirror/install.h"

#include <algorithm>
#include <map>

#include "cdi/install/install.h"

namespace flense::mirror {

namespace {

struct Content {
  std::optional<std::string> text;  ///< nullopt: no file
  std::string added = {};
};
/// What files are to hold, by path.
using Outcome = std::map<std::string, Content>;

/// Without what was recorded.
Result<Outcome> taken_back(const cdi::EngineRecord& ours, const cdi::HostFiles& files) {
  Outcome out;
  for (const cdi::OwnFile& file : ours.files) {
    TRY(out[file.path].text, cdi::read_without(ours, files, file.path));
  }
  for (const cdi::DoneEdit& edit : ours.edits) {
    TRY(out[edit.file].text, cdi::read_without(ours, files, edit.file));
  }
  return out;
}

Result<std::vector<Change>> changes_to(const Outcome& wanted, const cdi::HostFiles& files) {
  std::vector<Change> out;
  for (const auto& [path, content] : wanted) {
    TRY(const std::optional<std::string> present, files.read(path));
    if (present != content.text) out.push_back({path, content.added, !content.text});
  }
  return out;
}

/// Names with dots in quotes, as they stand in the file.
std::string added_by(const cdi::DoneEdit& done) {
  std::string out = done.block;
  for (const cdi::Assignment& one : done.assignments) {
    std::string table;
    for (const std::string& name : one.table)
      table += fmt::format(
          "{}{}", table.empty() ? "" : ".",
          name.find_first_of(".:") == std::string::npos ? name : text::dump_json(text::Json(name)));
    const std::string value = text::dump_json(one.value);
    out += fmt::format("[{}] {} = {}\n", table, one.key, one.item ? "[" + value + "]" : value);
  }
  return out;
}

}  // namespace

Result<Report> install(Scene scene, const cdi::HostFiles& files, bool dry_run) {
  TRY(const cdi::InstallRecord record, cdi::read_record(files, kRecord));
  const auto recorded = record.engines.find(scene.engine);
  const cdi::EngineRecord ours =
      recorded == record.engines.end() ? cdi::EngineRecord() : recorded->second;
  scene.read = [&](const std::string& path) { return cdi::read_without(ours, files, path); };
  scene.list = [&](const std::string& path) { return files.list(path); };
  const auto engine = std::ranges::find(engines(), scene.engine, &Engine::name);
  if (engine == engines().end()) return fail(Code::kUsage, "no engine '{}'", scene.engine);

  cdi::Installation what;
  what.engine = scene.engine;
  TRY(what.plan, engine->plan(scene));
  TRY(Outcome wanted, taken_back(ours, files));
  for (const cdi::ConfigEdit& edit : what.plan.edits) {
    TRY(const std::optional<std::string> text, scene.read(edit.file));
    TRY_DO(files.check_place(edit.file));
    TRY(const cdi::DoneEdit done, cdi::make_edit(edit, text));
    if (done.changes()) wanted[edit.file] = {done.after, added_by(done)};
  }
  for (const auto& [path, text] : what.plan.files) wanted[path] = {text, text};

  Report out;
  TRY(out.changes, changes_to(wanted, files));
  out.notices = what.plan.notices;
  // What another engine has had written is noted for this one, too.
  if (out.changes.empty() && (recorded != record.engines.end() || wanted.empty())) return out;
  out.restart = what.plan.restart;
  if (dry_run) return out;
  TRY_DO(cdi::reinstall(what, files, kRecord));
  return out;
}

bool is_installed(const std::string& engine, const cdi::HostFiles& files) {
  const auto record = cdi::read_record(files, kRecord);
  return record && record->engines.contains(engine);
}

Result<Report> uninstall(const std::string& engine, const cdi::HostFiles& files, bool dry_run) {
  TRY(const cdi::InstallRecord record, cdi::read_record(files, kRecord));
  Report out;
  if (const auto ours = record.engines.find(engine); dry_run && ours != record.engines.end()) {
    TRY(Outcome wanted, taken_back(ours->second, files));
    for (const auto& [name, other] : record.engines)
      for (const cdi::OwnFile& file : other.files)
        if (name != engine) wanted.erase(file.path);
    TRY(out.changes, changes_to(wanted, files));
    return out;
  }
  TRY(const cdi::InstallReport done, cdi::uninstall(engine, files, kRecord));
  for (const std::string& path : done.changed) {
    TRY(const std::optional<std::string> now, files.read(path));
    out.changes.push_back({path, {}, !now});
  }
  out.notices = done.notices;
  return out;
}

}  // namespace flense::mirror
