#include "cli/shared/confine.h"

#include <filesystem>
#include <system_error>

#include "image/model/reference.h"

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
  if (has(path / "oci-layout")) guard::add_with_links(path / "blobs" / "sha256", out.read);
  if (has(path / "manifest.json") && has(path / "version")) guard::add_with_links(path, out.read);
}

/// Engines and registries; a name that is no path may be theirs, too.
bool may_need_helpers(const image::Target& target) {
  using enum image::Transport;
  return target.transport == kRegistry || target.transport == kDockerDaemon ||
         target.transport == kContainersStorage ||
         (target.transport == kNone && !target.path.empty() && !has(target.path));
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
    const image::Target parsed = image::parse_target(target);
    if (!parsed.path.empty()) add_image(parsed.path, out.reach);
    out.helpers = out.helpers || may_need_helpers(parsed);
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

void confine(const Request& request, const Wanted& wanted, Io& io) {
  if (!request.no_sandbox && !wanted.helpers && io.confine) {
    io.confine(wanted.reach);
    io.confined = true;
  }
  if (io.watch_signals) io.watch_signals();
}

}  // namespace flense::cli
