#include "launch/rootfs/store.h"

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
#include "image/layers/extract.h"
#include "image/layers/layer_walk.h"
#include "image/model/platform.h"
#include "launch/rootfs/disk_space.h"
#include "launch/rootfs/kept_directory.h"
#include "launch/rootfs/listing.h"
#include "launch/rootfs/mount_points.h"
#include "launch/rootfs/programs.h"

namespace flense::launch {

namespace {

constexpr std::string_view kEntryForm = "flense-root/2";
constexpr std::uint64_t kMaxEntryJson = 1u << 20, kMaxListing = 2ull << 30;
constexpr auto kFirstPause = std::chrono::milliseconds(5),
               kLongestPause = std::chrono::milliseconds(100);
constexpr auto kLettingGo = std::chrono::seconds(2);

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

/// nullopt for what is not an entry of this form.
std::optional<text::Json> read_entry(const std::filesystem::path& entry, const std::string& key) {
  const auto text = read_file(entry / kEntryName, kMaxEntryJson);
  if (!text) return std::nullopt;
  auto json = text::parse_json(*text, kEntryName);
  if (!json || (*json)["form"].text() != kEntryForm || (*json)["key"].text() != key)
    return std::nullopt;
  return std::move(*json);
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

Result<void> check_private(int held, const std::filesystem::path& entry) {
  struct stat status{};
  if (::fstat(held, &status) != 0) return system_error(errno, "cannot read " + entry.string());
  if (status.st_uid != ::geteuid())
    return fail(Code::kEnvironment, "{} belongs to another user", entry.string());
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) == 0) return {};
  return fail(Code::kEnvironment, "others can reach {} and may have written there", entry.string())
      .hint(fmt::format("chmod 700 {}; flense cache verify says whether it is whole",
                        entry.string()));
}

std::string place_hint(const std::filesystem::path& directory) {
  return fmt::format("FLENSE_CACHE=DIR selects a place other than {}", directory.string());
}

Result<void> check_platform(const image::Image& image) {
  const image::Platform host = image::host_platform();
  if (image.platform.architecture.empty() || image::platform_match(host, image.platform)) return {};
  return fail(Code::kEnvironment, "{} is for {}, this machine is {}", image.name,
              image.platform.text(), host.text())
      .hint("--platform selects another one from a multi-platform image");
}

}  // namespace

Result<RootStore> RootStore::open(const std::filesystem::path& directory,
                                  std::optional<std::uint64_t> max_unpacked) {
  TRY_DO(open_private_directory(directory));
  return RootStore(directory, max_unpacked);
}

Result<std::string> RootStore::key_of(const image::Image& image) {
  std::string text = fmt::format("{}\n", kEntryForm);
  if (image.entries() != nullptr) {
    const image::Form form = image.form;
    if (form != image::Form::kSquashfs && form != image::Form::kSif)
      return bad_input("{} is not an image that can be started", image.name);
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
  if (!is_key(key)) return fail(Code::kInternal, "'{}' is not a key of a root", key);
  RootFs out;
  out.key = key;
  auto held = hold_directory(entry(key));
  if (!held) return std::nullopt;
  out.held = std::move(*held);
  TRY_DO(check_private(out.held.get(), entry(key)));
  const auto json = read_entry(entry(key), key);
  if (!json) return std::nullopt;
  out.path = entry(key) / "root";
  out.directory =
      UniqueFd(::openat(out.held.get(), "root", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!out.directory) return std::nullopt;
  for (const text::Json& line : (*json)["notices"].items()) out.notices.emplace_back(line.text());
  return std::optional<RootFs>(std::move(out));
}

Result<RootFs> RootStore::obtain(const image::Image& image, Progress& progress) const {
  TRY_DO(check_platform(image));
  TRY(const std::string key, key_of(image));
  TRY(auto there, find(key));
  if (there) return std::move(*there);
  auto locked = with_hint(lock_file(directory_, key), place_hint(directory_));
  if (!locked)
    return std::unexpected(with_need(std::move(locked).error(), image, 0, 0, room_in(directory_)));
  const UniqueFd lock = std::move(*locked);
  for (auto pause = kFirstPause; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0;
       pause = std::min(2 * pause, kLongestPause)) {
    if (pause == kFirstPause)
      progress.begin("waiting for another flense that is unpacking the image", 0);
    if (errno != EWOULDBLOCK && errno != EINTR)
      return system_error(errno, "cannot lock in " + directory_.string())
          .hint("FLENSE_CACHE=DIR names a local directory");
    TRY(there, find(key));
    if (there) return std::move(*there);
    TRY_DO(progress.add(0));
    std::this_thread::sleep_for(pause);
  }
  // Whoever held the lock may have done it.
  TRY(there, find(key));
  if (there) return std::move(*there);
  TRY_DO(with_context(with_hint(unpack(image, key, progress), place_hint(directory_)),
                      "unpacking {}", image.name));
  TRY(there, find(key));
  if (!there)
    return fail(Code::kEnvironment, "{} was removed right after it was created",
                entry(key).string());
  there->unpacked_now = true;
  return std::move(*there);
}

Result<void> RootStore::unpack(const image::Image& image, const std::string& key,
                               Progress& progress) const {
  remove_left_behind(entry(key));
  TRY(bool free, discard_directory(entry(key)));
  // A container that has just ended lets go of its root a moment later.
  for (const auto until = std::chrono::steady_clock::now() + kLettingGo;
       !free && std::chrono::steady_clock::now() < until;) {
    TRY_DO(progress.add(0));
    std::this_thread::sleep_for(kFirstPause);
    TRY(free, discard_directory(entry(key)));
  }
  if (!free) return fail(Code::kEnvironment, "a container uses {}", entry(key).string());
  const Room before = room_in(directory_);
  auto output = AtomicDirectory::create(entry(key));
  if (!output) return std::unexpected(with_need(std::move(output).error(), image, 0, 0, before));
  std::size_t layer = 0;
  auto filled = fill(image, key, output->staging(), layer, progress);
  if (filled) filled = output->commit();
  if (filled) return {};
  // While what was written is still there.
  return std::unexpected(with_need(std::move(filled).error(), image, layer + 1,
                                   bytes_below(output->staging()), before));
}

/// The failure, with what is needed where the disk is full: what was written, and the layers from
/// `next` on as they are stored, which is the least that they come to.
Error RootStore::with_need(Error error, const image::Image& image, std::size_t next,
                           std::uint64_t written, const Room& before) const {
  if (!is_full(error)) return error;
  for (std::size_t i = next; i < image.layers.size(); ++i) written += image.layers[i].blob.size;
  return no_room(std::move(error),
                 {image.name, directory_, before, written, room_in(directory_).no_inodes});
}

/// The entry, in a directory that nobody else sees yet; `layer` is the one that is being unpacked.
Result<void> RootStore::fill(const image::Image& image, const std::string& key,
                             const std::filesystem::path& staging, std::size_t& layer,
                             Progress& progress) const {
  if (::chmod(staging.c_str(), 0700) != 0)
    return system_error(errno, "cannot set the mode of " + staging.string());
  const std::filesystem::path root = staging / "root";
  if (::mkdir(root.c_str(), 0755) != 0)
    return system_error(errno, "cannot create " + root.string());
  const UniqueFd directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return system_error(errno, "cannot open " + root.string());

  TRY(auto extractor, image::Extractor::create(root, image::Ownership::kCaller,
                                               image::UnpackLimit(image, max_unpacked_)));
  image::WalkOptions options;
  options.scratch_directory = directory_;
  options.progress = &progress;
  for (layer = 0; layer < image.layers.size(); ++layer) {
    progress.begin(fmt::format("unpacking layer {} of {}", layer + 1, image.layers.size()), 0);
    TRY_DO(extractor.begin_layer());
    TRY_DO(with_context(
        image::walk_layer(image, layer, options,
                          [&](const image::LayerEntry& member, image::EntryContent* content,
                              codec::TarReader*) { return extractor.add(member, content); }),
        "reading layer {} ({})", layer + 1, image.layers[layer].diff_id));
  }
  TRY_DO(make_mount_points(directory.get()));
  TRY_DO(extractor.finish());

  progress.begin("listing the unpacked files", 0);
  TRY(const Listing listing, list_root(directory.get(), &extractor.written(), progress));
  TRY_DO(write_new_file(staging / "listing", encode_listing(listing), 0600));
  TRY_DO(write_new_file(staging / kProgramsName, encode_programs(listing), 0600));
  return write_new_file(staging / kEntryName,
                        text::dump_json(entry_json(key, image, extractor.notices(), listing), 2),
                        0600);
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

Result<bool> RootStore::remove(const std::string& key) const {
  if (!is_key(key)) return fail(Code::kInternal, "'{}' is not a key of a root", key);
  TRY(const UniqueFd lock, lock_file(directory_, key));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return false;
  remove_left_behind(entry(key));
  return discard_directory(entry(key));
}

std::uint64_t RootStore::clear_left_behind() const {
  std::uint64_t bytes = 0;
  for (const LeftBehind& one : left_behind(directory_)) {
    const auto lock = lock_file(directory_, one.key);
    if (!lock || ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) continue;
    remove_left_behind(entry(one.key));
    std::error_code error;
    if (!std::filesystem::exists(one.path, error)) bytes += one.bytes;
  }
  return bytes;
}

Result<void> RootStore::verify(const std::string& key, Progress& progress) const {
  TRY(const auto found, find(key));
  if (!found) return bad_input("{} is not a complete entry", entry(key).string());
  TRY(const std::string text, read_file(entry(key) / "listing", kMaxListing));
  TRY(const Listing expected, decode_listing(as_bytes(text)));
  TRY(const Listing there, list_root(found->directory.get(), nullptr, progress));
  if (const auto difference = first_difference(expected, there))
    return bad_input("{}", *difference);
  return {};
}

}  // namespace flense::launch
