#include "launch/inject/decide.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/path.h"
#include "base/version_numbers.h"

namespace flense::launch {
namespace {

using Libc = ImageLibraries::Libc;

/// The highest GLIBC_x of a list, for messages; empty without one.
std::string highest_glibc(const std::vector<std::string>& versions) {
  constexpr std::string_view kPrefix = "GLIBC_";
  std::string best;
  for (const std::string& one : versions) {
    if (!one.starts_with(kPrefix) || one.size() == kPrefix.size()) continue;
    const std::string_view number = std::string_view(one).substr(kPrefix.size());
    if (number.front() < '0' || number.front() > '9') continue;
    if (best.empty() || compare_versions(number, std::string_view(best).substr(kPrefix.size())) > 0)
      best = one;
  }
  return best;
}

/// What the loader would refuse the library for; empty when it takes it. `siblings` come along.
struct Fit {
  std::string refusal;
  std::vector<std::string> missing;  ///< needed libraries that the image lacks
};

bool is_part_of_glibc(std::string_view name) {
  constexpr std::array<std::string_view, 8> kParts = {"libc.so",      "libm.so",       "libdl.so",
                                                      "librt.so",     "libpthread.so", "libutil.so",
                                                      "libresolv.so", "ld-linux"};
  return std::ranges::any_of(kParts, [&](std::string_view one) { return name.starts_with(one); });
}

Fit fit_of(const HostLibrary& library, ImageLibraries& image,
           const std::set<std::string>& siblings) {
  Fit out;
  if (image.libc() != Libc::kGlibc) {
    out.refusal = fmt::format("it needs glibc, and the image has none: {}", image.libc_evidence());
    return out;
  }
  std::map<std::string, std::vector<std::string>> unmet;  // by library
  for (const elf::VersionNeed& need : library.facts.needs) {
    if (siblings.contains(need.library)) continue;
    const ImageLibrary* file =
        need.library == "libc.so.6" ? image.libc_file() : image.find(need.library);
    // A missing library has no versions; whether that matters is decided below.
    if (file == nullptr) continue;
    if (std::ranges::find(file->facts.defines, need.version) == file->facts.defines.end())
      unmet[need.library].push_back(need.version);
  }
  if (!unmet.empty()) {
    const auto libc = unmet.find("libc.so.6");
    const auto& [name, versions] = libc != unmet.end() ? *libc : *unmet.begin();
    const std::string highest = highest_glibc(versions);
    const std::string wanted = highest.empty() ? versions.front() : highest;
    const ImageLibrary* file = name == "libc.so.6" ? image.libc_file() : image.find(name);
    const std::string reach = highest_glibc(file->facts.defines);
    out.refusal =
        fmt::format("it needs {} of {}, and the image's {} {}", wanted, name, file->real,
                    highest.empty() || reach.empty() ? "does not define it" : "ends at " + reach);
    return out;
  }
  for (const std::string& needed : library.facts.needed) {
    if (siblings.contains(needed) || needed == "libc.so.6" || image.find(needed) != nullptr)
      continue;
    if (is_part_of_glibc(needed)) {
      out.refusal = fmt::format("it needs {}, which the image lacks", needed);
      return out;
    }
    out.missing.push_back(needed);
  }
  return out;
}

/// As numbers where both have one: libdrm.so.2.4.0 and libdrm.so.2.123.0.
bool image_is_older(const HostLibrary& library, const ImageLibrary& own) {
  // A file named by the bare SONAME tells nothing about its version.
  const std::string soname = library.name();
  if (base_name(library.real) == soname || base_name(own.real) == soname) return false;
  const std::string_view host = version_in_name(library.real), image = version_in_name(own.real);
  if (!is_version(host) || !is_version(image)) return false;
  return compare_versions(image, host) < 0;
}

std::string injected_reason(const HostLibrary& library, ImageLibraries& image, const Fit& fit) {
  std::string out;
  const std::string name = library.name();
  const ImageLibrary* own = image.find(name);
  const std::string placeholder = own == nullptr ? image.placeholder(name) : std::string();
  std::vector<std::string> needs;
  for (const elf::VersionNeed& need : library.facts.needs)
    if (need.library == "libc.so.6") needs.push_back(need.version);
  const std::string highest = highest_glibc(needs);
  switch (kind_of(library)) {
    case LibraryKind::kDriver:
      out = "it belongs to the host's driver";
      if (own != nullptr) out += fmt::format(" and comes before the image's {}", own->real);
      break;
    case LibraryKind::kDispatch:
      out = fmt::format("the image has no {}", name);
      break;
    case LibraryKind::kOther:
      out = own == nullptr ? fmt::format("the image has no {}", name)
                           : fmt::format("the image's {} is older", own->real);
      break;
  }
  if (!placeholder.empty()) out += fmt::format(" ({})", placeholder);
  if (!highest.empty())
    out += fmt::format("; it needs {}, which the image's C library has", highest);
  if (!fit.missing.empty())
    out += fmt::format("; it does not load unless a mount brings {}", fit.missing.front());
  return out;
}

Result<Decision> decide_one(const HostLibrary& library, ImageViews& views,
                            const std::set<std::string>& siblings,
                            const std::optional<CompatFolder>& compat) {
  ImageLibraries& image = views.of(library.facts.machine);
  const std::string name = library.name();
  if (compat && library.facts.machine == compat->machine && compat->libraries.contains(name))
    return Decision{library.file, false,
                    fmt::format("the image's forward-compatibility library {}/{} ({}) serves here",
                                compat->path, name, compat->version)};
  const ImageLibrary* own = image.find(name);
  const LibraryKind kind = kind_of(library);
  if (own != nullptr && kind == LibraryKind::kDispatch)
    return Decision{library.file, false,
                    fmt::format("the image has its own {}, {}", name, own->real)};
  if (own != nullptr && kind == LibraryKind::kOther && !image_is_older(library, *own))
    return Decision{library.file, false, fmt::format("the image's own {} is no older", own->real)};
  const Fit fit = fit_of(library, image, siblings);
  if (!fit.refusal.empty()) {
    if (!is_required(library)) return Decision{library.file, false, fit.refusal};
    const std::string hint =
        image.libc() == Libc::kGlibc
            ? "use an image with a newer glibc, or start without GPUs"
            : "use an image with glibc (Debian, Ubuntu, Rocky, a distroless one), or start without "
              "GPUs";
    return fail(Code::kEnvironment, "{} cannot be loaded in this image: {}", library.file,
                fit.refusal)
        .hint(hint);
  }
  if (library.by_path)
    return Decision{library.file, true,
                    fmt::format("it is loaded by its path {}", library.container_path)};
  return Decision{library.file, true, injected_reason(library, image, fit)};
}

}  // namespace

ImageLibraries& ImageViews::of(std::uint16_t machine) {
  const auto at = views_.find(machine);
  if (at != views_.end()) return at->second;
  return views_.try_emplace(machine, root_, machine, library_path_).first->second;
}

std::optional<CompatFolder> find_compat(const ImageRoot& root, std::uint16_t machine) {
  std::optional<CompatFolder> out;
  for (const std::string& name : root.list("/usr/local")) {
    if (!name.starts_with("cuda")) continue;
    const std::string folder = "/usr/local/" + name + "/compat";
    const std::string cuda = root.real(folder + "/libcuda.so.1");
    if (cuda.empty()) continue;
    const std::string version(version_in_name(cuda));
    if (out && compare_versions(version, out->version) <= 0) continue;
    CompatFolder one{std::string(parent_path(cuda)), version, machine, {}};
    for (const std::string& file : root.list(folder)) {
      if (file.find(".so") == std::string::npos) continue;
      const Result<MappedFile> bytes = root.map(folder + "/" + file);
      if (!bytes || bytes->bytes().empty()) continue;
      const Result<elf::AbiFacts> facts = elf::read_abi_facts(bytes->bytes(), file);
      if (!facts || facts->machine != machine || facts->type != ET_DYN) continue;
      one.libraries[file] = one.path + "/" + file;
      if (!facts->soname.empty() && facts->soname.find('/') == std::string::npos)
        one.libraries.try_emplace(facts->soname, one.path + "/" + file);
    }
    if (one.libraries.contains("libcuda.so.1")) out = std::move(one);
  }
  return out;
}

Result<std::vector<Decision>> decide(const std::vector<HostLibrary>& libraries, ImageViews& views,
                                     const std::optional<CompatFolder>& compat) {
  std::set<std::string> siblings;
  for (const HostLibrary& library : libraries)
    if (!library.by_path && kind_of(library) == LibraryKind::kDriver)
      siblings.insert(library.names.begin(), library.names.end());
  std::vector<Decision> out;
  out.reserve(libraries.size());
  for (const HostLibrary& library : libraries) {
    TRY(Decision one, decide_one(library, views, siblings, compat));
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace flense::launch
