#include "launch/inject_directory.h"

#include <fcntl.h>

#include <algorithm>
#include <system_error>

#include "base/file.h"
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
  see("dropped_mounts", value.dropped_mounts);
  see("dropped_hooks", value.dropped_hooks);
  see("binds", value.binds);
  see("env", value.env);
  see("decisions", value.decisions);
  see("notices", value.notices);
}

namespace {

constexpr std::uint64_t kMaxDecisions = 4U << 20;
constexpr const char* kPreparedForm = "flense/injection/v1";
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

}  // namespace

std::optional<Prepared> load_prepared(const std::filesystem::path& directory) {
  const Result<std::string> text = read_file(directory / kFile, kMaxDecisions);
  if (!text) return std::nullopt;
  const Result<text::Json> json = text::parse_json(*text, kFile);
  if (!json || (*json)["form"].text() != kPreparedForm) return std::nullopt;
  Prepared out;
  text::FieldReader reader(kFile);
  reader.read(*json, "$", out);
  if (!reader.complaint().empty()) return std::nullopt;
  return out;
}

Result<void> publish_prepared(const std::filesystem::path& directory, const Prepared& prepared,
                              const PreparedFiles& files) {
  // One that is there and not whole is of a disk that failed: it gives way.
  std::error_code ignored;
  if (std::filesystem::exists(directory, ignored) && !load_prepared(directory))
    std::filesystem::remove_all(directory, ignored);
  auto staged = AtomicDirectory::create(directory);
  if (!staged && load_prepared(directory)) return {};
  TRY(AtomicDirectory output, std::move(staged));
  TRY_DO(write_links(output.staging() / "lib", files.links));
  if (!files.links32.empty()) TRY_DO(write_links(output.staging() / "lib32", files.links32));
  if (files.loader_cache)
    TRY_DO(write_new_file(output.staging() / "ld.so.cache", *files.loader_cache));
  text::Json json = text::fields_to_json(prepared);
  json.set("form", kPreparedForm);
  TRY_DO(write_new_file(output.staging() / kFile, text::dump_json(json, 1) + "\n"));
  auto committed = output.commit();
  if (!committed && load_prepared(directory)) return {};
  return committed;
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
    // With what is mounted below: in a container each of the driver's files is a mount of its own.
    out.mounts.push_back(
        {host, bind.container, "", {"ro", "nosuid", "nodev", "rbind", "rprivate"}});
  }
  out.env.insert(out.env.end(), prepared.env.begin(), prepared.env.end());
  return out;
}

}  // namespace flense::launch
