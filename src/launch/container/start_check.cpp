#include "launch/container/start_check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "elf/file.h"
#include "launch/container/mount_plan.h"
#include "launch/container/process_plan.h"

namespace flense::launch {

namespace {

using State = ContainerPlace::State;

constexpr int kMostInterpreters = 4;  // BINPRM_MAX_RECURSION of the kernel
constexpr std::array<std::string_view, 3> kKernelPlaces = {"/proc", "/sys", "/dev"};

Error leads_into_proc(std::string_view what, std::string_view path, std::string_view place) {
  return {Code::kBadInput,
          path == place ? fmt::format("{} {} is in /proc", what, path)
                        : fmt::format("{} {} leads to {}", what, path, place),
          {},
          "nothing starts there: what its processes have open is outside the container",
          {}};
}

FileKind kind_on_host(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return FileKind::kMissing;
  return S_ISDIR(status.st_mode) ? FileKind::kDirectory : FileKind::kFile;
}

/// A link of the image leads to where the engine would make something, in what is bound or in what
/// it sets up itself.
bool is_led_astray(const OciMount& mount, const ContainerPlace& place) {
  if (place.path == "/") return true;
  for (const std::string_view of_kernel : {"/dev", "/sys"})
    if (is_below(place.path, of_kernel) && !is_below(mount.destination, of_kernel)) return true;
  return place.mounted && !place.fresh && place.state == State::kMissing &&
         place.path != mount.destination;
}

Result<void> check_target(const OciMount& mount, const ContainerPlace& place) {
  const bool of_kernel =
      std::ranges::find(kKernelPlaces, std::string_view(mount.destination)) != kKernelPlaces.end();
  if (of_kernel && place.path != mount.destination)
    return bad_input("the image has a link to {} in the place of {}", place.path,
                     mount.destination);
  if (of_kernel) return {};
  if (place.state == State::kProc)
    return std::unexpected(leads_into_proc("the mount target", mount.destination, place.path));
  if (is_led_astray(mount, place))
    return bad_input("the mount target {} leads to {}: nothing is made there", mount.destination,
                     place.path)
        .hint("the image has a link on the way; mount elsewhere");
  if (place.state == State::kLoop)
    return bad_input("the mount target {} is a loop of links in the image", mount.destination);
  if (place.state == State::kBelowFile)
    return bad_input("{} cannot be mounted on: the image has a file above it", mount.destination)
        .hint("mount elsewhere");
  if (place.state != State::kFound || mount.source.empty()) return {};
  const FileKind source = mount.type == "bind" ? kind_on_host(mount.source) : FileKind::kDirectory;
  // What is written for this launch does not exist yet.
  if (source == FileKind::kMissing) return {};
  const bool directory = place.kind == FileKind::kDirectory;
  if (directory != (source == FileKind::kDirectory))
    return bad_input("{} cannot be mounted on: the image has a {} there", mount.destination,
                     directory ? "directory" : "file")
        .hint("mount elsewhere");
  return {};
}

/// The first bytes, as far as the kernel reads them (BINPRM_BUF_SIZE).
std::string head_of(int place) {
  std::array<char, 256> head{};
  const UniqueFd fd(::open(fmt::format("/proc/self/fd/{}", place).c_str(),
                           O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  const ssize_t size = fd ? ::pread(fd.get(), head.data(), head.size(), 0) : 0;
  return {head.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

/// PT_INTERP; empty for a static program, and where it cannot be told.
std::string loader_of(int place, const std::string& path) {
  const UniqueFd fd(::open(fmt::format("/proc/self/fd/{}", place).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  const auto mapped = MappedFile::map(fd.get(), path);
  if (!mapped) return {};
  const auto file = elf::File::parse(mapped->bytes(), path);
  return file ? file->interpreter() : std::string();
}

/// The first word behind "#!", as the kernel takes it (binfmt_script).
std::string interpreter_of(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  line.remove_prefix(begin);
  return std::string(line.substr(0, line.find_first_of(std::string_view(" \t\0", 3))));
}

class Look {
 public:
  Look(const ContainerPaths& paths, std::string_view cwd) : paths_(paths), cwd_(cwd) {}

  Result<CommandCheck> at(const std::string& path, std::string_view what = "the command",
                          int depth = 0) const {
    const ContainerPlace place = paths_.find(path);
    if (place.state == State::kProc)
      return std::unexpected(leads_into_proc(what, path, place.path));
    TRY(CommandCheck out, judge(place, depth));
    if (!place.mounted) out.looked.push_back(place.path);
    return out;
  }

 private:
  static CommandCheck no(std::string reason) {
    return {CommandState::kNotExecutable, std::move(reason), {}};
  }

  Result<CommandCheck> judge(const ContainerPlace& place, int depth) const {
    if (place.state == State::kMissing || place.state == State::kBelowFile)
      return CommandCheck{CommandState::kMissing, "", {}};
    if (place.state == State::kLoop) return no("too many links");
    if (place.state == State::kForbidden) return no("permission denied");
    if (place.kind == FileKind::kDirectory) return no("it is a directory");
    struct stat status{};
    if (place.state == State::kUnknown || !place.fd || ::fstat(place.fd.get(), &status) != 0)
      return CommandCheck{};
    if (!S_ISREG(status.st_mode)) return no("it is not a regular file");
    if ((status.st_mode & 0111U) == 0) return no("permission denied");
    if (status.st_size == 0) return no("it is empty");
    return program(place, depth);
  }

  Result<CommandCheck> program(const ContainerPlace& place, int depth) const {
    const std::string head = head_of(place.fd.get());
    std::string next;
    const bool script = head.starts_with("#!");
    if (script) {
      const std::string line = head.substr(2, head.find('\n') - 2);
      next = interpreter_of(line);
      if (!next.empty() && next.front() != '/') next.insert(0, fmt::format("{}/", cwd_));
    } else if (head.starts_with("\x7f"
                                "ELF")) {
      next = loader_of(place.fd.get(), place.path);
    } else if (!head.empty()) {
      return no("it is not a program");
    }
    CommandCheck found{CommandState::kFound, "", {}};
    if (!next.starts_with('/')) return found;
    if (depth == kMostInterpreters) return no("too many nested interpreters");
    TRY(const CommandCheck below, at(next, "the interpreter", depth + 1));
    if (below.state == CommandState::kFound || below.state == CommandState::kUnknown) return found;
    const std::string why = below.reason.empty() ? "is not there" : below.reason;
    return no(fmt::format("its {} {}: {}", script ? "interpreter" : "loader", next, why));
  }

  const ContainerPaths& paths_;
  std::string_view cwd_;
};

}  // namespace

Result<ContainerPaths> check_mounts(int root, const std::vector<OciMount>& mounts,
                                    const std::vector<MissingTarget>& missing, bool as_caller) {
  ContainerPaths out(root, as_caller);
  for (const MissingTarget& target : missing) out.make(target.path, target.directory);
  for (const OciMount& mount : mounts) {
    const ContainerPlace place = out.mount(mount);
    TRY_DO(check_target(mount, place));
  }
  return out;
}

Result<std::string> check_directory(const ContainerPaths& paths, const std::string& directory) {
  const ContainerPlace place = paths.find(directory);
  if (place.state == State::kProc)
    return std::unexpected(leads_into_proc("the working directory", directory, place.path));
  // The engine creates it in memory.
  if (place.state == State::kUnknown || (place.state == State::kMissing && place.fresh))
    return place.path;
  const char* why = place.state == State::kMissing       ? "is not in the image"
                    : place.state == State::kBelowFile   ? "is not in the image"
                    : place.state == State::kLoop        ? "is a loop of links"
                    : place.state == State::kForbidden   ? "cannot be entered"
                    : place.kind != FileKind::kDirectory ? "is not a directory"
                                                         : nullptr;
  if (why == nullptr && paths.as_caller() && place.fd &&
      ::faccessat(place.fd.get(), "", X_OK, AT_EMPTY_PATH) != 0 && errno == EACCES)
    why = "cannot be entered";
  if (why == nullptr) return place.path;
  return fail(Code::kEnvironment, "the working directory {} {}", directory, why)
      .hint("-w DIR names another one, -v DIR:DIR brings one along");
}

Result<void> check_standard_streams() {
  for (const int fd : {0, 1, 2}) {
    struct stat status{};
    if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
      return fail(Code::kUsage, "the descriptor {} is a directory", fd)
          .hint(
              "a container gets no open directory of the host: redirect a file, or mount the "
              "directory with -v");
  }
  return {};
}

Result<CommandCheck> check_command(const ContainerPaths& paths,
                                   const std::vector<std::string>& args,
                                   const std::vector<std::string>& env, const std::string& cwd) {
  const Look look(paths, cwd);
  const std::string& program = args.front();
  CommandCheck out{CommandState::kMissing, "", {}};
  if (program.empty()) return out;
  if (program.find('/') != std::string::npos)
    return look.at(program.front() == '/' ? program : cwd + "/" + program);
  const std::string path = variable_in(env, "PATH").value_or("");
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    std::string directory = path.substr(begin, end - begin);
    begin = end + 1;
    if (!directory.starts_with('/')) directory = cwd + "/" + directory;
    TRY(CommandCheck here, look.at(directory + "/" + program));
    here.looked.insert(here.looked.begin(), out.looked.begin(), out.looked.end());
    const bool missing = here.state == CommandState::kMissing;
    if (missing) {
      out.looked = std::move(here.looked);
      continue;
    }
    out = std::move(here);
    if (out.state != CommandState::kNotExecutable) return out;
  }
  return out;
}

}  // namespace flense::launch
