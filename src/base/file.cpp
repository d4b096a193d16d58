#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <system_error>

#include "base/numbers.h"
#include "base/staging.h"

namespace flense {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

Failure unreachable(int errno_value, const std::filesystem::path& path) {
  if (errno_value == ENOENT || errno_value == ENOTDIR)
    return bad_input("{}: no such file or directory", path.string()).at(path.string());
  return system_error(errno_value, "cannot open " + path.string()).at(path.string());
}

namespace {

/// The next step is where the output should be.
Failure not_created(int errno_value, std::string_view what, const std::filesystem::path& output) {
  const std::string parent = parent_of(output).string();
  Failure out =
      system_error(errno_value, fmt::format("cannot create {} beside {}", what, output.string()));
  if (errno_value == ENOENT) return std::move(out).hint("mkdir -p " + parent);
  return std::move(out).at(parent);
}

}  // namespace

Result<UniqueFd> open_read(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  // A pipe that nobody opens to write.
  if (fd < 0 && errno == EINTR) return interrupted();
  if (fd < 0) return unreachable(errno, path);
  return UniqueFd(fd);
}

Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t limit) {
  TRY(UniqueFd fd, open_read(path));
  FdSource source(fd.get(), path.string());
  return read_all(source, limit, path.string());
}

namespace {

FileIdentity identity_of(const struct stat& status) {
  const auto nanoseconds = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return {status.st_ino, static_cast<std::uint64_t>(status.st_size), nanoseconds(status.st_mtim),
          nanoseconds(status.st_ctim)};
}

}  // namespace

std::optional<FileIdentity> file_identity(const std::filesystem::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return identity_of(status);
}

struct MappedFile::State {
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (data != nullptr) ::munmap(data, size);
  }
  void* data = nullptr;
  std::size_t size = 0;
  std::string name;
  std::optional<FileIdentity> identity;
};

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  TRY(UniqueFd fd, open_read(path));
  return map(fd.get(), path.string());
}

Result<MappedFile> MappedFile::map(int fd, std::string name) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return system_error(errno, "cannot read " + name);
  if (!S_ISREG(status.st_mode)) return bad_input("{} is not a regular file", name);
  auto state = std::make_shared<State>();
  state->name = std::move(name);
  state->size = static_cast<std::size_t>(status.st_size);
  if (state->size > 0) {
    void* data = ::mmap(nullptr, state->size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return system_error(errno, "cannot map " + state->name);
    state->data = data;
  }
  if (status.st_nlink > 0) state->identity = identity_of(status);
  MappedFile out;
  out.state_ = std::move(state);
  return out;
}

Bytes MappedFile::bytes() const {
  if (!state_) return {};
  return {static_cast<const std::byte*>(state_->data), state_->size};
}

const std::optional<FileIdentity>& MappedFile::identity() const {
  static const std::optional<FileIdentity> kNone;
  return state_ ? state_->identity : kNone;
}

bool MappedFile::unchanged() const {
  return !identity() || file_identity(name()) == identity();
}

const std::string& MappedFile::name() const {
  static const std::string kNone;
  return state_ ? state_->name : kNone;
}

Result<UniqueFd> open_scratch(const std::filesystem::path& dir) {
  const std::filesystem::path where = dir.empty() ? std::filesystem::path("/tmp") : dir;
  int fd = ::open(where.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return UniqueFd(fd);
  // Not every file system has O_TMPFILE (NFS, some FUSE): create and unlink.
  std::string name = (where / ".flense-scratch-XXXXXX").string();
  fd = ::mkostemp(name.data(), O_CLOEXEC);
  // An image root may have no /tmp at all: fall back to memory.
  if (fd < 0 && errno == ENOENT)
    if (const int memory = ::memfd_create("flense-scratch", MFD_CLOEXEC); memory >= 0)
      return UniqueFd(memory);
  if (fd < 0) return system_error(errno, "cannot create a scratch file in " + where.string());
  ::unlink(name.c_str());
  return UniqueFd(fd);
}

Result<void> write_fully(int fd, Bytes bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      return system_error(errno, fmt::format("cannot write {}", name));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> write_new_file(const std::filesystem::path& path, std::string_view text,
                            unsigned mode) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd) return system_error(errno, "cannot create " + path.string());
  return write_fully(fd.get(), as_bytes(text), path.string());
}

Result<void> fsync_path(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error(errno, "cannot open " + path.string());
  UniqueFd owner(fd);
  if (::fsync(fd) != 0) return system_error(errno, "cannot sync " + path.string());
  return {};
}

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path, unsigned mode) {
  remove_stale_staging(path);
  std::string name = staging_pattern(path);
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return not_created(errno, "a file", path);
  mark_as_written(fd);
  AtomicFile out;
  out.fd_ = UniqueFd(fd);
  out.path_ = path;
  out.temporary_ = name;
  if (::fchmod(fd, mode) != 0) return system_error(errno, "cannot set the mode of " + name);
  return out;
}

namespace {

/// Which open file of this process a name means; opened anew it would be written from its start.
std::optional<int> descriptor_of(std::string_view name) {
  // As the Filesystem Hierarchy Standard has it, 6.1.4.
  if (name == "/dev/stdout") return 1;
  if (name == "/dev/stderr") return 2;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"})
    if (name.starts_with(folder))
      if (const auto number = parse_number(name.substr(folder.size()));
          number && *number <= INT_MAX)
        return static_cast<int>(*number);
  return std::nullopt;
}

}  // namespace

Result<AtomicFile> AtomicFile::create_named(const std::filesystem::path& path) {
  struct stat status{};
  const bool there = ::stat(path.c_str(), &status) == 0;
  const std::string& name = path.native();
  std::error_code ignored;
  const bool link = std::filesystem::is_symlink(path, ignored);
  // Links below these lead to open files, which must not be replaced behind their owner's back.
  const bool open_file = link && (name.starts_with("/dev/") || name.starts_with("/proc/"));
  if (there && (open_file || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)))) {
    AtomicFile out;
    const auto ours = descriptor_of(name);
    out.fd_ = UniqueFd(ours ? ::fcntl(*ours, F_DUPFD_CLOEXEC, 3)
                            : ::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!out.fd_) return system_error(errno, "cannot open " + name);
    return out;
  }
  std::error_code unresolved;
  std::filesystem::path real = path;
  if (link && there) real = std::filesystem::canonical(path, unresolved);
  // A link to a file that is not there yet.
  if (link && !there) real = path.parent_path() / std::filesystem::read_symlink(path, unresolved);
  if (unresolved) return system_error(unresolved.value(), "cannot resolve " + name);
  return create(real, there ? status.st_mode & 07777U : 0644U);
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> AtomicFile::commit() {
  if (path_.empty()) return {};
  if (::fsync(fd_.get()) != 0) return system_error(errno, "cannot sync " + temporary_.string());
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    return system_error(errno, "cannot rename to " + path_.string());
  temporary_.clear();
  return fsync_path(parent_of(path_));
}

Result<void> save_named(const std::filesystem::path& path, std::string_view text) {
  TRY(AtomicFile file, AtomicFile::create_named(path));
  TRY_DO(write_fully(file.fd(), as_bytes(text), path.native()));
  return file.commit();
}

Result<AtomicDirectory> AtomicDirectory::create(const std::filesystem::path& path) {
  std::filesystem::path clean = path;
  if (!clean.has_filename()) clean = clean.parent_path();
  struct stat status{};
  if (::lstat(clean.c_str(), &status) == 0)
    return fail(Code::kEnvironment, "{} already exists", clean.string())
        .hint("name an output that does not exist yet, or remove this one first");
  remove_stale_staging(clean);
  std::string name = staging_pattern(clean);
  if (::mkdtemp(name.data()) == nullptr) return not_created(errno, "a directory", clean);
  AtomicDirectory out;
  out.path_ = clean;
  out.staging_ = name;
  out.lock_ = UniqueFd(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (out.lock_.get() < 0) return system_error(errno, "cannot open " + name);
  mark_as_written(out.lock_.get());
  if (::chmod(name.c_str(), 0755) != 0)
    return system_error(errno, "cannot set the mode of " + name);
  return out;
}

AtomicDirectory::~AtomicDirectory() {
  if (staging_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(staging_, ignored);
}

Result<void> AtomicDirectory::commit() {
  // syncfs reaches every file of the tree in one call; per-file fsync of 100,000 files takes
  // minutes.
  if (::syncfs(lock_.get()) != 0) return system_error(errno, "cannot sync " + staging_.string());
  if (::rename(staging_.c_str(), path_.c_str()) != 0)
    return system_error(errno, "cannot rename to " + path_.string());
  staging_.clear();
  return fsync_path(parent_of(path_));
}

}  // namespace flense
