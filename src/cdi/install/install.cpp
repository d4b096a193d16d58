#include "cdi/install/install.h"

#include <algorithm>

#include "base/path.h"
#include "cdi/install/record.h"

namespace flense::cdi {

namespace {

/// Takes over what a former installation of the same engine recorded: an uninstallation has to come
/// back to the state before the first one, with what others have changed since.
Result<void> keep_older(DoneEdit& done, const EngineRecord& older) {
  const auto at = std::ranges::find(older.edits, done.file, &DoneEdit::file);
  if (at == older.edits.end()) return {};
  TRY(TakenBack taken, take_back(*at, done.before));
  done.before = std::move(taken.text);
  for (const Assignment& old : at->assignments) {
    const bool again = std::ranges::any_of(done.assignments, [&](const Assignment& one) {
      return old.table == one.table && old.key == one.key;
    });
    if (!again) done.assignments.push_back(old);
  }
  return {};
}

class Installer {
 public:
  Installer(const HostFiles& files, const std::string& path) : files_(files), path_(path) {}

  Result<InstallReport> run(const Installation& what) {
    TRY(record_, read_record(files_, path_));
    const EngineRecord older = record_.engines[what.engine];
    EngineRecord& mine = record_.engines[what.engine];
    // All decisions precede the first change.
    std::vector<DoneEdit> edits;
    for (const ConfigEdit& edit : what.plan.edits) {
      TRY(const std::optional<std::string> text, files_.read(edit.file));
      TRY(DoneEdit done, make_edit(edit, text));
      if (!done.changes()) continue;
      TRY_DO(keep_older(done, older));
      edits.push_back(std::move(done));
    }
    for (const auto& [path, text] : what.specs) TRY_DO(check_own(path, text));
    for (const auto& [path, text] : what.plan.files) TRY_DO(check_own(path, text));
    for (const auto& [path, text] : what.units.files) TRY_DO(check_own(path, text));
    for (const DoneEdit& done : edits) TRY_DO(files_.check_place(done.file));

    if (auto written = write_all(mine, what, std::move(edits)); !written) {
      Error error = std::move(written.error());
      error.message += give_back(what.engine, older);
      return std::unexpected(std::move(error));
    }
    report_.notices = what.plan.notices;
    return std::move(report_);
  }

 private:
  Result<void> write_all(EngineRecord& mine, const Installation& what,
                         std::vector<DoneEdit> edits) {
    for (const auto& [path, text] : what.specs) TRY_DO(put(mine, path, text));
    for (const auto& [path, text] : what.plan.files) TRY_DO(put(mine, path, text));
    for (const auto& [path, text] : what.units.files) TRY_DO(put(mine, path, text));
    for (const auto& [path, target] : what.units.links) TRY_DO(put_link(mine, path, target));
    for (DoneEdit& done : edits) TRY_DO(put_edit(mine, std::move(done)));
    return {};
  }

  /// After a failure: everything as it was before, and the record too. What cannot be given back is
  /// named, and stays in the record.
  std::string give_back(const std::string& engine, const EngineRecord& older) {
    std::vector<std::string> left;
    for (auto one = before_.rbegin(); one != before_.rend(); ++one) {
      // The last of them may never have come about.
      const auto now = files_.read(one->first);
      if (!files_.link_text(one->first) && (!now || *now == one->second)) continue;
      const Result<void> done =
          one->second ? files_.write(one->first, *one->second) : files_.remove(one->first);
      if (!done) left.push_back(one->first);
    }
    EngineRecord& mine = record_.engines[engine];
    for (auto one = mine.directories.rbegin(); one != mine.directories.rend(); ++one)
      if (std::ranges::find(older.directories, *one) == older.directories.end())
        files_.remove_directory(*one);
    if (left.empty()) {
      mine = older;
      if (older == EngineRecord()) record_.engines.erase(engine);
      if (save()) return "; what was written before is taken back";
    }
    return fmt::format("; in effect stay {}, until they are uninstalled", fmt::join(left, ", "));
  }

  Result<void> save() { return write_record(files_, path_, record_); }

  /// The record comes first: what it names in vain is found missing, what it does not name stays
  /// behind.
  Result<void> note(EngineRecord& mine, const std::string& path,
                    std::optional<std::string> before) {
    for (std::string& directory : files_.missing_directories(path))
      if (std::ranges::find(mine.directories, directory) == mine.directories.end())
        mine.directories.push_back(std::move(directory));
    TRY_DO(save());
    before_.emplace_back(path, std::move(before));
    return {};
  }

  /// A file of that name that nobody recorded is somebody else's.
  Result<void> check_own(const std::string& path, const std::string& text) const {
    TRY_DO(files_.check_place(path));
    const bool recorded = std::ranges::any_of(record_.engines, [&](const auto& engine) {
      return std::ranges::find(engine.second.files, path, &OwnFile::path) !=
             engine.second.files.end();
    });
    if (recorded) return {};
    TRY(const std::optional<std::string> present, files_.read(path));
    if (!present || *present == text) return {};
    return fail(Code::kEnvironment, "{} already exists, and flense did not write it", path)
        .hint("move it away");
  }

  Result<void> put(EngineRecord& mine, const std::string& path, const std::string& text) {
    TRY(const std::optional<std::string> present, files_.read(path));
    std::erase_if(mine.files, [&](const OwnFile& file) { return file.path == path; });
    mine.files.push_back({path, text, false});
    TRY_DO(note(mine, path, present));
    if (present != text) report_.changed.push_back(path);
    return files_.write(path, text);
  }

  Result<void> put_link(EngineRecord& mine, const std::string& path, const std::string& target) {
    std::erase_if(mine.files, [&](const OwnFile& file) { return file.path == path; });
    mine.files.push_back({path, target, true});
    if (files_.link_text(path) == target) return save();
    TRY_DO(note(mine, path, std::nullopt));
    report_.changed.push_back(path);
    return files_.link(path, target);
  }

  Result<void> put_edit(EngineRecord& mine, DoneEdit done) {
    const std::string file = done.file, after = done.after;
    TRY(std::optional<std::string> present, files_.read(file));
    std::erase_if(mine.edits, [&](const DoneEdit& old) { return old.file == file; });
    mine.edits.push_back(std::move(done));
    TRY_DO(note(mine, file, std::move(present)));
    report_.changed.push_back(file);
    return files_.write(file, after);
  }

  const HostFiles& files_;
  const std::string& path_;
  InstallRecord record_;
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;  ///< what was changed
  InstallReport report_;
};

class Remover {
 public:
  Remover(const HostFiles& files, const std::string& path) : files_(files), path_(path) {}

  Result<InstallReport> run(const std::string& engine) {
    TRY(record_, read_record(files_, path_));
    const auto at = record_.engines.find(engine);
    if (at == record_.engines.end())
      return fail(Code::kEnvironment, "nothing is recorded as installed for {} (in {})", engine,
                  path_);
    const EngineRecord mine = std::move(at->second);
    record_.engines.erase(at);
    // The engine's configuration first: it may name what is removed next.
    for (auto edit = mine.edits.rbegin(); edit != mine.edits.rend(); ++edit) TRY_DO(undo(*edit));
    for (auto file = mine.files.rbegin(); file != mine.files.rend(); ++file) TRY_DO(drop(*file));
    remove_directories(mine.directories);
    TRY_DO(write_record(files_, path_, record_));
    return std::move(report_);
  }

 private:
  /// What others still need goes with the last of them.
  void remove_directories(const std::vector<std::string>& made) {
    std::vector<std::string> left;
    for (auto directory = made.rbegin(); directory != made.rend(); ++directory)
      if (!files_.remove_directory(*directory)) left.insert(left.begin(), *directory);
    if (record_.engines.empty()) return;
    std::vector<std::string>& heirs = record_.engines.begin()->second.directories;
    heirs.insert(heirs.begin(), left.begin(), left.end());
  }

  Result<void> undo(const DoneEdit& done) {
    TRY(const std::optional<std::string> now, files_.read(done.file));
    const Result<TakenBack> taken = take_back(done, now);
    if (!taken) {
      report_.notices.push_back(
          fmt::format("{} is left as it is: {}", done.file, taken.error().message));
      return {};
    }
    report_.notices.insert(report_.notices.end(), taken->notices.begin(), taken->notices.end());
    if (taken->text != now) report_.changed.push_back(done.file);
    if (!taken->text) return files_.remove(done.file);
    return files_.write(done.file, *taken->text);
  }

  Result<void> drop(const OwnFile& file) {
    const bool shared = std::ranges::any_of(record_.engines, [&](const auto& other) {
      return std::ranges::find(other.second.files, file.path, &OwnFile::path) !=
             other.second.files.end();
    });
    if (shared) {
      report_.notices.push_back(file.path + " stays: another engine uses it");
      return {};
    }
    std::optional<std::string> now;
    if (file.is_link) {
      now = files_.link_text(file.path);
    } else {
      TRY(now, files_.read(file.path));
    }
    if (!now) return files_.remove(file.path);
    // A refreshed specification is still ours.
    if (*now != file.text && !is_spec(file)) {
      report_.notices.push_back(file.path + " stays: somebody else has changed it");
      return {};
    }
    report_.changed.push_back(file.path);
    return files_.remove(file.path);
  }

  static bool is_spec(const OwnFile& file) {
    return !file.is_link && (file.path.ends_with(".json") || file.path.ends_with(".yaml"));
  }

  const HostFiles& files_;
  const std::string& path_;
  InstallRecord record_;
  InstallReport report_;
};

/// Who changes a record has it alone, and leaves nothing but what it says.
class Hold {
 public:
  static Result<Hold> take(const HostFiles& files, const std::string& record) {
    Hold out(files, record + ".lock");
    out.made_ = files.missing_directories(record);
    TRY(out.lock_, files.lock(out.path_));
    return out;
  }
  Hold(Hold&&) noexcept = default;
  Hold& operator=(Hold&&) = delete;
  ~Hold() {
    if (!lock_) return;
    files_.unlock(path_, std::move(lock_));
    files_.remove_directory(std::string(parent_path(path_)));
    for (auto one = made_.rbegin(); one != made_.rend(); ++one) files_.remove_directory(*one);
  }

 private:
  Hold(const HostFiles& files, std::string path) : files_(files), path_(std::move(path)) {}

  const HostFiles& files_;
  std::string path_;
  std::vector<std::string> made_;
  UniqueFd lock_;
};

Result<bool> is_recorded(const std::string& engine, const HostFiles& files,
                         const std::string& path) {
  TRY(const InstallRecord record, read_record(files, path));
  return record.engines.contains(engine);
}

}  // namespace

Result<InstallReport> install(const Installation& what, const HostFiles& files,
                              const std::string& record) {
  TRY(const Hold hold, Hold::take(files, record));
  return Installer(files, record).run(what);
}

Result<InstallReport> reinstall(const Installation& what, const HostFiles& files,
                                const std::string& record) {
  TRY(const Hold hold, Hold::take(files, record));
  TRY(const bool before, is_recorded(what.engine, files, record));
  if (before) TRY_DO(Remover(files, record).run(what.engine));
  auto out = Installer(files, record).run(what);
  if (!out && before)
    out.error().message +=
        fmt::format("; what was installed before for {} is taken out", what.engine);
  return out;
}

Result<std::optional<std::string>> read_without(const EngineRecord& ours, const HostFiles& files,
                                                const std::string& path) {
  TRY(std::optional<std::string> now, files.read(path));
  const auto own = std::ranges::find(ours.files, path, &OwnFile::path);
  if (own != ours.files.end() && now == own->text) return std::optional<std::string>();
  const auto edit = std::ranges::find(ours.edits, path, &DoneEdit::file);
  if (edit == ours.edits.end()) return now;
  TRY(TakenBack taken, take_back(*edit, now));
  return std::move(taken.text);
}

Result<InstallReport> uninstall(const std::string& engine, const HostFiles& files,
                                const std::string& record) {
  TRY(const bool recorded, is_recorded(engine, files, record));
  if (!recorded)
    return fail(Code::kEnvironment, "nothing is recorded as installed for {} (in {})", engine,
                record);
  TRY(const Hold hold, Hold::take(files, record));
  return Remover(files, record).run(engine);
}

}  // namespace flense::cdi
