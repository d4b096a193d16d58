#include "slim/apply/changed_tree.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>
#include <utility>

#include "base/binary_fields.h"
#include "base/in_root.h"
#include "base/path.h"

namespace flense::slim {

namespace {

constexpr const char* kJournal = "journal";
constexpr const char* kJournalDraft = "journal.new";
constexpr std::string_view kMagic = "flense in-place journal 1\n";
constexpr std::uint64_t kMaxJournal = 256U << 20;

/// What rename(2) cannot cross: mounts, and the subvolumes that btrfs shows as devices.
bool same_mount(int a, int b) {
  struct statx left{}, right{};
  if (::statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &left) != 0 ||
      ::statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &right) != 0)
    return true;
  return left.stx_mnt_id == right.stx_mnt_id && left.stx_dev_major == right.stx_dev_major &&
         left.stx_dev_minor == right.stx_dev_minor;
}

/// FS_IOC_GETFLAGS; 0 where the file system has none.
unsigned flags_of(const Place& place) {
  const UniqueFd fd(::openat(place.directory.get(), place.name.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  long flags = 0;
  if (!fd || ::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) != 0) return 0;
  return static_cast<unsigned>(flags);
}

std::vector<std::string> names_in(int directory) {
  std::vector<std::string> out;
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const UniqueDirectory list(copy < 0 ? nullptr : ::fdopendir(copy));
  while (const dirent* item = list ? ::readdir(list.get()) : nullptr) {
    const std::string_view name(static_cast<const char*>(item->d_name));
    if (name != "." && name != "..") out.emplace_back(name);
  }
  return out;
}

UniqueFd open_work_of(int root) {
  return UniqueFd(::openat(root, std::string(kInPlaceWork).c_str(),
                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

}  // namespace

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

std::string journal_of(const std::vector<TreeStep>& steps) {
  BinaryWriter out;
  out.raw(kMagic);
  out.put(steps);
  return out.take();
}

Result<std::vector<TreeStep>> parse_journal(Bytes bytes, std::string_view name) {
  BinaryReader in(bytes);
  std::vector<TreeStep> out;
  if (in.raw(kMagic.size()) != kMagic)
    return bad_input("{} does not begin as a journal of --in-place", name);
  in.get(out);
  if (!in.good() || !in.at_end())
    return bad_input("{} is damaged: it ends too early, or more follows its {} steps", name,
                     out.size());
  for (const TreeStep& step : out) {
    const auto normal = normalise_member_path(step.path);
    const std::string_view first = std::string_view(step.path).substr(0, step.path.find('/'));
    if (!normal || *normal != step.path || step.path.empty() || first == kInPlaceWork)
      return bad_input("{} names '{}', which is no file of the tree", name, step.path);
  }
  return out;
}

Result<void> check_whole(const std::filesystem::path& root) {
  const UniqueFd fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd || !open_work_of(fd.get())) return {};
  return fail(Code::kEnvironment, "{} holds the work of an --in-place run that has not ended",
              root.string())
      .hint(
          "wait for that run; if it was killed, run slim --in-place again, which finishes or "
          "takes back what it began");
}

Result<ChangedTree> ChangedTree::open(const std::filesystem::path& root) {
  UniqueFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return system_error(errno, "cannot open " + root.string());
  // Network file systems may have no such locks.
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return fail(Code::kEnvironment, "another slim --in-place changes {} now", root.string())
        .hint("wait until it has ended");
  if (::faccessat(fd.get(), ".", W_OK | X_OK, AT_EACCESS) != 0)
    return system_error(errno, "cannot change " + root.string())
        .hint("run as the owner of the tree, or as root");
  ChangedTree out(root, std::move(fd));
  TRY_DO(with_hint(out.recover(), fmt::format("to leave the tree as the killed run left it, "
                                              "remove {}",
                                              (root / kInPlaceWork).string())));
  return out;
}

ChangedTree::~ChangedTree() {
  if (work_ && root_) static_cast<void>(remove_work());
}

Result<void> ChangedTree::recover() {
  UniqueFd work = open_work_of(root_.get());
  if (!work && errno == ENOENT) return {};
  const std::string shown = (shown_ / kInPlaceWork).string();
  if (!work) return system_error(errno, "cannot open " + shown);
  struct stat status{};
  if (::fstat(work.get(), &status) != 0) return system_error(errno, "cannot read " + shown);
  if (status.st_uid != ::geteuid() || (status.st_mode & 077U) != 0)
    return fail(Code::kEnvironment, "{} was not made by a run of this user", shown);
  const std::string name = shown + "/" + kJournal;
  const UniqueFd journal(
      ::openat(work.get(), kJournal, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!journal && errno != ENOENT) return system_error(errno, "cannot open " + name);
  if (journal) {
    if (::fstat(journal.get(), &status) != 0 || !S_ISREG(status.st_mode))
      return bad_input("{} is no regular file", name);
    FdSource source(journal.get(), name);
    TRY(const std::string text, read_all(source, kMaxJournal, name));
    TRY(const std::vector<TreeStep> steps, parse_journal(as_bytes(text), name));
    work_ = std::move(work);
    const Result<void> done = perform(steps, true);
    if (!done) {
      // The journal stays for the next try.
      work_ = {};
      return done;
    }
    notice_ = fmt::format(
        "an earlier --in-place run was killed; its {} changes were finished first", steps.size());
  } else {
    work_ = std::move(work);
    notice_ =
        "an earlier --in-place run was killed before it changed anything; its leftovers were "
        "removed";
  }
  return remove_work();
}

Result<Place> ChangedTree::place_of(const std::string& path) const {
  TRY(UniqueFd directory, open_in_root(root_.get(), parent_path(path), O_PATH | O_DIRECTORY));
  std::string name(base_name(path));
  std::filesystem::path through = fmt::format("/proc/self/fd/{}/{}", directory.get(), name);
  return Place{std::move(directory), std::move(name), std::move(through), shown_ / path};
}

std::string ChangedTree::refusal(const Place& place, bool removed) const {
  const unsigned flags = flags_of(place);
  if ((flags & static_cast<unsigned>(FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0)
    return "its attributes forbid changes (chattr +i or +a)";
  if (!removed && !same_mount(place.directory.get(), root_.get()))
    return "it lies on another mount than the tree's root";
  return {};
}

Result<void> ChangedTree::open_work() {
  if (work_) return {};
  const std::string name(kInPlaceWork);
  if (::mkdirat(root_.get(), name.c_str(), 0700) != 0)
    return system_error(errno, "cannot create " + (shown_ / name).string());
  work_ = open_work_of(root_.get());
  if (!work_) return system_error(errno, "cannot open " + (shown_ / name).string());
  return {};
}

Result<void> ChangedTree::stage(const std::string& path, const Place& place, Bytes content) {
  TRY_DO(open_work());
  TRY(const UniqueFd original, place.named(open_read(place.path)));
  const std::string shown = place.shown.string();
  const UniqueFd fd(
      ::openat(work_.get(), next_name().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return system_error(errno, "cannot create the new " + shown);
  TRY_DO(write_fully(fd.get(), content, "the new " + shown));
  TRY_DO(copy_metadata(original.get(), fd.get(), shown));
  steps_.push_back({path, false});
  return {};
}

Result<void> ChangedTree::stage_link(const std::string& path, const std::string& other) {
  TRY_DO(open_work());
  const auto staged = std::ranges::find_if(
      steps_, [&](const TreeStep& step) { return !step.removes && step.path == other; });
  int error = 0;
  if (staged != steps_.end()) {
    const std::string number = std::to_string(std::distance(steps_.begin(), staged));
    if (::linkat(work_.get(), number.c_str(), work_.get(), next_name().c_str(), 0) != 0)
      error = errno;
  } else {
    TRY(const Place target, place_of(other));
    if (::linkat(target.directory.get(), target.name.c_str(), work_.get(), next_name().c_str(),
                 0) != 0)
      error = errno;
  }
  if (error != 0) return system_error(error, fmt::format("cannot link {} to {}", path, other));
  steps_.push_back({path, false});
  return {};
}

Result<void> ChangedTree::stage_symlink(const std::string& path, const std::string& text) {
  TRY_DO(open_work());
  if (::symlinkat(text.c_str(), work_.get(), next_name().c_str()) != 0)
    return system_error(errno, fmt::format("cannot link {} to {}", path, text));
  steps_.push_back({path, false});
  return {};
}

void ChangedTree::stage_removal(const std::string& path) {
  steps_.push_back({path, true});
}

/// What can be known beforehand to stop a step: nothing has changed yet.
Result<void> ChangedTree::write_journal() const {
  std::string checked = "/";
  for (const TreeStep& step : steps_) {
    const std::string_view parent = parent_path(step.path);
    if (parent == checked) continue;
    checked = parent;
    TRY(const Place place, place_of(step.path));
    if (::faccessat(place.directory.get(), ".", W_OK | X_OK, AT_EACCESS) != 0)
      return system_error(errno, "cannot change " + place.shown.parent_path().string())
          .hint("run as the owner of the tree, or as root");
  }
  // One call for all files; each alone takes a thousand times as long.
  if (::syncfs(work_.get()) != 0) return system_error(errno, "cannot sync " + shown_.string());
  const UniqueFd fd(
      ::openat(work_.get(), kJournalDraft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return system_error(errno, "cannot create a journal in " + shown_.string());
  TRY_DO(write_fully(fd.get(), as_bytes(journal_of(steps_)), "the journal"));
  if (::fsync(fd.get()) != 0 ||
      ::renameat(work_.get(), kJournalDraft, work_.get(), kJournal) != 0 ||
      ::fsync(work_.get()) != 0)
    return system_error(errno, "cannot write the journal in " + shown_.string());
  return {};
}

Result<void> ChangedTree::commit() {
  if (steps_.empty()) return {};
  TRY_DO(open_work());
  TRY_DO(write_journal());
  if (Result<void> done = perform(steps_, false); !done) {
    work_ = {};
    return with_hint(std::move(done),
                     "once the cause is gone, run slim --in-place again: it "
                     "finishes what this run began");
  }
  steps_.clear();
  return remove_work();
}

/// `again`: what is missing was done before the other run was killed.
Result<void> ChangedTree::perform(const std::vector<TreeStep>& steps, bool again) const {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    TRY(const Place place, place_of(steps[i].path));
    const int directory = place.directory.get();
    const bool done = steps[i].removes
                          ? ::unlinkat(directory, place.name.c_str(), 0) == 0 || errno == ENOENT
                          : ::renameat(work_.get(), std::to_string(i).c_str(), directory,
                                       place.name.c_str()) == 0 ||
                                (again && errno == ENOENT);
    if (!done)
      return system_error(errno,
                          fmt::format("cannot {} {}", steps[i].removes ? "remove" : "replace",
                                      place.shown.string()));
  }
  if (::syncfs(root_.get()) != 0) return system_error(errno, "cannot sync " + shown_.string());
  return {};
}

/// The journal goes first, for good: were it to come back with a lost power, it would act on a tree
/// that has changed since.
Result<void> ChangedTree::remove_work() {
  const UniqueFd work = std::move(work_);
  const std::string shown = (shown_ / kInPlaceWork).string();
  if (::unlinkat(work.get(), kJournal, 0) == 0) static_cast<void>(::fsync(work.get()));
  for (const std::string& name : names_in(work.get()))
    if (::unlinkat(work.get(), name.c_str(), 0) != 0)
      return system_error(errno, fmt::format("cannot remove {}/{}", shown, name));
  if (::unlinkat(root_.get(), std::string(kInPlaceWork).c_str(), AT_REMOVEDIR) != 0)
    return system_error(errno, "cannot remove " + shown);
  return {};
}

}  // namespace flense::slim
