#include "launch/container/sub_ids.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <vector>

#include "base/become.h"
#include "base/file.h"
#include "base/process.h"

namespace flense::launch {

namespace {

constexpr std::uint64_t kMaxRanges = 4u << 20;
constexpr const char* kSubUids = "/etc/subuid";
constexpr const char* kSubGids = "/etc/subgid";

std::optional<std::uint32_t> id_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<IdRange> range_in(const char* file, const Account& account) {
  const auto text = read_file(file, kMaxRanges);
  const auto range = text ? find_id_range(*text, account) : std::nullopt;
  if (range) return *range;
  const std::string who = account.name.empty() ? fmt::format("{}", account.uid) : account.name;
  return fail(Code::kEnvironment, "--sub-ids needs a range of ids for {}, and {} has none{}", who,
              file, text ? "" : " (" + text.error().message + ")")
      .hint(fmt::format(
          "root can assign one: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "
          "{}; without --sub-ids the command runs as you",
          who));
}

Result<std::string> mapper(const char* name) {
  if (const auto program = find_program(name)) return *program;
  return fail(Code::kEnvironment, "--sub-ids needs {}, which is not on PATH", name)
      .hint("apt-get install uidmap; without --sub-ids the command runs as you");
}

bool run_mapper(const std::string& program, pid_t target, std::uint32_t own, const IdRange& range) {
  // Set-uid, and independent of the user's environment.
  const NextProgram mapper(program,
                           {program, fmt::format("{}", target), "0", fmt::format("{}", own), "1",
                            "1", fmt::format("{}", range.start), fmt::format("{}", range.count)},
                           {});
  const pid_t child = ::fork();
  if (child == 0) {
    static_cast<void>(mapper.become());
    ::_exit(127);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return false;
  return child > 0 && status == 0;
}

}  // namespace

std::optional<IdRange> find_id_range(std::string_view text, const Account& account) {
  std::optional<IdRange> out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string_view who = line.substr(0, first);
    if (!(who == account.name && !who.empty()) && id_number(who) != account.uid) continue;
    const auto start = id_number(line.substr(first + 1, second - first - 1));
    const auto count = id_number(line.substr(second + 1));
    // 0 is root's, and the last id means none.
    if (!start || !count || *start == 0 || *count == 0 || *count > UINT32_MAX - *start) continue;
    if (!out || *count > out->count) out = IdRange{*start, *count};
  }
  return out;
}

Result<SubIds> find_sub_ids(const Account& account) {
  SubIds out;
  TRY(out.newuidmap, mapper("newuidmap"));
  TRY(out.newgidmap, mapper("newgidmap"));
  TRY(out.uids, range_in(kSubUids, account));
  TRY(out.gids, range_in(kSubGids, account));
  return out;
}

Result<void> check_in_range(const SubIds& ids, const Identity& user) {
  if (user.uid <= ids.uids.count && user.gid <= ids.gids.count) return {};
  const bool uid = user.uid > ids.uids.count;
  return fail(Code::kEnvironment, "the {} {} is not in the container: the range of {} has {}",
              uid ? "user" : "group", uid ? user.uid : user.gid, uid ? kSubUids : kSubGids,
              uid ? ids.uids.count : ids.gids.count)
      .hint("-u selects another one; without --sub-ids any can be used");
}

Result<void> enter_with_sub_ids(const SubIds& ids, const std::function<Result<void>()>& enter) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot create a pipe");
  const UniqueFd wait_for(pipe[0]);
  UniqueFd ready(pipe[1]);
  const pid_t self = ::getpid();
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  const pid_t outside = ::fork();
  if (outside < 0) return system_error(errno, "cannot start a process");
  if (outside == 0) {
    ready = UniqueFd();
    char byte = 0;
    if (::read(wait_for.get(), &byte, 1) != 1) ::_exit(1);
    const bool done = run_mapper(ids.newuidmap, self, uid, ids.uids) &&
                      run_mapper(ids.newgidmap, self, gid, ids.gids);
    ::_exit(done ? 0 : 1);
  }
  const Result<void> entered = enter();
  const char byte = 1;
  const bool told = entered && ::write(ready.get(), &byte, 1) == 1;
  ready = UniqueFd();
  int status = 0;
  while (::waitpid(outside, &status, 0) < 0)
    if (errno != EINTR) return system_error(errno, "cannot wait for a process");
  TRY_DO(entered);
  if (!told || status != 0)
    return fail(Code::kEnvironment, "newuidmap and newgidmap did not map the ids of {} and {}",
                kSubUids, kSubGids)
        .hint("their messages are above; without --sub-ids the command runs as you");
  return {};
}

}  // namespace flense::launch
