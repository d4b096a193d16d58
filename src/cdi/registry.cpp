#include "cdi/registry.h"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>

#include "knowledge/spelling.h"

namespace flense::cdi {

namespace {

constexpr std::size_t kMaxFiles = 4096;

std::string qualified(const Spec& spec, const Device& device) {
  return fmt::format("{}={}", spec.kind, device.name);
}

/// Names of specifications in one directory, sorted, as engines look for them: not in folders
/// below, and not *.yml.
std::vector<std::filesystem::path> spec_files(const std::filesystem::path& directory,
                                              std::vector<SpecProblem>& problems) {
  std::vector<std::filesystem::path> out;
  std::error_code error;
  std::filesystem::directory_iterator at(directory, error);
  for (const std::filesystem::directory_iterator end; !error && at != end; at.increment(error)) {
    const std::filesystem::path extension = at->path().extension();
    if (extension != ".json" && extension != ".yaml") continue;
    if (out.size() == kMaxFiles) {
      problems.push_back(
          {directory, fmt::format("more than {} files: the others are not read", kMaxFiles), {}});
      break;
    }
    out.push_back(at->path());
  }
  if (error && error != std::errc::no_such_file_or_directory)
    problems.push_back({directory, fmt::format("cannot be listed: {}", error.message()), {}});
  std::ranges::sort(out);
  return out;
}

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

std::unexpected<Error> unresolved(const Registry& registry, const std::string& name) {
  const auto conflict = std::ranges::find(registry.problems, name, &SpecProblem::device);
  if (conflict != registry.problems.end())
    return std::unexpected(Error{Code::kEnvironment,
                                 fmt::format("the device {} cannot be had: {}: {}", name,
                                             conflict->path.string(), conflict->message),
                                 {},
                                 "remove one of the two files, or rename its device"});
  const std::vector<std::string> near = knowledge::near_matches(name, registry.devices(), 1);
  std::string hint = near.empty() ? "flense cdi list shows what there is"
                                  : fmt::format("did you mean {}?", near.front());
  if (near.empty() && registry.files.empty() && registry.problems.empty())
    hint = "no CDI specification was found: flense cdi generate makes one";
  else if (near.empty() && !registry.problems.empty())
    hint = fmt::format("{} was passed over: flense cdi validate says why",
                       registry.problems.front().path.string());
  return std::unexpected(Error{
      Code::kEnvironment, fmt::format("there is no CDI device {}", name), {}, std::move(hint)});
}

}  // namespace

Result<Edits> Registry::resolve(const std::vector<std::string>& names) const {
  const std::map<std::string, Owner> owners = owners_of(files);
  std::set<const SpecFile*> used;
  std::set<std::string_view> seen;
  Edits out;
  for (const std::string& name : names) {
    if (!parse_qualified_name(name))
      return with_hint(Result<Edits>(fail(Code::kUsage, "'{}' is no name of a CDI device", name)),
                       "they read VENDOR/CLASS=NAME: nvidia.com/gpu=0");
    const auto at = owners.find(name);
    if (at == owners.end() || at->second.rival != nullptr) return unresolved(*this, name);
    if (!seen.insert(name).second) continue;
    const Owner& owner = at->second;
    if (used.insert(owner.file).second) merge(owner.file->spec.edits, out);
    merge(owner.device->edits, out);
  }
  return out;
}

Registry read_registry(const std::vector<std::filesystem::path>& directories) {
  Registry out;
  for (std::size_t i = 0; i < directories.size(); ++i) {
    for (const std::filesystem::path& path : spec_files(directories[i], out.problems)) {
      const Result<std::string> text = read_spec_text(path);
      Result<Spec> spec = text ? read_spec(*text, "it") : std::unexpected(text.error());
      if (spec)
        out.files.push_back({path, std::move(*spec), i});
      else
        out.problems.push_back({path, spec.error().message, {}});
    }
  }
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
  // A relative path in these variables is to be ignored (XDG Base Directory Specification).
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
