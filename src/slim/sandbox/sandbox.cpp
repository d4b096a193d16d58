#include "slim/sandbox/sandbox.h"

#include <system_error>
#include <utility>

#include "base/process.h"

namespace flense::slim {

namespace {

constexpr std::uint64_t kOutputLimit = 64u << 20;

bool has_shell(const std::filesystem::path& root) {
  // A symbolic link counts: it is resolved inside the sandbox, never here.
  std::error_code ignored;
  const auto type = std::filesystem::symlink_status(root / "bin/sh", ignored).type();
  if (type == std::filesystem::file_type::regular || type == std::filesystem::file_type::symlink)
    return true;
  const auto bin = std::filesystem::symlink_status(root / "bin", ignored).type();
  return bin == std::filesystem::file_type::symlink &&
         std::filesystem::exists(std::filesystem::symlink_status(root / "usr/bin/sh", ignored));
}

std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (c != ' ' && c != '\t') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

}  // namespace

Result<void> add_mount_points(const std::filesystem::path& root) {
  for (const char* name : {"proc", "dev", "tmp"}) {
    std::error_code error;
    // A symbolic link of that name would lead out of the root: the sandbox then says so itself.
    if (std::filesystem::exists(std::filesystem::symlink_status(root / name, error))) continue;
    std::filesystem::create_directory(root / name, error);
    if (error) return system_error(error.value(), "cannot create " + (root / name).string());
  }
  return {};
}

std::vector<std::string> command_words(const std::string& command, bool shell) {
  if (shell) return {"/bin/sh", "-c", command};
  return split_words(command);
}

std::vector<std::string> sandbox_arguments(const std::string& bwrap,
                                           const std::filesystem::path& root,
                                           const std::vector<std::string>& words,
                                           const SandboxEnvironment& environment,
                                           const std::vector<std::string>& scratch, int filter) {
  std::vector<std::string> argv = {bwrap,
                                   "--unshare-all",
                                   "--die-with-parent",
                                   "--new-session",
                                   "--ro-bind",
                                   root.string(),
                                   "/",
                                   "--proc",
                                   "/proc",
                                   "--dev",
                                   "/dev",
                                   "--clearenv"};
  for (const std::string& directory : scratch)
    argv.insert(argv.end(), {"--tmpfs", "/" + directory});
  for (const std::string& variable : environment.environment) {
    const std::size_t equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    argv.insert(argv.end(), {"--setenv", variable.substr(0, equals), variable.substr(equals + 1)});
  }
  argv.insert(argv.end(),
              {"--chdir", environment.working_directory.empty() ? std::string("/")
                                                                : environment.working_directory});
  if (filter >= 0) argv.insert(argv.end(), {"--seccomp", std::to_string(filter)});
  // Whatever the command begins with, it is no option of bubblewrap.
  argv.emplace_back("--");
  argv.insert(argv.end(), words.begin(), words.end());
  return argv;
}

Result<SandboxStart> prepare_sandbox(const std::filesystem::path& root,
                                     const std::vector<std::string>& words,
                                     const SandboxEnvironment& environment, std::string_view option,
                                     int filter) {
  const auto bwrap = find_program("bwrap");
  if (!bwrap) {
    return fail(Code::kEnvironment, "{} needs bubblewrap (bwrap) on PATH", option)
        .hint(fmt::format("install the package bubblewrap, or leave {} out", option));
  }
  // A mount point must exist in the read-only root; images may lack these.
  std::vector<std::string> scratch;
  for (const char* directory : {"tmp", "run", "var/tmp"}) {
    std::error_code ignored;
    if (std::filesystem::is_directory(std::filesystem::symlink_status(root / directory, ignored)))
      scratch.emplace_back(directory);
  }
  SandboxStart out;
  out.argv = sandbox_arguments(*bwrap, root, words, environment, scratch, filter);
  out.covered = std::move(scratch);
  out.covered.insert(out.covered.end(), {"proc", "dev"});
  return out;
}

Result<SandboxStart> prepare_sandbox(const std::filesystem::path& root, const std::string& command,
                                     const SandboxEnvironment& environment, std::string_view option,
                                     int filter) {
  return prepare_sandbox(root, command_words(command, has_shell(root)), environment, option,
                         filter);
}

std::optional<Error> sandbox_failure(const SandboxRun& run) {
  if (run.status == 0 || !run.err.starts_with("bwrap: ")) return std::nullopt;
  return Error{Code::kEnvironment,
               fmt::format("the sandbox did not start: {}", run.err.substr(0, run.err.find('\n'))),
               {},
               "bubblewrap needs user namespaces, or root",
               {}};
}

Result<SandboxRun> run_in_root(const std::filesystem::path& root, const std::string& command,
                               const SandboxEnvironment& environment) {
  TRY(const SandboxStart start, prepare_sandbox(root, command, environment, "--verify"));
  TRY(ProcessOutput output, run_process(start.argv, kOutputLimit));
  SandboxRun run{output.status, std::move(output.out), std::move(output.err)};
  if (auto failure = sandbox_failure(run)) return std::unexpected(*std::move(failure));
  return run;
}

SandboxComparison compare_runs(SandboxRun original, SandboxRun slim) {
  SandboxComparison out;
  out.original = std::move(original);
  out.slim = std::move(slim);
  if (out.original.status != 0) {
    out.difference =
        fmt::format("it proves nothing, in the original it ends with {}", out.original.status);
  } else if (out.original.status != out.slim.status) {
    out.difference = fmt::format("exit status {} became {}", out.original.status, out.slim.status);
  } else if (out.original.out != out.slim.out) {
    std::size_t at = 0;
    while (at < out.original.out.size() && at < out.slim.out.size() &&
           out.original.out[at] == out.slim.out[at])
      ++at;
    out.difference = fmt::format("standard output differs from byte {} on", at);
  } else {
    out.equal = true;
  }
  return out;
}

}  // namespace flense::slim
