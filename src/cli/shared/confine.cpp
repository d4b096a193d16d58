#include "cli/shared/confine.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/file.h"
#include "image/model/reference.h"
#include "image/sources/helpers.h"

namespace flense::cli {

namespace {

constexpr std::string_view kNoSandbox = "--no-sandbox";

bool has(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

/// Build systems make the blobs of a layout links into their stores.
void add_image(const std::filesystem::path& path, guard::Reach& out) {
  out.read.push_back(path);
  if (!has(path / "oci-layout") && !has(path / "version")) return;
  guard::add_with_links(path, out.read);
  guard::add_with_links(path / "blobs" / "sha256", out.read);
}

}  // namespace

void add_no_sandbox(Options& options, Request& request) {
  options.flag(kNoSandbox, "read without the sandbox around what strangers made",
               request.no_sandbox);
}

bool confines_itself(const Options& options) {
  return options.find(kNoSandbox) != nullptr;
}

void add_targets(const std::vector<std::string>& targets, const ImageOptions& options, const Io& io,
                 Wanted& out) {
  for (const std::string& target : targets) {
    const std::string path = image::parse_target(target).path;
    if (!path.empty()) add_image(path, out.reach);
  }
  if (std::ranges::any_of(targets, image::needs_helpers)) {
    out.helpers = true;
    const std::filesystem::path images = places_of(io).images;
    guard::Services services = image::helpers_for(targets, images);
    out.services.may_start = std::move(services.may_start);
    out.services.ask = std::move(services.ask);
    if (!images.empty()) {
      // Made here, since above it nothing can be made later.
      std::error_code ignored;
      std::filesystem::create_directories(images / "images", ignored);
      out.reach.change.push_back(images / "images");
    }
  }
  out.reach.scratch.push_back(scratch_directory(options, io));
}

void add_hosts(const std::vector<std::string>& words, Wanted& out) {
  for (const std::string& word : words)
    if (has(word)) out.reach.read.emplace_back(word);
}

void add_cache(const ImageOptions& options, const Io& io, Wanted& out) {
  if (options.no_cache) return;
  // What is wrong with it is told when it is used.
  if (const auto opened = open_entry_store(io); opened && opened->store)
    out.reach.change.push_back(opened->store->directory());
}

void add_output(const std::vector<std::string>& paths, Wanted& out) {
  out.helpers = true;
  out.services.save = [paths](const std::string& path, std::string_view text) -> Result<void> {
    if (std::ranges::find(paths, path) == paths.end())
      return fail(Code::kInternal, "the sandbox does not allow to write {}", path);
    return save_named(path, text);
  };
}

Result<void> save_output(const std::string& path, std::string_view text, const Io& io) {
  return io.broker ? io.broker->save(path, text) : save_named(path, text);
}

Result<void> confine(const Request& request, const Wanted& wanted, Io& io) {
  if (!request.no_sandbox && io.confine) {
    if (wanted.helpers) {
      TRY(io.broker, guard::Broker::begin(wanted.services));
    }
    io.confine(wanted.reach);
    io.confined = true;
  }
  if (io.watch_signals) io.watch_signals();
  return {};
}

}  // namespace flense::cli
