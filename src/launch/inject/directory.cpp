#include "launch/inject/directory.h"

#include <fcntl.h>

#include <algorithm>
#include <system_error>

#include "base/file.h"
#include "codec/sha256.h"
#include "launch/rootfs/kept_directory.h"
#include "text/fields.h"

namespace flense::launch {

template <text::FieldsOf<Decision> D, class See>
void each_field(D& value, See see) {
  see("file", value.file);
  see("injected", value.injected);
  see("reason", value.reason);
}

template <text::FieldsOf<Prepared::Bind> B, class See>
void each_field(B& value, See see) {
  see("host", value.host);
  see("container", value.container);
}

template <text::FieldsOf<Prepared> P, class See>
void each_field(P& value, See see) {
  see("image", value.image);
  see("dropped_mounts", value.dropped_mounts);
  see("dropped_hooks", value.dropped_hooks);
  see("binds", value.binds);
  see("env", value.env);
  see("decisions", value.decisions);
  see("notices", value.notices);
  see("links", value.links);
  see("links32", value.links32);
  see("loader_cache", value.loader_cache);
}

namespace {

constexpr std::uint64_t kMaxDecisions = 4U << 20, kMaxLoaderCache = 64U << 20;
constexpr const char* kPreparedForm = "flense/injection/v2";
constexpr const char* kFile = "decisions.json";

Result<void> write_links(const std::filesystem::path& folder,
                         const std::map<std::string, std::string>& links) {
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  if (error) return system_error(error.value(), "cannot create " + folder.string());
  for (const auto& [name, target] : links) {
    std::filesystem::create_symlink(target, folder / name, error);
    if (error) return system_error(error.value(), "cannot create " + (folder / name).string());
  }
  return {};
}

std::string digest_of(const std::string& text) {
  codec::Sha256 hash;
  hash.update(as_bytes(text));
  return hash.hex();
}

/// Names and targets of a folder that holds nothing but links; a missing folder has none.
Result<std::map<std::string, std::string>> read_links(const std::filesystem::path& folder) {
  std::map<std::string, std::string> out;
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) return out;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    const std::filesystem::path target = std::filesystem::read_symlink(at->path(), error);
    if (error) return bad_input("{} is not a link", at->path().string());
    out.emplace(at->path().filename().string(), target.string());
  }
  if (error) return system_error(error.value(), "cannot read " + folder.string());
  return out;
}

/// A name that only one of the two has, or that leads elsewhere.
std::optional<std::string> differing(const std::map<std::string, std::string>& a,
                                     const std::map<std::string, std::string>& b) {
  for (const auto& [name, target] : a) {
    const auto at = b.find(name);
    if (at == b.end() || at->second != target) return name;
  }
  for (const auto& [name, target] : b)
    if (!a.contains(name)) return name;
  return std::nullopt;
}

}  // namespace

std::optional<Prepared> parse_prepared(std::string_view text) {
  const Result<text::Json> json = text::parse_json(text, kFile);
  if (!json || (*json)["form"].text() != kPreparedForm) return std::nullopt;
  Prepared out;
  text::FieldReader reader(kFile);
  reader.read(*json, "$", out);
  if (!reader.complaint().empty()) return std::nullopt;
  return out;
}

std::optional<Prepared> load_prepared(const std::filesystem::path& directory) {
  const Result<std::string> text = read_file(directory / kFile, kMaxDecisions);
  if (!text) return std::nullopt;
  return parse_prepared(*text);
}

std::optional<HeldPrepared> hold_prepared(const std::filesystem::path& directory) {
  auto held = hold_directory(directory);
  if (!held) return std::nullopt;
  auto prepared = load_prepared(directory);
  if (!prepared) return std::nullopt;
  return HeldPrepared{std::move(*prepared), std::move(*held)};
}

Result<void> publish_prepared(const std::filesystem::path& directory, const Prepared& prepared,
                              const PreparedFiles& files) {
  // One that exists but is incomplete comes from a failed disk: it is replaced.
  std::error_code ignored;
  if (std::filesystem::exists(directory, ignored) && !load_prepared(directory)) {
    TRY(const bool free, discard_directory(directory));
    if (!free)
      return fail(Code::kEnvironment, "{} is damaged, and a container uses it", directory.string());
  }
  auto staged = AtomicDirectory::create(directory);
  if (!staged && load_prepared(directory)) return {};
  TRY(AtomicDirectory output, std::move(staged));
  TRY_DO(write_links(output.staging() / "lib", files.links));
  if (!files.links32.empty()) TRY_DO(write_links(output.staging() / "lib32", files.links32));
  if (files.loader_cache)
    TRY_DO(write_new_file(output.staging() / "ld.so.cache", *files.loader_cache));
  Prepared noted = prepared;
  noted.links = files.links;
  noted.links32 = files.links32;
  if (files.loader_cache) noted.loader_cache = digest_of(*files.loader_cache);
  text::Json json = text::fields_to_json(noted);
  json.set("form", kPreparedForm);
  TRY_DO(write_new_file(output.staging() / kFile, text::dump_json(json, 1) + "\n"));
  auto committed = output.commit();
  if (!committed && load_prepared(directory)) return {};
  return committed;
}

Result<void> verify_prepared(const std::filesystem::path& directory) {
  const auto held = hold_prepared(directory);
  if (!held) return bad_input("{} is not a complete entry", directory.string());
  const std::pair<const char*, const std::map<std::string, std::string>*> folders[] = {
      {"lib", &held->prepared.links}, {"lib32", &held->prepared.links32}};
  for (const auto& [folder, expected] : folders) {
    TRY(const auto links, read_links(directory / folder));
    if (const auto name = differing(*expected, links))
      return bad_input("{}/{} is not the link that was created", folder, *name);
  }
  std::string sum;
  if (const auto cache = read_file(directory / "ld.so.cache", kMaxLoaderCache))
    sum = digest_of(*cache);
  if (sum != held->prepared.loader_cache) return bad_input("ld.so.cache has different content");
  return {};
}

std::vector<ListedPrepared> list_prepared(const std::filesystem::path& place) {
  std::vector<ListedPrepared> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(place, error), end; !error && at != end;
       at.increment(error)) {
    ListedPrepared one;
    one.key = at->path().filename().string();
    const auto identity = file_identity(at->path());
    if (!is_key(one.key) || !identity) continue;
    if (const auto prepared = load_prepared(at->path())) one.image = prepared->image;
    one.bytes = bytes_below(at->path());
    one.used = identity->modified / 1'000'000'000;
    out.push_back(std::move(one));
  }
  std::sort(out.begin(), out.end(),
            [](const ListedPrepared& a, const ListedPrepared& b) { return a.key < b.key; });
  return out;
}

cdi::Edits edits_with(const cdi::Edits& edits, const Prepared& prepared,
                      const std::filesystem::path& directory) {
  cdi::Edits out = edits;
  const auto erase = [](auto& list, const std::vector<std::uint64_t>& indices) {
    std::size_t i = 0;
    std::erase_if(list,
                  [&](const auto&) { return std::ranges::find(indices, i++) != indices.end(); });
  };
  erase(out.mounts, prepared.dropped_mounts);
  erase(out.hooks, prepared.dropped_hooks);
  for (const Prepared::Bind& bind : prepared.binds) {
    const std::string host =
        bind.host.starts_with('/') ? bind.host : (directory / bind.host).string();
    // Including mounts below: in a container each of the driver's files is a mount of its own.
    out.mounts.push_back(
        {host, bind.container, "", {"ro", "nosuid", "nodev", "rbind", "rprivate"}});
  }
  out.env.insert(out.env.end(), prepared.env.begin(), prepared.env.end());
  return out;
}

}  // namespace flense::launch
