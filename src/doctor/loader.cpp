#include "doctor/loader.h"

#include <algorithm>

#include "base/format.h"
#include "base/glob.h"
#include "base/path.h"
#include "elf/file.h"
#include "elf/loader_cache.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr std::uint64_t kMaxCache = 16u << 20;
constexpr std::size_t kMaxDirectories = 256;
constexpr std::uint16_t kX86_64 = 62, kAArch64 = 183;
constexpr std::string_view kCache = "etc/ld.so.cache";

Candidate::State state_of(Bytes bytes, std::uint16_t machine) {
  constexpr std::size_t kClass = 4, kMachine = 18, kHeader = 20;
  if (bytes.empty()) return Candidate::State::kEmpty;
  if (!elf::looks_like_elf(bytes) || bytes.size() < kHeader) return Candidate::State::kNoElf;
  const bool wide = bytes[kClass] == std::byte{2};
  const bool same = machine == 0 || load_le<std::uint16_t>(bytes, kMachine) == machine;
  return wide && same ? Candidate::State::kUsable : Candidate::State::kOtherMachine;
}

std::optional<Candidate> candidate(const host::Tree& root, const std::string& path,
                                   std::string origin, std::uint16_t machine) {
  const auto real = root.resolve(path);
  if (!real || root.is_directory(path)) return std::nullopt;
  Candidate out{path, "/" + *real, std::move(origin), Candidate::State::kUnreadable, 0};
  if (const Result<MappedFile> file = root.map(path)) {
    out.bytes = file->bytes().size();
    out.state = state_of(file->bytes(), machine);
  }
  return out;
}

std::vector<std::string> default_directories(std::uint16_t machine) {
  // Debian's multi-architecture directories, then those that the ABI names.
  std::vector<std::string> out;
  for (const auto& [wanted, triple] :
       {std::pair{kX86_64, "x86_64-linux-gnu"}, std::pair{kAArch64, "aarch64-linux-gnu"}})
    if (machine == 0 || machine == wanted)
      for (const char* top : {"/lib/", "/usr/lib/"}) out.push_back(std::string(top) + triple);
  for (const char* path : {"/lib64", "/usr/lib64", "/lib", "/usr/lib"}) out.emplace_back(path);
  return out;
}

void read_configuration(const host::Tree& root, const std::string& path, bool includes,
                        std::vector<std::string>& out) {
  const Result<std::string> text = root.read(path);
  if (!text) return;
  std::string_view rest = *text;
  while (!rest.empty() && out.size() < kMaxDirectories) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::string word = host::clean(line.substr(0, line.find('#')));
    if (word.starts_with('/')) {
      out.push_back(word);
    } else if (includes && word.starts_with("include ")) {
      const std::string pattern = host::clean(std::string_view(word).substr(8));
      // On Fedora and Red Hat they are relative to the directory of the file itself.
      std::string folder(parent_path(pattern));
      if (!pattern.starts_with('/')) folder = fmt::format("{}/{}", parent_path(path), folder);
      for (const std::string& name : root.list(folder))
        if (glob_match(base_name(pattern), name))
          read_configuration(root, folder + "/" + name, false, out);
    }
  }
}

}  // namespace

std::uint16_t elf_machine(std::string_view architecture) {
  if (architecture == "x86_64") return kX86_64;
  return architecture == "aarch64" ? kAArch64 : 0;
}

std::vector<std::string> directories_of(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty() && out.size() < kMaxDirectories) {
    const std::size_t end = list.find_first_of(":;");
    const std::string_view one = list.substr(0, end);
    if (one.starts_with('/') && one.size() <= 4096) out.emplace_back(one);
    if (end == std::string_view::npos) break;
    list.remove_prefix(end + 1);
  }
  return out;
}

std::vector<std::string> configured_directories(const host::Tree& root) {
  std::vector<std::string> out;
  read_configuration(root, "etc/ld.so.conf", true, out);
  return out;
}

LibrarySearch find_library(const host::Tree& root, std::string_view name,
                           std::string_view library_path, std::uint16_t machine) {
  LibrarySearch out;
  // True when the search ends here.
  const auto take = [&](const std::string& path, const std::string& origin) {
    auto one = candidate(root, path, origin, machine);
    if (!one || one->state == Candidate::State::kUnreadable) return false;
    if (one->state == Candidate::State::kOtherMachine) {
      out.passed_over.push_back(*std::move(one));
      return false;
    }
    out.found = std::move(one);
    return true;
  };

  for (const std::string& folder : directories_of(library_path)) {
    out.looked_at.push_back("LD_LIBRARY_PATH: " + folder);
    if (take(fmt::format("{}/{}", folder, name), "LD_LIBRARY_PATH")) return out;
  }
  const std::string cache_label = root.label(kCache);
  std::vector<std::string> cached;
  if (const Result<std::string> bytes = root.read(kCache, kMaxCache)) {
    Result<std::vector<std::string>> paths = elf::cached_paths(as_bytes(*bytes), name, machine);
    if (paths)
      cached = *std::move(paths);
    else
      out.cache_problem = paths.error().message;
  } else {
    out.cache_problem = bytes.error().message;
  }
  out.looked_at.push_back(!out.cache_problem.empty() ? out.cache_problem
                          : cached.empty()
                              ? fmt::format("{} does not name {}", cache_label, name)
                              : fmt::format("{}: {}", cache_label, host::clean(cached.front())));
  for (const std::string& path : cached)
    if (take(path, cache_label)) return out;
  const std::vector<std::string> defaults = default_directories(machine);
  out.looked_at.push_back(fmt::format("default directories {}", fmt::join(defaults, " ")));
  for (const std::string& folder : defaults)
    if (take(fmt::format("{}/{}", folder, name), "default directory")) return out;
  for (const std::string& folder : configured_directories(root))
    if (const auto one = candidate(root, fmt::format("{}/{}", folder, name), "", machine);
        one && one->state == Candidate::State::kUsable)
      out.not_cached.push_back(folder);
  return out;
}

}  // namespace flense::doctor
