#include "launch/root_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>
#include <thread>
#include <utility>

#include "base/private_directory.h"
#include "base/staging.h"
#include "codec/sha256.h"
#include "image/extract.h"
#include "image/layer_walk.h"
#include "image/platform.h"
#include "launch/mount_points.h"
#include "launch/root_listing.h"

namespace flense::launch {

namespace {

constexpr std::string_view kEntryForm = "flense-root/1";
constexpr std::uint64_t kMaxEntryJson = 1u << 20, kMaxListing = 2ull << 30;
constexpr std::size_t kKeyDigits = 64;
/// A use is noted once an hour, as in the cache of inventories.
constexpr std::time_t kTouchSeconds = 3600;
constexpr auto kFirstPause = std::chrono::milliseconds(5),
               kLongestPause = std::chrono::milliseconds(100);

bool is_key(std::string_view text) {
  return text.size() == kKeyDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string sum_of(const std::string& text) {
  codec::Sha256 hash;
  hash.update(as_bytes(text));
  return hash.hex();
}

text::Json entry_json(const std::string& key, const image::Image& image,
                      const std::vector<std::string>& notices, const Listing& listing) {
  text::Json out = text::Json::object();
  out.set("form", kEntryForm);
  out.set("key", key);
  out.set("label", image.name);
  out.set("bytes", listing.bytes);
  out.set("files", std::uint64_t{listing.files.size()});
  text::Json lines = text::Json::array();
  for (const std::string& notice : notices) lines.push(notice);
  out.set("notices", std::move(lines));
  return out;
}

/// nullopt for what is no entry of this form.
std::optional<text::Json> read_entry(const std::filesystem::path& entry, const std::string& key) {
  const auto text = read_file(entry / "entry.json", kMaxEntryJson);
  if (!text) return std::nullopt;
  auto json = text::parse_json(*text, "entry.json");
  if (!json || (*json)["form"].text() != kEntryForm || (*json)["key"].text() != key)
    return std::nullopt;
  return std::move(*json);
}

bool same_file(int fd, const std::filesystem::path& path) {
  struct stat open{}, named{};
  return ::fstat(fd, &open) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

void note_use(int entry) {
  struct stat status{};
  if (::fstat(entry, &status) == 0 && std::time(nullptr) - status.st_mtim.tv_sec >= kTouchSeconds)
    static_cast<void>(::futimens(entry, nullptr));
}

/// The lock of a key, and a file that nobody removes: a lock on a removed file would hold nobody.
Result<UniqueFd> lock_file(const std::filesystem::path& directory, const std::string& key) {
  const std::filesystem::path path = directory / ("." + key + ".lock");
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return system_error(errno, "cannot create " + path.string());
  return fd;
}

/// Nobody else writes while the key's lock is held, so that what lies there is of the dead.
void remove_left_behind(const std::filesystem::path& entry) {
  constexpr std::time_t kHour = 3600;
  remove_stale_staging(entry, std::time(nullptr) + kHour);
}

std::string room_hint(const std::filesystem::path& directory) {
  return fmt::format(
      "flense cache prune frees what is not used; FLENSE_CACHE=DIR chooses another place than {}",
      directory.string());
}

Result<void> check_platform(const image::Image& image) {
  const image::Platform host = image::host_platform();
  if (image.platform.architecture.empty() || image::platform_match(host, image.platform)) return {};
  return with_hint(Result<void>(fail(Code::kEnvironment, "{} is for {}, this machine is {}",
                                     image.name, image.platform.text(), host.text())),
                   "--platform picks another one of a multi-platform image");
}

}  // namespace

Result<RootStore> RootStore::open(const std::filesystem::path& directory) {
  TRY_DO(open_private_directory(directory));
  return RootStore(directory);
}

Result<std::string> RootStore::key_of(const image::Image& image) {
  std::string text = fmt::format("{}\n", kEntryForm);
  if (image.entries() != nullptr) {
    const image::Form form = image.form;
    if (form != image::Form::kSquashfs && form != image::Form::kSif)
      return bad_input("{} is no image that can be started", image.name);
    std::error_code error;
    const std::filesystem::path path = std::filesystem::canonical(image.name, error);
    const auto identity = error ? std::nullopt : file_identity(path);
    if (!identity) return system_error(ENOENT, "cannot read " + image.name);
    text += fmt::format("file {}\n{} {} {} {}\n", path.string(), identity->inode, identity->size,
                        identity->modified, identity->changed);
    return sum_of(text);
  }
  for (const image::Layer& layer : image.layers) {
    if (layer.diff_id.empty()) return bad_input("{}: a layer has no diff_id", image.name);
    text += layer.diff_id + "\n";
  }
  return sum_of(text);
}

Result<RootFs> RootStore::in_place(const std::filesystem::path& directory) {
  std::error_code error;
  RootFs out;
  out.path = std::filesystem::canonical(directory, error);
  if (error) return system_error(error.value(), "cannot read " + directory.string());
  out.directory = UniqueFd(::open(out.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat status{};
  if (!out.directory || ::fstat(out.directory.get(), &status) != 0)
    return system_error(errno, "cannot open " + out.path.string());
  out.key = sum_of(fmt::format("{}\ndirectory {}\n{} {}\n", kEntryForm, out.path.string(),
                               std::uint64_t{status.st_dev}, std::uint64_t{status.st_ino}));
  return out;
}

Result<std::optional<RootFs>> RootStore::find(const std::string& key) const {
  if (!is_key(key)) return fail(Code::kInternal, "'{}' is no key of a root", key);
  RootFs out;
  out.key = key;
  // Inherited by the program that we become.
  out.held = UniqueFd(::open(entry(key).c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (!out.held) return std::nullopt;
  // Refused while somebody removes it; without locks (a network file system) nobody can tell.
  if (::flock(out.held.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) return std::nullopt;
  if (!same_file(out.held.get(), entry(key))) return std::nullopt;
  const auto json = read_entry(entry(key), key);
  if (!json) return std::nullopt;
  out.path = entry(key) / "root";
  out.directory =
      UniqueFd(::openat(out.held.get(), "root", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!out.directory) return std::nullopt;
  for (const text::Json& line : (*json)["notices"].items()) out.notices.emplace_back(line.text());
  note_use(out.held.get());
  return std::optional<RootFs>(std::move(out));
}

Result<RootFs> RootStore::obtain(const image::Image& image, Progress& progress) const {
  TRY_DO(check_platform(image));
  TRY(const std::string key, key_of(image));
  TRY(auto there, find(key));
  if (there) return std::move(*there);
  TRY(const UniqueFd lock, with_hint(lock_file(directory_, key), room_hint(directory_)));
  progress.begin("waiting for another flense that unpacks the image", 0);
  for (auto pause = kFirstPause; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0;
       pause = std::min(2 * pause, kLongestPause)) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return with_hint(Result<RootFs>(system_error(errno, "cannot lock in " + directory_.string())),
                       "FLENSE_CACHE=DIR names a directory of this machine");
    TRY(there, find(key));
    if (there) return std::move(*there);
    TRY_DO(progress.add(0));
    std::this_thread::sleep_for(pause);
  }
  // Whoever had the lock may have done it.
  TRY(there, find(key));
  if (there) return std::move(*there);
  TRY_DO(with_context(with_hint(unpack(image, key, progress), room_hint(directory_)),
                      "unpacking {}", image.name));
  TRY(there, find(key));
  if (!there)
    return fail(Code::kEnvironment, "{} was removed right after it was made", entry(key).string());
  there->unpacked_now = true;
  return std::move(*there);
}

Result<void> RootStore::unpack(const image::Image& image, const std::string& key,
                               Progress& progress) const {
  remove_left_behind(entry(key));
  TRY_DO(discard(key));
  TRY(AtomicDirectory output, AtomicDirectory::create(entry(key)));
  if (::chmod(output.staging().c_str(), 0700) != 0)
    return system_error(errno, "cannot set the mode of " + output.staging().string());
  const std::filesystem::path root = output.staging() / "root";
  if (::mkdir(root.c_str(), 0755) != 0)
    return system_error(errno, "cannot create " + root.string());
  const UniqueFd directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return system_error(errno, "cannot open " + root.string());

  TRY(auto extractor, image::Extractor::create(root, image::Ownership::kCaller));
  image::WalkOptions options;
  options.scratch_directory = directory_;
  options.progress = &progress;
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    progress.begin(fmt::format("unpacking layer {} of {}", i + 1, image.layers.size()), 0);
    extractor.begin_layer();
    TRY_DO(with_context(
        image::walk_layer(image, i, options,
                          [&](const image::LayerEntry& member, image::EntryContent* content,
                              codec::TarReader*) { return extractor.add(member, content); }),
        "reading layer {} ({})", i + 1, image.layers[i].diff_id));
  }
  TRY_DO(make_mount_points(directory.get()));
  TRY_DO(extractor.finish());

  progress.begin("listing the unpacked files", 0);
  TRY(const Listing listing, list_root(directory.get(), &extractor.written(), progress));
  TRY_DO(write_new_file(output.staging() / "listing", encode_listing(listing), 0600));
  TRY_DO(write_new_file(output.staging() / "entry.json",
                        text::dump_json(entry_json(key, image, extractor.notices(), listing), 2),
                        0600));
  return output.commit();
}

/// Takes away what is there: first the name, so that nobody finds half of it.
Result<void> RootStore::discard(const std::string& key) const {
  const UniqueFd held(::open(entry(key).c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!held)
    return errno == ENOENT ? Result<void>()
                           : system_error(errno, "cannot open " + entry(key).string());
  if (::flock(held.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Code::kEnvironment, "a container uses {}", entry(key).string());
  std::string aside = staging_pattern(entry(key));
  if (::mkdtemp(aside.data()) == nullptr)
    return system_error(errno, "cannot create a directory in " + directory_.string());
  if (::rename(entry(key).c_str(), aside.c_str()) != 0)
    return system_error(errno, "cannot rename " + entry(key).string());
  std::error_code error;
  std::filesystem::remove_all(aside, error);
  if (error) return system_error(error.value(), "cannot remove " + aside);
  return {};
}

std::vector<ListedRoot> RootStore::list() const {
  std::vector<ListedRoot> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory_, error), end; !error && at != end;
       at.increment(error)) {
    const std::string key = at->path().filename().string();
    struct stat status{};
    if (!is_key(key) || ::lstat(at->path().c_str(), &status) != 0) continue;
    ListedRoot root;
    root.key = key;
    root.used = status.st_mtim.tv_sec;
    if (const auto json = read_entry(at->path(), key)) {
      root.label = (*json)["label"].text();
      root.bytes = (*json)["bytes"].unsigned_or(0);
    } else {
      root.label = "damaged";
    }
    out.push_back(std::move(root));
  }
  std::sort(out.begin(), out.end(),
            [](const ListedRoot& a, const ListedRoot& b) { return a.key < b.key; });
  return out;
}

Result<void> RootStore::remove(const std::string& key) const {
  if (!is_key(key)) return fail(Code::kInternal, "'{}' is no key of a root", key);
  TRY(const UniqueFd lock, lock_file(directory_, key));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Code::kEnvironment, "{} is being unpacked", entry(key).string());
  remove_left_behind(entry(key));
  return discard(key);
}

Result<void> RootStore::verify(const std::string& key, Progress& progress) const {
  TRY(const auto found, find(key));
  if (!found) return bad_input("{} is no whole entry", entry(key).string());
  TRY(const std::string text, read_file(entry(key) / "listing", kMaxListing));
  TRY(const Listing expected, decode_listing(as_bytes(text)));
  TRY(const Listing there, list_root(found->directory.get(), nullptr, progress));
  if (const auto difference = first_difference(expected, there))
    return bad_input("{}", *difference);
  return {};
}

}  // namespace flense::launch
