#include "launch/running.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "launch/container/capabilities.h"
#include "launch/container/environment.h"
#include "launch/container/host_kernel.h"
#include "launch/container/numa.h"
#include "launch/container/stage.h"
#include "text/json.h"

namespace flense::launch {

namespace {

constexpr std::uint64_t kMaxStatus = 1u << 20, kMaxStat = 64u << 10;
constexpr std::uint64_t kMaxConfig = 16u << 20;
constexpr std::size_t kMostNames = 10;
constexpr nlink_t kManyStates = 64;
constexpr const char* kProcessFile = "process.json";

/// Field 22 of /proc/PID/stat; 0 when there is no such process, or it has ended.
std::uint64_t start_time_of(int pid) {
  const auto text = read_file(fmt::format("/proc/{}/stat", pid), kMaxStat);
  if (!text) return 0;
  // The name, in parentheses, may hold anything.
  const std::size_t close = text->rfind(')');
  if (close == std::string::npos) return 0;
  std::string_view rest = std::string_view(*text).substr(close + 1);
  // A process that has ended stays listed until its parent reaps it.
  if (rest.starts_with(" Z") || rest.starts_with(" X")) return 0;
  for (int field = 2; field < 22; ++field) {
    const std::size_t space = rest.find(' ');
    if (space == std::string_view::npos) return 0;
    rest.remove_prefix(space + 1);
  }
  std::uint64_t out = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), out);
  return out;
}

std::optional<Running> read_status(const std::filesystem::path& directory) {
  const auto text = read_file(directory / "status", kMaxStatus);
  if (!text) return std::nullopt;
  const auto json = text::parse_json(*text, "status");
  if (!json) return std::nullopt;
  Running out;
  out.id = directory.filename().string();
  const std::uint64_t pid = (*json)["pid"].unsigned_or(0);
  if (pid == 0 || pid > INT32_MAX) return std::nullopt;
  out.pid = static_cast<int>(pid);
  out.start_time = (*json)["process-start-time"].unsigned_or(0);
  return out;
}

bool lives(const Running& container) {
  const std::uint64_t now = start_time_of(container.pid);
  return now != 0 && now == container.start_time;
}

/// crun makes the directory some milliseconds before it writes the state; killed between, it leaves
/// the directory alone.
bool is_young(const std::filesystem::path& directory) {
  constexpr std::time_t kLongestStart = 10;
  struct stat status{};
  return ::stat(directory.c_str(), &status) == 0 &&
         std::time(nullptr) - status.st_mtim.tv_sec < kLongestStart;
}

/// crun writes the state when the container's first process runs already, and may be heard of.
void await_status(const std::filesystem::path& directory) {
  constexpr int kTries = 200;
  constexpr auto kPause = std::chrono::milliseconds(10);
  std::error_code error;
  for (int i = 0; i < kTries && std::filesystem::is_directory(directory, error); ++i) {
    if (read_status(directory)) return;
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

std::vector<Running> list_running(const RuntimePlaces& places) {
  std::vector<Running> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(places.state(), error), end; !error && at != end;
       at.increment(error))
    if (auto one = read_status(at->path()); one && lives(*one)) out.push_back(std::move(*one));
  std::sort(out.begin(), out.end(), [](const Running& a, const Running& b) { return a.id < b.id; });
  return out;
}

Result<Running> find_running(const RuntimePlaces& places, const std::string& name) {
  await_status(places.state() / name);
  const std::vector<Running> all = list_running(places);
  std::vector<const Running*> near;
  for (const Running& one : all) {
    if (one.id == name) return one;
    if (one.id.starts_with(name)) near.push_back(&one);
  }
  if (near.size() == 1) return *near.front();
  std::vector<std::string> names;
  for (const Running& one : all)
    if (names.size() < kMostNames) names.push_back(one.id);
  return fail(Code::kUsage, "{} '{}'",
              near.empty() ? "no running container is called" : "several begin with", name)
      .hint(names.empty() ? "flense run --name NAME gives one a name"
                          : fmt::format("running: {}", fmt::join(names, ", ")));
}

Result<void> clear_dead(const RuntimePlaces& places, const std::string& name) {
  const std::filesystem::path directory = places.state() / name;
  std::error_code error;
  if (!std::filesystem::exists(directory, error)) return {};
  const auto status = read_status(directory);
  if (status && lives(*status))
    return fail(Code::kEnvironment, "a container '{}' is already running", name)
        .hint(fmt::format("flense exec {} COMMAND runs a command in it", name));
  // Without a readable state it may still be starting, for a while.
  if (!status && is_young(directory))
    return fail(Code::kEnvironment, "a container '{}' is starting, or {} holds the remains of one",
                name, directory.string())
        .hint("choose another --name");
  std::filesystem::remove_all(directory, error);
  if (error) return system_error(error.value(), "cannot remove " + directory.string());
  return {};
}

void forget_dead(const RuntimePlaces& places) {
  // Where directories count their subdirectories, this is the count.
  struct stat status{};
  if (::stat(places.state().c_str(), &status) != 0 || status.st_nlink < kManyStates) return;
  std::error_code error;
  std::vector<std::filesystem::path> dead;
  for (std::filesystem::directory_iterator at(places.state(), error), end; !error && at != end;
       at.increment(error))
    if (const auto one = read_status(at->path()); one ? !lives(*one) : !is_young(at->path()))
      dead.push_back(at->path());
  for (const std::filesystem::path& path : dead) std::filesystem::remove_all(path, error);
}

Result<ExecPlan> plan_exec(const Running& container, const ExecRequest& request,
                           const Engine& engine, const RuntimePlaces& places) {
  TRY(const std::string text, read_file(places.state() / container.id / "config.json", kMaxConfig));
  TRY(const text::Json config, text::parse_json(text, "config.json of " + container.id));
  TRY_DO(check_standard_streams());
  ExecPlan out;
  out.container = container;
  out.place = places.stage();
  out.process = config["process"];
  out.cgroup = config["linux"]["cgroupsPath"].text();
  if (!out.process.is_object()) return bad_input("the state of '{}' has no process", container.id);
  Environment env;
  for (const text::Json& item : out.process["env"].items()) env.set(std::string(item.text()));
  env.set(request.env);
  const auto list = [](const std::vector<std::string>& items) {
    text::Json json = text::Json::array();
    for (const std::string& item : items) json.push(item);
    return json;
  };
  // What joins the container runs in the same place as its command.
  std::vector<std::string> args;
  for (const text::Json& item : out.process["args"].items()) args.emplace_back(item.text());
  args = placing_words_of(args);
  args.insert(args.end(), request.command.begin(), request.command.end());
  if (request.workdir) out.process.set("cwd", *request.workdir);
  out.process.set("args", list(args));
  out.process.set("env", list(env.items()));
  out.process.set("terminal", request.terminal);
  // Whatever has become of the state: it may be where a container could write.
  out.process.set("noNewPrivileges", true);
  // What the first process sees as its root, with everything mounted there.
  const UniqueFd root(::open(fmt::format("/proc/{}/root", container.pid).c_str(),
                             O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (root) {
    std::vector<std::string> capabilities;
    for (const text::Json& one : out.process["capabilities"]["effective"].items())
      capabilities.emplace_back(one.text());
    const bool as_caller =
        leave_files_alone(capabilities) && config["linux"]["uidMappings"].items().size() == 1;
    const ContainerPaths paths(root.get(), as_caller);
    TRY(const std::string directory,
        check_directory(paths, std::string(out.process["cwd"].text("/"))));
    TRY(out.command, check_command(paths, request.command, env.items(), directory));
    out.process.set("cwd", directory);
  }
  if (request.terminal || is_job()) out.supervise = Supervision{false, request.terminal, false};
  out.argv = {engine.program, "--root",    places.state(),           "--cgroup-manager=disabled",
              "exec",         "--process", out.place / kProcessFile, container.id};
  return out;
}

Result<int> start_exec(const ExecPlan& plan) {
  // A descriptor for the process, so that its id cannot come to mean another one.
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, plan.container.pid, 0)));
  if (!process || !lives(plan.container))
    return fail(Code::kEnvironment, "the container '{}' has ended", plan.container.id);
  const UniqueFd inner(
      ::open(fmt::format("/proc/{}/ns/user", plan.container.pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!inner)
    return system_error(errno, fmt::format("cannot join the container '{}'", plan.container.id));
  const UniqueFd outer(::ioctl(inner.get(), NS_GET_PARENT));
  if (!outer) return system_error(errno, "cannot find the container's outer user namespace");
  if (!lives(plan.container))
    return fail(Code::kEnvironment, "the container '{}' has ended", plan.container.id);
  if (!plan.cgroup.empty()) TRY_DO(join_divided_cgroup("/sys/fs/cgroup", plan.cgroup));
  if (const int error = once_alone([&] { return ::setns(outer.get(), CLONE_NEWUSER); }))
    return system_error(error, "cannot join the container's outer user namespace");
  if (::unshare(CLONE_NEWNS) != 0) return system_error(errno, "cannot create a mount namespace");
  if (cgroup_layout("/sys/fs/cgroup") == CgroupLayout::kHybrid &&
      ::mount("tmpfs", "/sys/fs/cgroup/unified", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k") != 0)
    return system_error(errno, "cannot cover /sys/fs/cgroup/unified");
  if (::mount("tmpfs", plan.place.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=16m") !=
      0)
    return system_error(errno, "cannot mount a tmpfs on " + plan.place.string());
  const std::filesystem::path file = plan.place / kProcessFile;
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return system_error(errno, "cannot create " + file.string());
  TRY_DO(write_fully(fd.get(), as_bytes(text::dump_json(plan.process)), file.string()));
  const auto become = [&] { return become_engine(plan.argv); };
  if (plan.supervise) return supervise(*plan.supervise, become);
  TRY_DO(become());
  return 0;
}

}  // namespace flense::launch
