#include "launch/inject/host.h"

#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>

#include "base/ascii.h"
#include "base/path.h"

namespace flense::launch {
namespace {

constexpr std::size_t kMaxLibraries = 2048;
constexpr std::size_t kMaxName = 255;

bool is_library_name(std::string_view name) {
  const std::size_t at = name.find(".so");
  if (at == std::string_view::npos || at == 0) return false;
  const std::string_view rest = name.substr(at + 3);
  return rest.empty() || (rest.starts_with('.') && rest.size() > 1);
}

/// A plain name of a file, as it may stand in a directory of links.
bool is_plain(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos &&
         std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7f; });
}

/// Modules of other programs, and Windows's driver store, which the kernel names by its path.
bool is_loaded_by_path(std::string_view path) {
  if (path.starts_with("/usr/lib/wsl/drivers/")) return true;
  constexpr std::array<std::string_view, 4> kModules = {"/gbm/", "/vdpau/", "/dri/", "/xorg/"};
  return std::ranges::any_of(
      kModules, [&](std::string_view one) { return path.find(one) != std::string_view::npos; });
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real ? std::string(real.get()) : path;
}

/// "libcuda" of "libcuda.so.1".
std::string_view stem_of(std::string_view name) {
  return name.substr(0, name.find(".so"));
}

/// Words of `args` that follow each `option`.
std::vector<std::string> values_of(const std::vector<std::string>& args, std::string_view option) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string_view word = args[i];
    if (word == option && i + 1 < args.size())
      out.push_back(args[++i]);
    else if (word.starts_with(option) && word.substr(option.size()).starts_with('='))
      out.emplace_back(word.substr(option.size() + 1));
  }
  return out;
}

}  // namespace

Result<std::vector<LibraryMount>> library_mounts(const cdi::Edits& edits) {
  std::vector<LibraryMount> out;
  // A library is present under several names, each a mount.
  std::map<std::string_view, FileIdentity> known;
  for (std::size_t i = 0; i < edits.mounts.size(); ++i) {
    const cdi::Mount& mount = edits.mounts[i];
    if (!is_library_name(base_name(mount.container_path)) || mount.host_path.empty()) continue;
    if (const auto seen = known.find(mount.host_path); seen != known.end()) {
      out.push_back({i, seen->second});
      continue;
    }
    struct stat status{};
    if (::stat(mount.host_path.c_str(), &status) != 0)
      return fail(Code::kEnvironment, "the CDI specification names {}, which does not exist",
                  mount.host_path)
          .hint(
              "it is older than the driver: regenerate it with flense cdi generate, or "
              "remove it");
    if (!S_ISREG(status.st_mode)) continue;
    const auto identity = file_identity(mount.host_path);
    if (!identity) continue;
    if (out.size() == kMaxLibraries)
      return bad_input("the devices bring more than {} libraries", kMaxLibraries);
    known.emplace(mount.host_path, *identity);
    out.push_back({i, *identity});
  }
  return out;
}

std::string HostLibrary::name() const {
  return facts.soname.empty() ? std::string(base_name(real)) : facts.soname;
}

Result<std::vector<HostLibrary>> host_libraries(const cdi::Edits& edits,
                                                const std::vector<LibraryMount>& mounts) {
  std::vector<HostLibrary> out;
  for (const LibraryMount& candidate : mounts) {
    const cdi::Mount& mount = edits.mounts[candidate.index];
    const std::string real = real_path(mount.host_path);
    const bool by_path = is_loaded_by_path(mount.container_path);
    const auto same = std::ranges::find_if(
        out, [&](const HostLibrary& one) { return one.real == real && one.by_path == by_path; });
    if (same != out.end()) {
      same->names.emplace(base_name(mount.container_path));
      same->mounts.push_back(candidate.index);
      continue;
    }
    TRY(const MappedFile file, MappedFile::open(mount.host_path));
    Result<elf::AbiFacts> facts = elf::read_abi_facts(file.bytes(), mount.host_path);
    // A linker script, or firmware that is named like a library.
    if (!facts || facts->type != ET_DYN) continue;
    HostLibrary one{mount.host_path,   real,   mount.container_path, *std::move(facts), {},
                    {candidate.index}, by_path};
    if (!is_plain(one.facts.soname)) one.facts.soname.clear();
    one.names.emplace(base_name(mount.container_path));
    one.names.emplace(base_name(real));
    one.names.insert(one.name());
    // Whatever compiles against the driver uses the name without a version.
    if (kind_of(one) == LibraryKind::kDriver)
      one.names.insert(std::string(stem_of(one.name())) + ".so");
    std::erase_if(one.names, [](const std::string& name) { return !is_plain(name); });
    out.push_back(std::move(one));
  }
  return out;
}

LibraryKind kind_of(const HostLibrary& library) {
  const std::string name = library.name();
  const std::string_view stem = stem_of(name);
  if (stem.ends_with("_nvidia") ||
      starts_with_any(stem, {"libcuda", "libnv", "libdxcore", "libd3d12"}))
    return LibraryKind::kDriver;
  constexpr std::array<std::string_view, 9> kDispatch = {
      "libGL",        "libGLX",    "libEGL",    "libGLdispatch", "libOpenGL",
      "libGLESv1_CM", "libGLESv2", "libOpenCL", "libvulkan"};
  return std::ranges::find(kDispatch, stem) != kDispatch.end() ? LibraryKind::kDispatch
                                                               : LibraryKind::kOther;
}

bool is_required(const HostLibrary& library) {
  const std::string name = library.name();
  return library.facts.wide && (name == "libcuda.so.1" || name == "libnvidia-ml.so.1");
}

std::string_view version_in_name(std::string_view file) {
  const std::string_view name = base_name(file);
  const std::size_t at = name.find(".so.");
  return at == std::string_view::npos ? std::string_view() : name.substr(at + 4);
}

std::optional<KnownHook> known_hook(const cdi::Hook& hook) {
  const std::string_view program = base_name(hook.path);
  if (program != "nvidia-cdi-hook" && program != "nvidia-ctk") return std::nullopt;
  KnownHook out;
  // "nvidia-cdi-hook NAME …" or "nvidia-ctk hook NAME …", each with its own name as first word.
  std::size_t at = 1;
  if (at < hook.args.size() && hook.args[at] == "hook") ++at;
  if (at >= hook.args.size()) return std::nullopt;
  out.name = hook.args[at];
  if (out.name == "create-symlinks") {
    out.kind = KnownHook::Kind::kLinks;
    for (const std::string& link : values_of(hook.args, "--link")) {
      const std::size_t middle = link.find("::");
      if (middle == std::string::npos) continue;
      out.links.push_back({link.substr(0, middle), link.substr(middle + 2)});
    }
  } else if (out.name == "update-ldcache") {
    out.kind = KnownHook::Kind::kLoaderCache;
  } else if (out.name == "enable-cuda-compat" || out.name == "cudacompat") {
    out.kind = KnownHook::Kind::kCompat;
  } else if (out.name != "chmod" && out.name != "disable-device-node-modification") {
    return std::nullopt;
  }
  return out;
}

}  // namespace flense::launch
