#include "slim/apply/in_place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/in_root.h"
#include "base/path.h"
#include "slim/apply/records.h"
#include "slim/apply/rewrite_elf.h"
#include "slim/plan/labels.h"

namespace flense::slim {

namespace {

/// Owner, mode, times and extended attributes of `from` for the new file; security.ima would lie.
Result<void> copy_metadata(int from, int to, const std::string& name) {
  struct stat status{};
  if (::fstat(from, &status) != 0) return system_error(errno, "cannot read " + name);
  // Only root may give files away; what an ordinary user creates mostly has the right owner
  // already.
  struct stat created{};
  if (::fstat(to, &created) != 0) return system_error(errno, "cannot read " + name);
  if ((created.st_uid != status.st_uid || created.st_gid != status.st_gid) &&
      ::fchown(to, status.st_uid, status.st_gid) != 0)
    return system_error(errno, "cannot keep the owner of " + name)
        .hint("run as the owner of the tree, or as root");
  if (::fchmod(to, status.st_mode & 07777U) != 0)
    return system_error(errno, "cannot set the mode of " + name);
  std::string names(64u << 10, '\0');
  const ssize_t length = ::flistxattr(from, names.data(), names.size());
  std::string_view rest(names.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  while (!rest.empty()) {
    const std::string attribute(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(attribute.size() + 1);
    if (attribute == "security.ima" || attribute == "security.evm") continue;
    std::string value(64u << 10, '\0');
    const ssize_t size = ::fgetxattr(from, attribute.c_str(), value.data(), value.size());
    if (size < 0) continue;
    if (::fsetxattr(to, attribute.c_str(), value.data(), static_cast<std::size_t>(size), 0) != 0)
      return system_error(errno,
                          fmt::format("cannot keep the attribute {} of {}", attribute, name));
  }
  const timespec times[2] = {status.st_atim, status.st_mtim};
  if (::futimens(to, times) != 0) return system_error(errno, "cannot set the times of " + name);
  return {};
}

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
  std::vector<std::string> lists;                        ///< files that record_kind() knows
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
  std::ranges::sort(out.lists);
  return out;
}

/// A name in a directory that is held: whoever swaps a directory of the path for a link meanwhile
/// leads nothing out of the tree.
struct Place {
  UniqueFd directory;
  std::filesystem::path path;   ///< through the descriptor
  std::filesystem::path shown;  ///< as the user knows it

  /// Errors of what was done by `path` name the file as the user knows it.
  template <class T>
  Result<T> named(Result<T> result) const {
    if (result) return result;
    const std::string through = path.parent_path().string();
    std::string& message = result.error().message;
    if (const std::size_t at = message.find(through); at != std::string::npos)
      message.replace(at, through.size(), shown.parent_path().string());
    return result;
  }
};

class InPlace {
 public:
  static Result<InPlace> open(const std::filesystem::path& root, RewriteOptions rewrite) {
    UniqueFd fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return system_error(errno, "cannot open " + root.string());
    return InPlace(root, std::move(fd), std::move(rewrite));
  }

  Result<void> rewrite(const Edit& edit) {
    TRY(const Place place, place_of(edit.path));
    const std::filesystem::path& path = place.path;
    TRY(const MappedFile original, place.named(MappedFile::open(path)));
    TRY(const RewrittenElf result, rewrite_elf(original.bytes(), edit.path, rewrite_));
    if (!result.changed) {
      if (!result.left_alone.empty())
        outcome_.left_alone.push_back(
            {edit.path, edit.bytes_before - edit.bytes_after, result.left_alone});
      return {};
    }
    const Bytes bytes = result.content.bytes();
    fates_[edit.path] = fate_of(bytes);
    const std::uint64_t saved = original.bytes().size() - bytes.size();
    struct stat before{};
    if (::lstat(path.c_str(), &before) != 0) return system_error(errno, "cannot read " + edit.path);
    TRY_DO(place.named(replace_file(path, path, bytes)));
    TRY_DO(relink({before.st_dev, before.st_ino}, edit.path));
    count_rewrite(outcome_, saved, result);
    return {};
  }

  Result<void> drop(const Edit& edit) {
    TRY(const Place place, place_of(edit.path));
    if (::unlink(place.path.c_str()) != 0 && errno != ENOENT)
      return system_error(errno, "cannot remove " + edit.path);
    fates_[edit.path].dropped = true;
    count(outcome_, edit.pass, edit.bytes_before - edit.bytes_after);
    return {};
  }

  /// The link takes the file's name atomically.
  Result<void> become_link(const Edit& edit) {
    const bool hard = edit.action == Action::kLink;
    TRY_DO(put_link(hard, edit.new_path, edit.path));
    const auto target = fates_.find(edit.new_path);
    if (!hard)
      fates_[edit.path].dropped = true;
    else if (target != fates_.end())
      fates_.insert_or_assign(edit.path, FileFate(target->second));
    count(outcome_, edit.pass, edit.bytes_before - edit.bytes_after);
    return {};
  }

  /// Package lists that may name an edited file: all in the tree. What conda and dpkg list may be
  /// the RECORD of a wheel, so those come first.
  Result<void> update_lists() {
    for (const bool wheels : {true, false})
      for (const std::string& path : tree_.lists)
        if ((*record_kind(path) == RecordKind::kWheelRecord) == wheels) TRY_DO(update_list(path));
    return {};
  }

  LayerOutcome take() { return std::move(outcome_); }

 private:
  Result<void> update_list(const std::string& path) {
    const Result<Place> place = place_of(path);
    if (!place) return {};
    Result<std::string> text = read_file(place->path, kMaxRecord);
    if (!text) return {};
    Result<std::optional<std::string>> updated =
        update_record(*record_kind(path), path, *text, fates_);
    if (!updated) {
      outcome_.notices.push_back(
          fmt::format("{} stays as it is: {}", path, updated.error().message));
      return {};
    }
    if (!*updated) return {};
    TRY_DO(place->named(replace_file(place->path, place->path, as_bytes(**updated))));
    fates_.insert_or_assign(path, fate_of(as_bytes(**updated)));
    return {};
  }

  /// The other names of the old content get the new one, each atomically. Names outside the tree
  /// keep the old: they are not ours.
  Result<void> relink(Inode old, const std::string& renewed) {
    const auto names = tree_.hard_links.find(old);
    if (names == tree_.hard_links.end()) return {};
    for (const std::string& name : names->second) {
      const Result<Place> place = place_of(name);
      struct stat status{};
      if (name == renewed || !place || ::lstat(place->path.c_str(), &status) != 0 ||
          Inode{status.st_dev, status.st_ino} != old)
        continue;
      TRY_DO(put_link(true, renewed, name));
      fates_.insert_or_assign(name, FileFate(fates_.at(renewed)));
    }
    return {};
  }

  /// `name` becomes a link: a hard one to the path `to`, or a symbolic one with that text.
  Result<void> put_link(bool hard, const std::string& to, const std::string& name) {
    TRY(const Place place, place_of(name));
    const std::filesystem::path& path = place.path;
    const std::filesystem::path beside = path.string() + ".flense-link";
    Place target;
    if (hard) {
      TRY(target, place_of(to));
    }
    if ((hard ? ::link(target.path.c_str(), beside.c_str())
              : ::symlink(to.c_str(), beside.c_str())) != 0)
      return system_error(errno, fmt::format("cannot link {} to {}", name, to));
    if (::rename(beside.c_str(), path.c_str()) == 0) return {};
    const int error = errno;
    ::unlink(beside.c_str());
    return system_error(error, "cannot replace " + name);
  }

  InPlace(const std::filesystem::path& root, UniqueFd fd, RewriteOptions rewrite)
      : shown_(root), root_(std::move(fd)), rewrite_(std::move(rewrite)), tree_(survey(root)) {}

  Result<Place> place_of(const std::string& path) const {
    TRY(UniqueFd directory, open_in_root(root_.get(), parent_path(path), O_PATH | O_DIRECTORY));
    std::filesystem::path named =
        fmt::format("/proc/self/fd/{}/{}", directory.get(), base_name(path));
    return Place{std::move(directory), std::move(named), shown_ / path};
  }

  std::filesystem::path shown_;
  UniqueFd root_;
  RewriteOptions rewrite_;
  Tree tree_;
  Fates fates_;
  LayerOutcome outcome_;
};

}  // namespace

Result<LayerOutcome> apply_in_place(const std::filesystem::path& root, const LayerPlan& plan,
                                    const CutRules& cuts, const Workplace& workplace) {
  TRY(InPlace tree, InPlace::open(root, rewrite_options(cuts, workplace)));
  for (const auto& [position, edit] : plan.edits) {
    switch (edit.action) {
      case Action::kRewrite:
        TRY_DO(tree.rewrite(edit));
        break;
      // On a file system every name of a content is equal: dropping one name moves nothing.
      case Action::kDrop:
      case Action::kRename:
        TRY_DO(tree.drop(edit));
        break;
      case Action::kLink:
      case Action::kSymlink:
        TRY_DO(tree.become_link(edit));
        break;
      case Action::kMoved:
      case Action::kRetarget:
      case Action::kPlace:
        break;
    }
    if (workplace.progress != nullptr) TRY_DO(workplace.progress->add(edit.bytes_before));
  }
  TRY_DO(tree.update_lists());
  return tree.take();
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
