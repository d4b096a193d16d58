#include "launch/inject/search.h"

#include <elf.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/format.h"
#include "base/path.h"

namespace flense::launch {
namespace {

constexpr std::uint64_t kMaxCache = 16U << 20;
constexpr std::size_t kMaxDirectories = 256;
constexpr std::string_view kCache = "/etc/ld.so.cache";

std::string_view machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86_64";
    case EM_386:
      return "i386";
    case EM_AARCH64:
      return "aarch64";
    default:
      return "unknown machine";
  }
}

/// The loader that programs for glibc name (PT_INTERP).
std::string_view loader_of(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return "/lib64/ld-linux-x86-64.so.2";
    case EM_386:
      return "/lib/ld-linux.so.2";
    case EM_AARCH64:
      return "/lib/ld-linux-aarch64.so.1";
    default:
      return "";
  }
}

std::vector<std::string> directories_of(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty() && out.size() < kMaxDirectories) {
    const std::size_t end = list.find_first_of(":;");
    if (const std::string_view one = list.substr(0, end); one.starts_with('/'))
      out.emplace_back(one);
    if (end == std::string_view::npos) break;
    list.remove_prefix(end + 1);
  }
  return out;
}

/// The stubs that toolkits carry for linkers: they have the SONAME of the driver and no code.
bool is_stub(std::string_view path) {
  return path.find("/stubs/") != std::string_view::npos;
}

bool defines_glibc(const elf::AbiFacts& facts) {
  return std::ranges::any_of(facts.defines,
                             [](const std::string& one) { return one.starts_with("GLIBC_2."); });
}

}  // namespace

std::vector<std::string> default_library_directories(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return {"/lib/x86_64-linux-gnu",
              "/usr/lib/x86_64-linux-gnu",
              "/lib64",
              "/usr/lib64",
              "/lib",
              "/usr/lib"};
    case EM_386:
      return {"/lib/i386-linux-gnu",
              "/usr/lib/i386-linux-gnu",
              "/lib32",
              "/usr/lib32",
              "/lib",
              "/usr/lib"};
    case EM_AARCH64:
      return {"/lib/aarch64-linux-gnu",
              "/usr/lib/aarch64-linux-gnu",
              "/lib64",
              "/usr/lib64",
              "/lib",
              "/usr/lib"};
    default:
      return {"/lib64", "/usr/lib64", "/lib", "/usr/lib"};
  }
}

std::vector<std::string> decisive_places(std::string_view library_path) {
  std::vector<std::string> out = directories_of(library_path);
  for (const int machine : {EM_X86_64, EM_386, EM_AARCH64})
    for (const std::string& folder :
         default_library_directories(static_cast<std::uint16_t>(machine))) {
      out.push_back(folder);
      out.push_back(folder + "/libc.so.6");
    }
  out.emplace_back(kCache);
  out.emplace_back("/usr/local");
  std::ranges::sort(out);
  const auto rest = std::ranges::unique(out);
  out.erase(rest.begin(), rest.end());
  return out;
}

ImageLibraries::ImageLibraries(const ImageRoot& root, std::uint16_t machine,
                               const std::string& library_path)
    : root_(root),
      machine_(machine),
      library_path_(directories_of(library_path)),
      defaults_(default_library_directories(machine)) {
  read_cache();
  find_libc();
}

void ImageLibraries::read_cache() {
  if (!root_.exists(kCache)) return;
  Result<std::string> bytes = root_.read(kCache, kMaxCache);
  if (!bytes) {
    cache_problem_ = bytes.error().message;
    return;
  }
  // A file that exists only as a mount point.
  if (bytes->empty()) return;
  cache_bytes_ = *std::move(bytes);
  Result<std::vector<elf::CacheEntry>> entries = elf::read_loader_cache(as_bytes(cache_bytes_));
  if (entries)
    cache_ = *std::move(entries);
  else
    cache_problem_ = entries.error().message;
}

std::vector<std::string> ImageLibraries::places_of(const std::string& name) const {
  std::vector<std::string> out;
  for (const std::string& folder : library_path_) out.push_back(folder + "/" + name);
  const std::uint32_t flags = elf::cache_flags(machine_);
  for (const elf::CacheEntry& entry : cache_)
    if (entry.flags == flags && entry.name == name && out.size() < kMaxDirectories)
      out.emplace_back(entry.path);
  for (const std::string& folder : defaults_) out.push_back(folder + "/" + name);
  return out;
}

std::optional<ImageLibrary> ImageLibraries::usable(const std::string& path) const {
  if (is_stub(path)) return std::nullopt;
  const Result<MappedFile> file = root_.map(path);
  if (!file || file->bytes().empty()) return std::nullopt;
  Result<elf::AbiFacts> facts = elf::read_abi_facts(file->bytes(), path);
  if (!facts || facts->machine != machine_ || facts->type != ET_DYN) return std::nullopt;
  std::string real = root_.real(path);
  if (is_stub(real)) return std::nullopt;
  return ImageLibrary{path, std::move(real), *std::move(facts)};
}

void ImageLibraries::find_libc() {
  // What LD_LIBRARY_PATH provides is not what programs start with.
  for (const std::string& path : places_of("libc.so.6")) {
    auto one = usable(path);
    if (!one || !defines_glibc(one->facts)) continue;
    libc_ = Libc::kGlibc;
    libc_evidence_ = fmt::format("its C library is glibc, {}", one->real);
    libc_file_ = std::move(one);
    break;
  }
  if (libc_ != Libc::kGlibc) find_store_libc();
  if (libc_ == Libc::kGlibc) {
    for (const std::string& path :
         {std::string(loader_of(machine_)), std::string(parent_path(libc_file_->real)) + "/" +
                                                std::string(base_name(loader_of(machine_)))}) {
      const Result<MappedFile> loader = root_.map(path);
      if (!loader || loader->bytes().empty()) continue;
      constexpr std::string_view kWord("\0/etc/ld.so.cache\0", 18);
      reads_cache_ = as_text(loader->bytes()).find(kWord) != std::string_view::npos;
      break;
    }
    return;
  }
  std::set<std::string> loaders;
  for (const char* folder : {"/lib", "/lib64", "/usr/lib", "/usr/lib64"})
    for (const std::string& name : root_.list(folder))
      if (name.starts_with("ld-musl-") || name.starts_with("ld-linux"))
        loaders.insert(fmt::format("{}/{}", folder, name));
  const auto musl = std::ranges::find_if(
      loaders, [](const std::string& one) { return one.find("/ld-musl-") != std::string::npos; });
  if (musl != loaders.end()) {
    libc_ = Libc::kMusl;
    libc_evidence_ = fmt::format("its C library is musl, {}", *musl);
  } else if (!loaders.empty()) {
    libc_evidence_ =
        fmt::format("it has no glibc for {}, only {}", machine_name(machine_), *loaders.begin());
  } else {
    libc_evidence_ = "it has no dynamic loader";
  }
}

void ImageLibraries::find_store_libc() {
  // Nix and Guix keep each package in its own directory and name the loader by its full path.
  for (const char* store : {"/nix/store", "/gnu/store"}) {
    for (const std::string& name : root_.list(store)) {
      if (name.find("-glibc-") == std::string::npos) continue;
      auto one = usable(fmt::format("{}/{}/lib/libc.so.6", store, name));
      if (!one || !defines_glibc(one->facts)) continue;
      // If there are several, programs may use any: the oldest has to suffice.
      if (libc_file_ && libc_file_->facts.defines.size() <= one->facts.defines.size()) continue;
      libc_ = Libc::kGlibc;
      libc_evidence_ = fmt::format("its C library is glibc, {}", one->real);
      defaults_ = {std::string(parent_path(one->real))};
      libc_file_ = std::move(one);
    }
  }
}

const ImageLibrary* ImageLibraries::find(const std::string& name) {
  const auto [at, is_new] = found_.try_emplace(name);
  if (is_new)
    for (const std::string& path : places_of(name)) {
      at->second = usable(path);
      if (at->second) break;
    }
  return at->second ? &*at->second : nullptr;
}

std::string ImageLibraries::in_library_path(const std::string& name) const {
  for (const std::string& folder : library_path_)
    if (std::string path = folder + "/" + name; root_.exists(path)) return path;
  return {};
}

std::string ImageLibraries::placeholder(const std::string& name) const {
  for (const std::string& path : places_of(name)) {
    if (is_stub(path) && root_.exists(path)) return path + " is a stub for linking";
    if (const Result<MappedFile> file = root_.map(path); file && file->bytes().empty())
      return path + " holds no byte";
  }
  return {};
}

}  // namespace flense::launch
