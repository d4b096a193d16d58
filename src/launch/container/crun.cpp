#include "launch/container/crun.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/cache_places.h"
#include "base/file.h"
#include "base/private_directory.h"
#include "base/process.h"

namespace flense::launch {

namespace {

constexpr std::uint64_t kMaxNote = 64u << 10;

bool is_own_directory(const std::filesystem::path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::optional<std::filesystem::path> place_of_this_boot(
    const std::function<std::optional<std::string>(std::string_view)>& variable) {
  constexpr std::uint64_t kMaxId = 64;
  const CachePlaces places = cache_places({variable, {}, ::geteuid()});
  const auto boot = read_file("/proc/sys/kernel/random/boot_id", kMaxId);
  const auto& above = places.images.empty() && !places.inventories.empty()
                          ? places.inventories.front()
                          : places.images;
  if (above.empty() || !boot) return std::nullopt;
  return above / "runtime" / boot->substr(0, boot->find('\n'));
}

Result<std::string> ask_version(const std::string& program) {
  TRY(const ProcessOutput output, run_process({program, "--version"}));
  if (output.status != 0)
    return fail(Code::kEnvironment, "{} --version ended with status {}: {}", program, output.status,
                output.err.substr(0, output.err.find('\n')));
  return output.out.substr(0, output.out.find('\n'));
}

/// What the note says when it is of this very file; else what the program says, noted.
Result<std::string> version_line(const std::string& program, const RuntimePlaces& places) {
  const auto identity = file_identity(program);
  if (!identity) return ask_version(program);
  const std::string head = fmt::format("{}\n{} {} {} {}\n", program, identity->inode,
                                       identity->size, identity->modified, identity->changed);
  const std::filesystem::path note = places.base / "crun-version";
  if (const auto known = read_file(note, kMaxNote); known && known->starts_with(head))
    return known->substr(head.size());
  TRY(std::string line, ask_version(program));
  // A note that cannot be saved only costs time.
  if (auto file = AtomicFile::create(note, 0600))
    if (write_fully(file->fd(), as_bytes(head + line), note.string()))
      static_cast<void>(file->commit());
  return line;
}

}  // namespace

std::optional<Version> parse_crun_version(std::string_view text) {
  constexpr std::string_view kFront = "crun version ";
  if (!text.starts_with(kFront)) return std::nullopt;
  text.remove_prefix(kFront.size());
  std::array<std::uint32_t, 3> parts{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parts[i]);
    if (error != std::errc())
      return i >= 2 ? std::optional(Version{parts[0], parts[1], 0}) : std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!text.starts_with('.')) {
      if (i == 0) return std::nullopt;
      break;
    }
    text.remove_prefix(1);
  }
  return Version{parts[0], parts[1], parts[2]};
}

Result<RuntimePlaces> open_runtime_places(
    const std::function<std::optional<std::string>(std::string_view)>& variable,
    const std::filesystem::path& shared) {
  std::filesystem::path above = variable ? variable("XDG_RUNTIME_DIR").value_or("") : std::string();
  if (!above.is_absolute() || !is_own_directory(above))
    above = fmt::format("/run/user/{}", ::geteuid());
  RuntimePlaces out;
  out.base =
      is_own_directory(above) ? above / "flense" : shared / fmt::format("flense-{}", ::geteuid());
  if (auto opened = open_private_directory(out.base); !opened) {
    const auto instead = place_of_this_boot(variable);
    if (!instead || !open_private_directory(*instead))
      return std::unexpected(
          with_hint(std::move(opened),
                    "set XDG_RUNTIME_DIR to a directory of yours on this machine")
              .error());
    out.note = fmt::format("{}: the state of containers is kept in {} instead",
                           opened.error().message, instead->string());
    out.base = *instead;
  }
  TRY_DO(open_private_directory(out.state()));
  TRY_DO(open_private_directory(out.stage()));
  return out;
}

Result<Engine> find_engine(const RuntimePlaces& places) {
  const auto program = find_program("crun");
  if (!program)
    return fail(Code::kEnvironment, "crun is not on PATH")
        .hint(fmt::format("install crun {} or newer: apt-get install crun", kLeastCrun.text()));
  Engine out;
  out.program = *program;
  TRY(const std::string line, version_line(out.program, places));
  const auto version = parse_crun_version(line);
  if (!version)
    return fail(Code::kEnvironment, "{} --version says '{}', which is not a version of crun",
                out.program, line);
  out.version = *version;
  if (out.version < kLeastCrun)
    return fail(Code::kEnvironment, "{} is version {}; {} or newer is needed", out.program,
                out.version.text(), kLeastCrun.text());
  return out;
}

}  // namespace flense::launch
