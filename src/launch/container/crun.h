// crun as found on PATH, its version, and where it keeps the state of this user's containers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"

namespace flense::launch {

struct Version {
  std::uint32_t major = 0, minor = 0, patch = 0;
  auto operator<=>(const Version&) const = default;
  std::string text() const { return fmt::format("{}.{}.{}", major, minor, patch); }
};

/// The oldest one known to work, and the first without CVE-2026-47766 (a link in place
/// of /dev was followed).
constexpr Version kLeastCrun{1, 8, 0}, kMendedCrun{1, 28, 0};
/// The newest one tested: its manual calls the annotation for compiled filters
/// experimental.
constexpr Version kTriedCrun{1, 28, 0};

/// First line of `crun --version`.
std::optional<Version> parse_crun_version(std::string_view text);

struct Engine {
  std::string program;  ///< absolute
  Version version;
};

/// Directories of this user on this machine, lost with the next boot.
struct RuntimePlaces {
  std::filesystem::path base;
  std::string note;  ///< why it is not the usual one
  std::filesystem::path state() const { return base / "crun"; }
  /// An empty directory, mounted on in each launch's own mount namespace.
  std::filesystem::path stage() const { return base / "stage"; }
};

/// $XDG_RUNTIME_DIR/flense, /run/user/UID/flense, else `shared`/flense-UID; made for this user
/// alone. Where somebody else has taken that name, a directory below the cache, named for this boot
/// of this machine: homes may be on many.
Result<RuntimePlaces> open_runtime_places(
    const std::function<std::optional<std::string>(std::string_view)>& variable,
    const std::filesystem::path& shared = "/tmp");

/// The version is queried once per file and kept in `places`.
Result<Engine> find_engine(const RuntimePlaces& places);

}  // namespace flense::launch
