#include "cdi/generate/library_search.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/format.h"
#include "base/path.h"
#include "cdi/generate/driver_files.h"
#include "elf/file.h"
#include "elf/format.h"
#include "elf/loader_cache.h"

namespace flense::cdi {

namespace {

constexpr std::array<std::string_view, 25> kFolders = {"usr/lib/x86_64-linux-gnu",
                                                       "usr/lib/x86_64-linux-gnu/nvidia/current",
                                                       "usr/lib/aarch64-linux-gnu",
                                                       "usr/lib/aarch64-linux-gnu/nvidia/current",
                                                       "usr/lib/aarch64-linux-gnu/nvidia",
                                                       "usr/lib64",
                                                       "usr/lib64/nvidia",
                                                       "lib/x86_64-linux-gnu",
                                                       "lib/aarch64-linux-gnu",
                                                       "lib64",
                                                       "usr/lib",
                                                       "usr/lib/nvidia",
                                                       "usr/lib/i386-linux-gnu",
                                                       "usr/lib/i386-linux-gnu/nvidia/current",
                                                       "usr/lib/arm-linux-gnueabihf",
                                                       "usr/lib32",
                                                       "lib/i386-linux-gnu",
                                                       "lib32",
                                                       "lib",
                                                       "usr/local/nvidia/lib64",
                                                       "usr/local/nvidia/lib",
                                                       "usr/local/lib64",
                                                       "run/opengl-driver/lib",
                                                       "run/opengl-driver-32/lib",
                                                       ""};

/// Of a directory of libraries: a desktop's has thousands of names.
constexpr std::size_t kMostFolders = 128;
constexpr std::size_t kMostLibraries = 1024;
constexpr std::size_t kAbiBytes = 20;  // up to and with e_machine
constexpr std::string_view kMark = ".so";

bool is_numbers(std::string_view text) {
  return !text.empty() && text.front() != '.' && text.back() != '.' &&
         text.find_first_not_of("0123456789.") == std::string_view::npos;
}

/// Absolute directories in the loader's configuration, where distributions name the driver's own.
void configured_folders(const host::Tree& root, std::vector<std::string>& out) {
  std::vector<std::string> files = {"etc/ld.so.conf"};
  for (const std::string& name : root.list("etc/ld.so.conf.d"))
    if (name.ends_with(".conf")) files.push_back("etc/ld.so.conf.d/" + name);
  for (const std::string& file : files) {
    const Result<std::string> text = root.read(file);
    if (!text) continue;
    std::string_view rest = *text;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
      if (line.starts_with('/') && out.size() < kMostFolders) out.emplace_back(line.substr(1));
    }
  }
}

/// Directories where the loader's cache has the driver: what ldconfig was told on its command line
/// or by a file that ld.so.conf includes from elsewhere stands there alone.
void cached_folders(const host::Tree& root, std::vector<std::string>& out) {
  const Result<MappedFile> cache = root.map("etc/ld.so.cache");
  if (!cache) return;
  const auto entries = elf::read_loader_cache(cache->bytes());
  if (!entries) return;
  for (const elf::CacheEntry& entry : *entries) {
    if (!entry.path.starts_with('/') || out.size() >= kMostFolders) continue;
    if (!entry.name.starts_with("libcuda.so.") && !entry.name.starts_with("libnvidia-ml.so."))
      continue;
    std::string folder(parent_path(entry.path.substr(1)));
    if (std::ranges::find(out, folder) == out.end()) out.push_back(std::move(folder));
  }
}

std::optional<Abi> abi_of(Bytes bytes) {
  if (bytes.size() < kAbiBytes || !elf::looks_like_elf(bytes)) return std::nullopt;
  const auto bits = static_cast<unsigned>(bytes[4]);
  switch (load_le<std::uint16_t>(bytes, 18)) {
    case EM_X86_64:
      return bits == 2 ? std::optional(Abi::kX86_64) : std::nullopt;
    case EM_AARCH64:
      return bits == 2 ? std::optional(Abi::kAarch64) : std::nullopt;
    case EM_386:
      return bits == 1 ? std::optional(Abi::kI386) : std::nullopt;
    case EM_ARM:
      return bits == 1 ? std::optional(Abi::kArm) : std::nullopt;
    default:
      return std::nullopt;
  }
}

std::string stem_of(std::string_view name) {
  return std::string(name.substr(0, name.find(kMark)));
}

/// The links of the file's directory that lead to it under other endings: libcuda.so.1, libcuda.so.
/// Where a 32-bit library has its SONAME, too.
void add_links(const host::Tree& root, std::string_view folder, std::span<const std::string> listed,
               std::string_view real, Library& library) {
  const std::string start = library.stem + std::string(kMark);
  for (auto at = std::ranges::lower_bound(listed, start);
       at != listed.end() && at->starts_with(start); ++at) {
    const std::string_view ending = std::string_view(*at).substr(start.size());
    if (!ending.empty() && !(ending.front() == '.' && is_numbers(ending.substr(1)))) continue;
    const std::string path = folder.empty() ? *at : fmt::format("{}/{}", folder, *at);
    if (root.resolve(path) == real) library.names.insert(*at);
  }
}

class Search {
 public:
  Search(Discovery& discovery, const DriverRoot& root, std::string_view version)
      : discovery_(discovery), root_(root), version_(version) {}

  void folder(const std::string& folder, std::string_view subfolder) {
    const auto real = root_.tree.resolve(folder);
    if (!real || !seen_.insert(*real).second) return;
    const std::vector<std::string> names = root_.tree.list(*real);
    for (const std::string& name : names) {
      if (!is_wanted(name) || found_.size() >= kMostLibraries) continue;
      const std::string path = real->empty() ? name : fmt::format("{}/{}", *real, name);
      auto library = read_library(discovery_, root_, path);
      if (!library) continue;
      library->subfolder = subfolder;
      if (const auto target = root_.tree.resolve(path))
        add_links(root_.tree, *real, names, *target, *library);
      std::pair key(library->abi, library->name);
      found_.try_emplace(std::move(key), *std::move(library));
    }
  }

  std::vector<Library> result() && {
    std::vector<Library> out;
    for (auto& [key, library] : found_) out.push_back(std::move(library));
    return out;
  }

 private:
  bool is_wanted(const std::string& name) const {
    const std::size_t mark = name.find(kMark);
    if (!name.starts_with("lib") || mark == std::string::npos || !is_plain_name(name) ||
        name.size() <= mark + kMark.size() || name[mark + kMark.size()] != '.')
      return false;
    const std::string_view ending = std::string_view(name).substr(mark + kMark.size() + 1);
    if (ending == version_) return true;
    return is_numbers(ending) &&
           std::ranges::find(other_versions(), std::string_view(name).substr(0, mark),
                             &LibraryRow::stem) != other_versions().end();
  }

  Discovery& discovery_;
  const DriverRoot& root_;
  std::string_view version_;
  std::set<std::string> seen_;
  std::map<std::pair<Abi, std::string>, Library> found_;
};

}  // namespace

std::string_view multiarch(Abi abi) {
  switch (abi) {
    case Abi::kX86_64:
      return "x86_64-linux-gnu";
    case Abi::kAarch64:
      return "aarch64-linux-gnu";
    case Abi::kI386:
      return "i386-linux-gnu";
    case Abi::kArm:
      return "arm-linux-gnueabihf";
  }
  return "";
}

std::vector<std::string> library_folders(const GenerateOptions& options, const host::Tree& root) {
  std::vector<std::string> out;
  for (const std::string& folder : options.library_search)
    out.push_back(folder.substr(std::min(folder.find_first_not_of('/'), folder.size())));
  out.insert(out.end(), kFolders.begin(), kFolders.end());
  configured_folders(root, out);
  cached_folders(root, out);
  return out;
}

std::optional<Library> read_library(Discovery& discovery, const DriverRoot& root,
                                    const std::string& path) {
  // In this order, since opening the file answers both.
  const Result<MappedFile> file = root.tree.map(path);
  const auto real = root.tree.resolve(path);
  if (!real) {
    discovery.note(fmt::format("{} is a dangling link: left out", root.tree.label(path)));
    return std::nullopt;
  }
  if (!file) {
    discovery.note(file.error().message + ": left out");
    return std::nullopt;
  }
  const auto abi = abi_of(file->bytes());
  if (!abi) {
    discovery.note(fmt::format("{} is {}: left out", root.tree.label(path),
                               file->bytes().empty() ? "empty" : "not a library for Linux"));
    return std::nullopt;
  }
  Library out;
  out.name = std::string(base_name(path));
  out.stem = stem_of(out.name);
  out.host_path = fmt::format("{}/{}", root.prefix, *real);
  out.abi = *abi;
  out.names.insert(out.name);
  if (is_32_bit(*abi)) return out;
  const Result<elf::File> parsed = elf::File::parse(file->bytes(), root.tree.label(*real));
  if (!parsed) {
    discovery.note(fmt::format("{}: {}: left out", root.tree.label(path), parsed.error().message));
    return std::nullopt;
  }
  // Never another library's name: a file posing as libc.so.6 would replace the container's.
  if (const std::string soname = parsed->soname();
      is_plain_name(soname) && soname.starts_with(out.stem + std::string(kMark)))
    out.names.insert(soname);
  else if (!soname.empty())
    discovery.note(fmt::format("{} has the SONAME of something else", root.tree.label(path)));
  return out;
}

std::vector<Library> find_libraries(Discovery& discovery, const DriverRoot& root,
                                    std::string_view version) {
  Search search(discovery, root, version);
  for (const std::string& folder : library_folders(discovery.options, root.tree)) {
    search.folder(folder, "");
    search.folder(folder.empty() ? "vdpau" : folder + "/vdpau", "vdpau");
  }
  return std::move(search).result();
}

}  // namespace flense::cdi
