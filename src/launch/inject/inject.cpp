#include "launch/inject/inject.h"

#include <elf.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <system_error>
#include <thread>

#include "base/path.h"
#include "base/version_numbers.h"
#include "codec/sha256.h"
#include "inventory/scan/own_build.h"
#include "launch/inject/decide.h"
#include "launch/inject/directory.h"
#include "launch/inject/loader_cache_writer.h"

namespace flense::launch {
namespace {

constexpr std::string_view kForm = "flense/injection/v1";
constexpr const char* kHosts = "/run/flense/host";
constexpr const char* kLinks = "/run/flense/lib";
constexpr const char* kLinks32 = "/run/flense/lib32";
constexpr const char* kLoaderCache = "/etc/ld.so.cache";

/// Everything that a decision rests on. An unpacked root is named by its key and not looked at
/// again.
std::string key_of(const cdi::Edits& edits, const std::vector<LibraryMount>& mounts,
                   const InjectOptions& options, const ImageRoot& root) {
  std::string text;
  const auto add = [&](std::string_view part) {
    text += fmt::format("{}:", part.size());
    text += part;
  };
  add(kForm);
  add(inventory::own_build());
  add(options.image_key);
  add(options.use_image_compat ? "compat" : "");
  add(options.library_path);
  if (options.root_may_change)
    for (const std::string& place : decisive_places(options.library_path))
      add(root.identity(place));
  for (const LibraryMount& one : mounts) {
    const cdi::Mount& mount = edits.mounts[one.index];
    add(mount.host_path);
    add(mount.container_path);
    add(fmt::format("{} {} {} {} {}", one.index, one.identity.inode, one.identity.size,
                    one.identity.modified, one.identity.changed));
  }
  for (const cdi::Hook& hook : edits.hooks) {
    add(hook.path);
    add(fmt::format("{}", hook.args.size()));
    for (const std::string& word : hook.args) add(word);
  }
  codec::Sha256 hash;
  hash.update(as_bytes(text));
  return hash.hex();
}

/// Builds what a decision comes to.
class Preparation {
 public:
  Preparation(const cdi::Edits& edits, const InjectOptions& options, const ImageRoot& root)
      : edits_(edits), options_(options), views_(root, options.library_path) {}

  Result<void> run(const std::vector<LibraryMount>& mounts);
  Prepared prepared;
  PreparedFiles files;

 private:
  void read_hooks();
  void choose_compat();
  void place(const HostLibrary& library);
  void add_link(std::uint16_t machine, const std::string& name, const std::string& target);
  Result<void> make_cache();
  void add_library_path();

  const cdi::Edits& edits_;
  const InjectOptions& options_;
  ImageViews views_;
  std::vector<HostLibrary> libraries_;
  std::optional<CompatFolder> compat_;
  std::vector<std::string> hosts_;                        // bound directories, in order
  std::map<std::uint16_t, std::set<std::string>> names_;  // injected, by machine
};

void Preparation::read_hooks() {
  for (std::size_t i = 0; i < edits_.hooks.size(); ++i) {
    const auto hook = known_hook(edits_.hooks[i]);
    if (!hook) continue;
    prepared.dropped_hooks.push_back(i);
    for (const KnownHook::Link& link : hook->links) {
      const std::string target(base_name(link.target)), name(base_name(link.path));
      const auto library = std::ranges::find_if(libraries_, [&](const HostLibrary& one) {
        return !one.by_path && (one.names.contains(target) || one.name() == target);
      });
      if (library != libraries_.end() && name.find(".so") != std::string::npos)
        library->names.insert(name);
      else
        prepared.notices.push_back(
            fmt::format("the link {} to {}, which the CDI specification asks for, is not made",
                        link.path, link.target));
    }
  }
}

void Preparation::choose_compat() {
  if (!options_.use_image_compat) return;
  const auto cuda = std::ranges::find_if(libraries_, [](const HostLibrary& one) {
    return one.name() == "libcuda.so.1" && one.facts.wide;
  });
  if (cuda == libraries_.end()) return;
  compat_ = find_compat(views_.root(), cuda->facts.machine);
  if (!compat_) return;
  const std::string_view host = version_in_name(cuda->real);
  if (!is_version(host) || compare_versions(compat_->version, host) > 0) return;
  prepared.notices.push_back(
      fmt::format("the image's {} ({}) is not used: the host's driver {} is no older",
                  compat_->path, compat_->version, host));
  compat_.reset();
}

void Preparation::add_link(std::uint16_t machine, const std::string& name,
                           const std::string& target) {
  auto& links = machine == EM_386 ? files.links32 : files.links;
  links.try_emplace(name, target);
  names_[machine].insert(name);
}

void Preparation::place(const HostLibrary& library) {
  if (library.by_path) {
    if (library.container_path.starts_with("/usr/lib/wsl/"))
      for (const std::string& name : library.names)
        add_link(library.facts.machine, name, library.container_path);
    return;
  }
  prepared.dropped_mounts.insert(prepared.dropped_mounts.end(), library.mounts.begin(),
                                 library.mounts.end());
  const std::string folder(parent_path(library.real));
  auto at = std::ranges::find(hosts_, folder);
  if (at == hosts_.end()) at = hosts_.insert(at, folder);
  const std::string target =
      fmt::format("{}/{}/{}", kHosts, at - hosts_.begin(), base_name(library.real));
  for (const std::string& name : library.names) add_link(library.facts.machine, name, target);
}

Result<void> Preparation::make_cache() {
  std::vector<elf::CacheEntry> own;
  // Owns the entries' texts until the cache is written.
  std::vector<std::string> paths;
  std::size_t count = compat_ ? compat_->libraries.size() : 0;
  for (const auto& [machine, names] : names_) count += names.size();
  paths.reserve(count);
  if (compat_)
    for (const auto& [name, path] : compat_->libraries)
      own.push_back({elf::cache_flags(compat_->machine), name, path, 0, 0, {}});
  const ImageLibraries* image = nullptr;
  for (const auto& [machine, names] : names_) {
    if (image == nullptr || machine != EM_386) image = &views_.of(machine);
    for (const std::string& name : names) {
      if (compat_ && machine == compat_->machine && compat_->libraries.contains(name)) continue;
      paths.push_back(fmt::format("{}/{}", machine == EM_386 ? kLinks32 : kLinks, name));
      own.push_back({elf::cache_flags(machine), name, paths.back(), 0, 0, {}});
    }
  }
  if (own.empty() || image == nullptr) return {};
  if (!image->cache_problem().empty())
    prepared.notices.push_back(
        fmt::format("{}, so the container's loader cache names the driver's libraries alone",
                    image->cache_problem()));
  TRY(files.loader_cache, write_loader_cache(merge_cache_entries(own, image->cache())));
  prepared.binds.push_back({"ld.so.cache", kLoaderCache});
  return {};
}

void Preparation::add_library_path() {
  // A loader with its cache elsewhere, and a directory that it searches before any cache.
  std::string why;
  for (const auto& [machine, names] : names_) {
    const ImageLibraries& image = views_.of(machine);
    if (!image.reads_cache())
      why = fmt::format("the image's loader does not read {}", kLoaderCache);
    for (const std::string& name : names)
      if (const std::string path = image.in_library_path(name); !path.empty() && why.empty())
        why = fmt::format("LD_LIBRARY_PATH of the image leads to {}", path);
  }
  if (compat_ && why.empty())
    if (const std::string path = views_.of(compat_->machine).in_library_path("libcuda.so.1");
        !path.empty() && parent_path(views_.root().real(path)) != compat_->path)
      why = fmt::format("LD_LIBRARY_PATH of the image leads to {}", path);
  if (why.empty()) return;
  std::string value = kLinks;
  if (!files.links32.empty()) value += fmt::format(":{}", kLinks32);
  if (compat_) value = fmt::format("{}:{}", compat_->path, value);
  if (!options_.library_path.empty()) value += ":" + options_.library_path;
  prepared.env.push_back("LD_LIBRARY_PATH=" + value);
  prepared.notices.push_back(
      fmt::format("{}, so LD_LIBRARY_PATH begins with the host's driver libraries", why));
}

Result<void> Preparation::run(const std::vector<LibraryMount>& mounts) {
  prepared.image = options_.image_key;
  TRY(libraries_, host_libraries(edits_, mounts));
  read_hooks();
  choose_compat();
  TRY(prepared.decisions, decide(libraries_, views_, compat_));
  for (std::size_t i = 0; i < libraries_.size(); ++i) {
    const HostLibrary& library = libraries_[i];
    if (prepared.decisions[i].injected)
      place(library);
    else
      prepared.dropped_mounts.insert(prepared.dropped_mounts.end(), library.mounts.begin(),
                                     library.mounts.end());
  }
  for (std::size_t i = 0; i < hosts_.size(); ++i)
    prepared.binds.push_back({hosts_[i], fmt::format("{}/{}", kHosts, i)});
  if (!files.links.empty()) prepared.binds.push_back({"lib", kLinks});
  if (!files.links32.empty()) prepared.binds.push_back({"lib32", kLinks32});
  TRY_DO(make_cache());
  add_library_path();
  std::ranges::sort(prepared.dropped_mounts);
  return {};
}

/// Again where somebody prunes it before it is held.
Result<HeldPrepared> publish_and_hold(const std::filesystem::path& place,
                                      const std::filesystem::path& directory,
                                      const Preparation& work) {
  constexpr int kTries = 100, kMostFailures = 10;
  constexpr auto kPause = std::chrono::milliseconds(5);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return system_error(error.value(), "cannot create " + directory.string());
  int failures = 0;
  for (int i = 0; i < kTries; ++i) {
    if (i > 0) std::this_thread::sleep_for(kPause);
    const Result<void> published = with_context(publish_prepared(place, work.prepared, work.files),
                                                "preparing the driver's libraries");
    // What was in the way may be gone a moment later.
    if (!published && ++failures < kMostFailures) continue;
    TRY_DO(published);
    if (auto held = hold_prepared(place)) return std::move(*held);
  }
  return fail(Code::kEnvironment, "{} was removed each time it was created", place.string());
}

}  // namespace

Result<Injection> plan_injection(const cdi::Edits& edits, const UniqueFd& root,
                                 const InjectOptions& options) {
  TRY(const std::vector<LibraryMount> mounts, library_mounts(edits));
  const bool hooks = std::ranges::any_of(
      edits.hooks, [](const cdi::Hook& hook) { return known_hook(hook).has_value(); });
  if (mounts.empty() && !hooks) return Injection{edits, {}, {}, {}};
  const ImageRoot image(root);
  const std::filesystem::path place = options.directory / key_of(edits, mounts, options, image);
  std::optional<HeldPrepared> held = hold_prepared(place);
  if (!held) {
    Preparation work(edits, options, image);
    TRY_DO(work.run(mounts));
    TRY(held, publish_and_hold(place, options.directory, work));
  }
  return Injection{edits_with(edits, held->prepared, place), held->prepared.decisions,
                   held->prepared.notices, std::move(held->held)};
}

}  // namespace flense::launch
