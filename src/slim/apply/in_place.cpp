#include "slim/apply/in_place.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file.h"
#include "slim/apply/records.h"
#include "slim/apply/rewrite_elf.h"
#include "slim/plan/labels.h"

namespace flense::slim {

namespace {

/// One file alone: written beside its name.
Result<void> replace_file(const std::filesystem::path& like, const std::filesystem::path& path,
                          Bytes bytes) {
  TRY(const UniqueFd original, open_read(like));
  TRY(AtomicFile file, AtomicFile::create(path));
  TRY_DO(write_fully(file.fd(), bytes, path.string()));
  TRY_DO(copy_metadata(original.get(), file.fd(), path.string()));
  return file.commit();
}

void count(LayerOutcome& outcome, Pass pass, std::uint64_t bytes) {
  if (bytes == 0) return;
  outcome.bytes_by_pass[pass] += bytes;
}

void count_rewrite(LayerOutcome& outcome, std::uint64_t saved, const RewrittenElf& result) {
  shares_of(result.measure, saved).for_each([&](Pass pass, std::uint64_t bytes) {
    count(outcome, pass, bytes);
  });
}

using Inode = std::pair<dev_t, ino_t>;

/// What one walk over the tree tells; symbolic links are not followed.
struct Tree {
  std::vector<std::string> lists;  ///< files that record_kind() knows, by update_rank()
  std::map<Inode, std::vector<std::string>> hard_links;  ///< names of files that have several
};

Tree survey(const std::filesystem::path& root) {
  Tree out;
  std::error_code error;
  using std::filesystem::directory_options;
  std::filesystem::recursive_directory_iterator walk(
      root, directory_options::skip_permission_denied, error);
  for (; walk != std::filesystem::recursive_directory_iterator(); walk.increment(error)) {
    if (error) break;
    struct stat status{};
    if (::lstat(walk->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    std::string path = walk->path().lexically_relative(root).string();
    if (status.st_nlink > 1) out.hard_links[{status.st_dev, status.st_ino}].push_back(path);
    if (record_kind(path)) out.lists.push_back(std::move(path));
  }
  std::ranges::sort(out.lists, {}, [](const std::string& path) {
    return std::pair(update_rank(*record_kind(path), path), std::string_view(path));
  });
  return out;
}

class InPlace {
 public:
  InPlace(ChangedTree& tree, RewriteOptions rewrite)
      : to_(tree), rewrite_(std::move(rewrite)), tree_(survey(tree.root())) {}

  Result<void> rewrite(const Edit& edit) {
    TRY(const Place place, to_.place_of(edit.path));
    TRY(const MappedFile original, place.named(MappedFile::open(place.path)));
    TRY(const RewrittenElf result, rewrite_elf(original.bytes(), edit.path, rewrite_));
    const std::string why = result.changed ? to_.refusal(place, false) : result.left_alone;
    if (!result.changed || !why.empty()) {
      if (!why.empty()) leave_alone(edit, why);
      return {};
    }
    const Bytes bytes = result.content.bytes();
    fates_[edit.path] = fate_of(bytes);
    struct stat before{};
    if (::lstat(place.path.c_str(), &before) != 0)
      return system_error(errno, "cannot read " + edit.path);
    TRY_DO(stage(edit.path, place, bytes));
    TRY_DO(relink({before.st_dev, before.st_ino}, edit.path));
    count_rewrite(outcome_, original.bytes().size() - bytes.size(), result);
    return {};
  }

  Result<void> drop(const Edit& edit) {
    TRY(const Place place, to_.place_of(edit.path));
    if (const std::string why = to_.refusal(place, true); !why.empty()) {
      leave_alone(edit, why);
      return {};
    }
    to_.stage_removal(edit.path);
    fates_[edit.path].dropped = true;
    count(outcome_, edit.pass, edit.bytes_before - edit.bytes_after);
    return {};
  }

  /// The link takes the file's name.
  Result<void> become_link(const Edit& edit) {
    TRY(const Place place, to_.place_of(edit.path));
    std::string why = to_.refusal(place, false);
    if (why.empty() && edit.action == Action::kLink) {
      TRY(const Place target, to_.place_of(edit.new_path));
      why = to_.refusal(target, false);
    }
    if (!why.empty()) {
      leave_alone(edit, why);
      return {};
    }
    if (edit.action == Action::kLink) {
      TRY_DO(to_.stage_link(edit.path, edit.new_path));
      if (const auto target = fates_.find(edit.new_path); target != fates_.end())
        fates_.insert_or_assign(edit.path, FileFate(target->second));
    } else {
      TRY_DO(to_.stage_symlink(edit.path, edit.new_path));
      fates_[edit.path].dropped = true;
    }
    count(outcome_, edit.pass, edit.bytes_before - edit.bytes_after);
    return {};
  }

  /// Package lists that may name an edited file: all in the tree.
  Result<void> update_lists() {
    for (const std::string& path : tree_.lists) TRY_DO(update_list(path));
    return {};
  }

  LayerOutcome take() { return std::move(outcome_); }

 private:
  Result<void> stage(const std::string& path, const Place& place, Bytes content) {
    for (const char* name : {"security.ima", "security.evm"})
      if (::lgetxattr(place.path.c_str(), name, nullptr, 0) >= 0)
        outcome_.notices.push_back(
            fmt::format("{}: {} no longer holds for the new content and was dropped", path, name));
    return to_.stage(path, place, content);
  }

  void leave_alone(const Edit& edit, const std::string& why) {
    outcome_.left_alone.push_back({edit.path, edit.bytes_before - edit.bytes_after, why});
  }

  Result<void> update_list(const std::string& path) {
    if (const auto fate = fates_.find(path); fate != fates_.end() && fate->second.dropped)
      return {};
    const Result<Place> place = to_.place_of(path);
    if (!place) return {};
    Result<std::string> text = read_file(place->path, kMaxRecord);
    if (!text) return {};
    const Result<std::optional<std::string>> updated =
        update_record(*record_kind(path), path, *text, fates_);
    std::string why;
    if (!updated)
      why = updated.error().message;
    else if (*updated)
      why = to_.refusal(*place, false);
    if (!why.empty()) outcome_.notices.push_back(fmt::format("{} stays as it is: {}", path, why));
    if (!why.empty() || !*updated) return {};
    const Bytes bytes = as_bytes(**updated);
    TRY_DO(stage(path, *place, bytes));
    fates_.insert_or_assign(path, fate_of(bytes));
    return {};
  }

  /// The other names of the old content get the new one. Names outside the tree keep the old: they
  /// are not ours.
  Result<void> relink(Inode old, const std::string& renewed) {
    const auto names = tree_.hard_links.find(old);
    if (names == tree_.hard_links.end()) return {};
    for (const std::string& name : names->second) {
      const Result<Place> place = to_.place_of(name);
      struct stat status{};
      if (name == renewed || !place || ::lstat(place->path.c_str(), &status) != 0 ||
          Inode{status.st_dev, status.st_ino} != old)
        continue;
      TRY_DO(to_.stage_link(name, renewed));
      fates_.insert_or_assign(name, FileFate(fates_.at(renewed)));
    }
    return {};
  }

  ChangedTree& to_;
  RewriteOptions rewrite_;
  Tree tree_;
  Fates fates_;
  LayerOutcome outcome_;
};

}  // namespace

Result<LayerOutcome> apply_in_place(ChangedTree& tree, const LayerPlan& plan, const CutRules& cuts,
                                    const Workplace& workplace) {
  InPlace changes(tree, rewrite_options(cuts, workplace));
  const auto each = [&](auto wanted, const auto& change) -> Result<void> {
    for (const auto& [position, edit] : plan.edits) {
      if (!wanted(edit.action)) continue;
      TRY_DO(change(edit));
      if (workplace.progress != nullptr) TRY_DO(workplace.progress->add(edit.bytes_before));
    }
    return {};
  };
  // New contents first: links may lead to them.
  TRY_DO(each([](Action action) { return action == Action::kRewrite; },
              [&](const Edit& edit) { return changes.rewrite(edit); }));
  // On a file system every name of a content is equal: dropping one name moves nothing.
  TRY_DO(each([](Action action) { return action == Action::kDrop || action == Action::kRename; },
              [&](const Edit& edit) { return changes.drop(edit); }));
  TRY_DO(each([](Action action) { return action == Action::kLink || action == Action::kSymlink; },
              [&](const Edit& edit) { return changes.become_link(edit); }));
  TRY_DO(changes.update_lists());
  TRY_DO(tree.commit());
  return changes.take();
}

Result<LayerOutcome> slim_file(const std::filesystem::path& input,
                               const std::filesystem::path& output, const CutRules& cuts,
                               const Workplace& workplace) {
  TRY(const MappedFile original, MappedFile::open(input));
  TRY(const RewrittenElf result,
      rewrite_elf(original.bytes(), input.filename().string(), rewrite_options(cuts, workplace)));
  LayerOutcome outcome;
  outcome.content_before = original.bytes().size();
  const Bytes bytes = result.changed ? result.content.bytes() : original.bytes();
  outcome.content_after = bytes.size();
  if (!result.left_alone.empty())
    outcome.left_alone.push_back({input.string(), result.withheld, result.left_alone});
  if (result.changed) count_rewrite(outcome, original.bytes().size() - bytes.size(), result);
  if (result.raises_driver_floor) outcome.notices.push_back(driver_floor_notice(workplace.drivers));
  if (input != output) {
    TRY_DO(replace_file(input, output, bytes));
  } else if (result.changed) {
    // By the name of a link the file itself changes: libx.so stays a link to libx.so.1.
    std::error_code error;
    const std::filesystem::path file = std::filesystem::canonical(input, error);
    if (error) return system_error(error.value(), "cannot resolve " + input.string());
    TRY_DO(replace_file(file, file, bytes));
  }
  return outcome;
}

}  // namespace flense::slim
