#include "cdi/spec/registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <system_error>

#include "base/file.h"
#include "cdi/spec/modes.h"
#include "knowledge/spelling.h"

namespace flense::cdi {

namespace {

constexpr std::size_t kMaxFiles = 4096;

std::string qualified(const Spec& spec, const Device& device) {
  return fmt::format("{}={}", spec.kind, device.name);
}

/// Reads one directory after the other into a registry.
class Reader {
 public:
  Reader(Registry& out, Trust trust) : out_(out), trust_(trust) {}

  void read(const std::filesystem::path& directory) {
    SearchedDirectory& searched = out_.searched.emplace_back();
    searched.path = directory;
    // Even if another file takes its name meanwhile: what was checked is what is read.
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const UniqueDirectory listing(fd < 0 ? nullptr : ::fdopendir(fd));
    struct stat status{};
    if (!listing || ::fstat(fd, &status) != 0) {
      if (errno != ENOENT) problem(directory, fmt::format("cannot be listed: {}", error_text()));
      if (fd >= 0 && !listing) ::close(fd);
      return;
    }
    searched.there = true;
    searched.distrust = distrust(status);
    if (!searched.distrust.empty() && trust_ == Trust::kOwners)
      return problem(directory, searched.distrust);
    for (const std::filesystem::path& path : files(*listing, directory)) read_file(path, fd);
    ++precedence_;
  }

 private:
  static std::string error_text() {
    return std::error_code(errno, std::generic_category()).message();
  }
  void problem(const std::filesystem::path& path, std::string message) {
    out_.problems.push_back({path, std::move(message), {}});
  }

  /// Sorted, as engines look for them: not in folders below, and not *.yml.
  std::vector<std::filesystem::path> files(DIR& listing, const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> out;
    while (const dirent* item = ::readdir(&listing)) {
      std::filesystem::path path = directory / static_cast<const char*>(item->d_name);
      if (path.extension() != ".json" && path.extension() != ".yaml") continue;
      if (out.size() == kMaxFiles) {
        problem(directory, fmt::format("more than {} files: the others are not read", kMaxFiles));
        break;
      }
      out.push_back(std::move(path));
    }
    std::ranges::sort(out);
    return out;
  }

  void read_file(const std::filesystem::path& path, int directory) {
    Result<SpecText> file = read_spec_text(path, directory);
    if (!file) return problem(path, file.error().message);
    if (!file->distrust.empty() && trust_ == Trust::kOwners) return problem(path, file->distrust);
    Result<Spec> spec = read_spec(file->text, "it");
    if (!spec) return problem(path, spec.error().message);
    out_.files.push_back({path, std::move(*spec), precedence_});
  }

  Registry& out_;
  Trust trust_;
  std::size_t precedence_ = 0;
};

/// Which file has a device: the highest directory that defines it, unless two files there do.
struct Owner {
  const SpecFile* file = nullptr;
  const Device* device = nullptr;
  const SpecFile* rival = nullptr;
};

std::map<std::string, Owner> owners_of(const std::vector<SpecFile>& files) {
  std::map<std::string, Owner> out;
  for (const SpecFile& file : files)
    for (const Device& device : file.spec.devices) {
      Owner& owner = out[qualified(file.spec, device)];
      if (owner.file == nullptr || file.precedence > owner.file->precedence)
        owner = {&file, &device, nullptr};
      else if (owner.rival == nullptr)
        owner.rival = &file;
    }
  return out;
}

}  // namespace

std::vector<ListedDevice> Registry::listed() const {
  std::vector<ListedDevice> out;
  for (const auto& [name, owner] : owners_of(files))
    if (owner.rival == nullptr) out.push_back({name, owner.file, owner.device});
  return out;
}

std::vector<std::string> Registry::devices() const {
  std::vector<std::string> out;
  for (ListedDevice& device : listed()) out.push_back(std::move(device.name));
  return out;
}

namespace {

/// What to do about a device that no file has.
std::string hint_for(const Registry& registry, const QualifiedName& name) {
  const std::vector<std::string> near = knowledge::near_matches(
      fmt::format("{}={}", name.kind(), name.device), registry.devices(), 1);
  if (!near.empty()) return fmt::format("did you mean {}?", near.front());
  if (!registry.problems.empty())
    return fmt::format("{} was skipped: flense cdi validate says why",
                       registry.problems.front().path.string());
  if (!registry.files.empty()) return "flense cdi list shows what there is";
  return modes_of(name.kind()).empty()
             ? fmt::format("the vendor's own tool writes the specification of {}", name.kind())
             : "no CDI specification was found: flense cdi generate creates one";
}

Failure unresolved(const Registry& registry, const QualifiedName& asked) {
  const std::string name = fmt::format("{}={}", asked.kind(), asked.device);
  const auto conflict = std::ranges::find(registry.problems, name, &SpecProblem::device);
  if (conflict != registry.problems.end())
    return fail(Code::kEnvironment, "the device {} is not available: {}: {}", name,
                conflict->path.string(), conflict->message)
        .hint("remove one of the two files, or rename its device");
  const std::string where = registry.looked_at();
  return fail(Code::kEnvironment, "there is no CDI device {}{}{}", name,
              where.empty() ? "" : " in ", where)
      .hint(hint_for(registry, asked));
}

}  // namespace

Result<Edits> Registry::resolve(const std::vector<std::string>& names) const {
  const std::map<std::string, Owner> owners = owners_of(files);
  std::set<const SpecFile*> used;
  std::set<std::string_view> seen;
  Edits out;
  for (const std::string& name : names) {
    const std::optional<QualifiedName> parts = parse_qualified_name(name);
    if (!parts)
      return fail(Code::kUsage, "'{}' is not the name of a CDI device", name)
          .hint("they read VENDOR/CLASS=NAME: nvidia.com/gpu=0");
    const auto at = owners.find(name);
    if (at == owners.end() || at->second.rival != nullptr) return unresolved(*this, *parts);
    if (!seen.insert(name).second) continue;
    const Owner& owner = at->second;
    if (used.insert(owner.file).second) merge(owner.file->spec.edits, out);
    merge(owner.device->edits, out);
  }
  return out;
}

std::string Registry::looked_at() const {
  static constexpr std::size_t kMostNames = 8;
  const auto some = [](std::vector<std::string> names) {
    const std::size_t count = names.size();
    names.resize(std::min(count, kMostNames));
    std::string out = fmt::format("{}", fmt::join(names, ", "));
    return count > kMostNames ? fmt::format("{} and {} more", out, count - kMostNames) : out;
  };
  std::vector<std::string> places, passed_over;
  for (const SearchedDirectory& directory : searched) {
    std::vector<std::string> names;
    for (const SpecFile& file : files)
      if (file.path.parent_path() == directory.path) names.push_back(file.path.filename());
    places.push_back(fmt::format("{} ({})", directory.path.string(),
                                 !directory.there ? "missing"
                                 : names.empty()  ? "no specification"
                                                  : some(std::move(names))));
  }
  for (const SpecProblem& problem : problems)
    if (problem.device.empty())
      passed_over.push_back(fmt::format("{} ({})", problem.path.string(), problem.message));
  std::string out = fmt::format("{}", fmt::join(places, ", "));
  if (!passed_over.empty()) out += "; passed over: " + some(std::move(passed_over));
  return out;
}

Registry read_registry(const std::vector<std::filesystem::path>& directories, Trust trust) {
  Registry out;
  Reader reader(out, trust);
  for (const std::filesystem::path& directory : directories) reader.read(directory);
  for (const auto& [name, owner] : owners_of(out.files)) {
    if (owner.rival == nullptr) continue;
    const auto complain = [&](const SpecFile& file, const SpecFile& other) {
      out.problems.push_back(
          {file.path, fmt::format("{} is in {} as well", name, other.path.string()), name});
    };
    complain(*owner.file, *owner.rival);
    complain(*owner.rival, *owner.file);
  }
  return out;
}

std::vector<std::filesystem::path> spec_directories(
    bool per_user, const std::function<std::optional<std::string>(std::string_view)>& variable) {
  std::vector<std::filesystem::path> out = {"/etc/cdi", "/var/run/cdi"};
  if (!per_user || !variable) return out;
  // A relative path in these variables must be ignored (XDG Base Directory Specification).
  const auto add = [&](const std::optional<std::string>& base, std::string_view below) {
    if (!base || !base->starts_with('/')) return false;
    out.push_back(std::filesystem::path(*base) / below);
    return true;
  };
  if (!add(variable("XDG_CONFIG_HOME"), "cdi")) add(variable("HOME"), ".config/cdi");
  add(variable("XDG_RUNTIME_DIR"), "cdi");
  return out;
}

}  // namespace flense::cdi
