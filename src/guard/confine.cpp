#include "guard/confine.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <system_error>

#include "base/file.h"
#include "guard/system_calls.h"

namespace flense::guard {

namespace {

// linux/landlock.h, which is older than some of what kernels have.
constexpr long kCreateRuleset = 444, kAddRule = 445, kRestrictSelf = 446;
constexpr std::uint32_t kAskVersion = 1;
constexpr int kPathBeneath = 1;
struct Ruleset {
  std::uint64_t files, network, scopes;
};
struct __attribute__((packed)) PathBeneath {
  std::uint64_t allowed;
  std::int32_t parent;
};
constexpr std::uint64_t kExecute = 1 << 0, kWriteFile = 1 << 1, kReadFile = 1 << 2,
                        kReadDir = 1 << 3, kRemoveDir = 1 << 4, kRemoveFile = 1 << 5,
                        kMakeDir = 1 << 7, kMakeFile = 1 << 8, kTruncate = 1 << 14;
constexpr std::uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate;
/// From the first version on, then those that came with versions 2 (links and renames between
/// directories), 3 (truncation) and 5 (requests to devices).
constexpr std::uint64_t kFirst = (1 << 13) - 1;
constexpr std::array<std::uint64_t, 6> kNew = {0, 0, 1 << 13, 1 << 14, 0, 1 << 15};
/// TCP, with version 4; abstract sockets and signals to others, with version 6.
constexpr std::uint64_t kNetwork = 3, kScopes = 3;

Ruleset everything(int version) {
  Ruleset out{kFirst, version >= 4 ? kNetwork : 0, version >= 6 ? kScopes : 0};
  for (std::size_t at = 0; at < kNew.size() && at <= static_cast<std::size_t>(version); ++at)
    out.files |= kNew[at];
  return out;
}

/// Older kernels know a shorter structure.
std::size_t size_for(int version) {
  return version >= 6 ? sizeof(Ruleset) : version >= 4 ? 16 : 8;
}

class FileRules {
 public:
  FileRules(int version)
      : all_(everything(version)),
        fd_(static_cast<int>(::syscall(kCreateRuleset, &all_, size_for(version), 0))) {}

  void allow(const Reach::Paths& paths, std::uint64_t rights) const {
    for (const std::filesystem::path& path : paths) {
      const UniqueFd at(::open(path.c_str(), O_PATH | O_CLOEXEC));
      struct stat status{};
      if (!at || ::fstat(at.get(), &status) != 0) continue;
      PathBeneath rule{rights & all_.files & (S_ISDIR(status.st_mode) ? ~0ULL : kOfFiles),
                       at.get()};
      if (rule.allowed != 0) ::syscall(kAddRule, fd_.get(), kPathBeneath, &rule, 0);
    }
  }
  void enforce() const {
    if (fd_) ::syscall(kRestrictSelf, fd_.get(), 0);
  }

 private:
  Ruleset all_;
  UniqueFd fd_;
};

}  // namespace

Support support() {
  const long version = ::syscall(kCreateRuleset, nullptr, 0, kAskVersion);
  const std::uint32_t answer = SECCOMP_RET_TRAP;
  return {static_cast<int>(std::max(version, 0L)),
          ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &answer) == 0};
}

void confine(const Reach& reach) {
  const Support has = support();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return;
  if (has.landlock > 0) {
    const FileRules rules(has.landlock);
    constexpr std::uint64_t kScratch = kReadFile | kWriteFile | kTruncate | kMakeFile | kRemoveFile;
    rules.allow(reach.read, kReadFile | kReadDir);
    rules.allow(reach.list, kReadDir);
    rules.allow(reach.scratch, kScratch);
    rules.allow(reach.change, kScratch | kReadDir | kMakeDir | kRemoveDir);
    rules.enforce();
  }
  if (!has.seccomp) return;
  std::vector<sock_filter> program = call_filter(::getpid());
  const sock_fprog whole{static_cast<unsigned short>(program.size()), program.data()};
  ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &whole);
}

void add_with_links(const std::filesystem::path& directory, Reach::Paths& out) {
  constexpr std::size_t kMost = 4096;
  out.push_back(directory);
  std::error_code error;
  std::size_t seen = 0;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (++seen > kMost) return;
    if (at->is_symlink(ignored) && at->is_regular_file(ignored)) out.push_back(at->path());
  }
}

}  // namespace flense::guard
