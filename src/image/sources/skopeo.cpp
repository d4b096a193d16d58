#include "image/sources/skopeo.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/ascii.h"
#include "base/private_directory.h"
#include "base/process.h"
#include "codec/sha256.h"
#include "guard/broker.h"
#include "image/model/model.h"
#include "image/model/platform.h"
#include "image/model/variant.h"
#include "image/sources/registry_answer.h"
#include "image/sources/remote_config.h"
#include "image/sources/spool.h"
#include "image/sources/stored_image.h"

namespace flense::image {

namespace {

struct CachePaths {
  std::filesystem::path blobs;    ///< holds sha256/…
  std::filesystem::path layouts;  ///< one directory per image and platform
};

Result<CachePaths> image_cache(const std::filesystem::path& root) {
  if (root.empty()) {
    return fail(Code::kEnvironment, "no cache directory: HOME is not set")
        .hint("set FLENSE_CACHE or XDG_CACHE_HOME");
  }
  CachePaths out{root / "images" / "blobs", root / "images" / "layouts"};
  for (const auto& directory : {out.blobs / "sha256", out.layouts}) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return system_error(error.value(), "cannot create " + directory.string());
  }
  return out;
}

Result<std::string> skopeo_program() {
  if (auto program = find_program("skopeo")) return *program;
  return fail(Code::kEnvironment,
              "skopeo is not installed; it is "
              "needed for registries and Podman's storage")
      .hint("install skopeo, or save the image to a file and give that");
}

enum class Kind { kQuestion, kTransfer };

constexpr std::size_t kMostAnswer = 16u << 20;
constexpr std::string_view kRegistryForm = "docker://";

/// For all that one call asks of skopeo.
struct Asking {
  const RegistryLimits& limits;
  Progress* progress = nullptr;
  ProgramStarter* starter = nullptr;
};

Asking asking_for(const OpenOptions& options) {
  return {options.registry, options.progress, options.broker};
}

/// Runs skopeo to its end about `name`. Of a registry, a question has limits.answer to end, and a
/// transfer, whose bytes are stored by a pull and sent by a push, may stand still for
/// limits.stall().
Result<ProcessOutput> ask_skopeo(const std::vector<std::string>& arguments, const std::string& name,
                                 Kind kind, const Asking& how) {
  using Clock = std::chrono::steady_clock;
  TRY(const std::string program, skopeo_program());
  std::vector<std::string> argv = {program};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  ChildProcess::Options pipes;
  pipes.pipe_stdout = true;
  pipes.starter = how.starter;
  TRY(const auto child, ChildProcess::start(argv, pipes));
  Progress* const progress = how.progress;
  const bool remote = name.starts_with(kRegistryForm);
  const auto limit = kind == Kind::kQuestion ? how.limits.answer : how.limits.stall();
  std::optional<std::uint64_t> moved;
  Clock::time_point moved_at = Clock::now();
  ProcessOutput out;
  std::array<char, 65536> buffer{};
  pollfd fd{child->stdout_fd(), POLLIN, 0};
  while (true) {
    const int ready = ::poll(&fd, 1, 200);
    if (ready < 0 && errno != EINTR) return system_error(errno, "cannot wait for skopeo");
    if (ready > 0) {
      const ssize_t got = ::read(fd.fd, buffer.data(), buffer.size());
      if (got == 0 || (got < 0 && errno != EINTR)) break;
      // Past the limit the output is still drained, so that the child can end.
      if (got > 0 && out.out.size() < kMostAnswer)
        out.out.append(buffer.data(), static_cast<std::size_t>(got));
    }
    if (kind == Kind::kQuestion && progress != nullptr) TRY_DO(progress->add(0));
    if (kind == Kind::kTransfer) {
      const auto now = child->written();
      // Who cannot see whether anything moves does not end it.
      if (!now || now != moved) moved_at = Clock::now();
      if (progress != nullptr && now) TRY_DO(progress->add(*now - moved.value_or(0)));
      moved = now;
    }
    if (remote && Clock::now() - moved_at > limit) return registry_silent(name, limit);
  }
  TRY(out.status, child->wait());
  out.err = child->said();
  return out;
}

Result<std::string> run_skopeo(const std::vector<std::string>& arguments, const std::string& name,
                               Kind kind, const Asking& how) {
  TRY(ProcessOutput output, ask_skopeo(arguments, name, kind, how));
  if (output.status != 0) return registry_failure(output.err, name);
  return std::move(output.out);
}

struct SourceName {
  std::string tagged;       ///< as asked
  std::string repository;   ///< for registries: to be followed by @digest
  bool local = false;       ///< the registry is on this machine
  bool plain_http = false;  ///< and speaks no HTTPS
};

Result<SourceName> source_name(Transport transport, const std::string& reference) {
  if (transport == Transport::kContainersStorage) {
    return SourceName{"containers-storage:" + reference, {}, false, false};
  }
  const auto full = normalise_reference(reference);
  if (!full) return fail(Code::kUsage, "\"{}\" is not an image name", reference);
  SourceName out;
  std::string_view repository = *full;
  const auto at = repository.find('@');
  repository = repository.substr(0, at);
  const auto colon = repository.rfind(':');
  if (colon != std::string_view::npos && colon > repository.rfind('/')) {
    repository = repository.substr(0, colon);
  }
  out.repository = "docker://" + std::string(repository);
  // skopeo takes a tag or a digest; the digest is what names the image.
  out.tagged = at == std::string::npos ? "docker://" + *full : out.repository + full->substr(at);
  out.local = is_local_registry(*full);
  return out;
}

/// What `skopeo inspect` says. A registry on this machine may speak plain HTTP, which is learnt
/// here; if it speaks HTTPS, its certificate counts as any other.
Result<ProcessOutput> ask_about(SourceName& source, std::vector<std::string> words,
                                const Asking& how) {
  words.push_back(source.tagged);
  TRY(ProcessOutput output, ask_skopeo(words, source.tagged, Kind::kQuestion, how));
  if (output.status == 0 || !source.local || !speaks_plain_http(output.err)) return output;
  source.plain_http = true;
  words.insert(words.end() - 1, "--tls-verify=false");
  return ask_skopeo(words, source.tagged, Kind::kQuestion, how);
}

Result<ProcessOutput> ask_manifest(SourceName& source, const Asking& how) {
  return ask_about(source, {"inspect", "--raw"}, how);
}

/// So that skopeo chooses it from an index.
std::vector<std::string> words_for(const Platform& platform) {
  std::vector<std::string> out = {"--override-os", platform.os, "--override-arch",
                                  platform.architecture};
  if (!platform.variant.empty()) out.insert(out.end(), {"--override-variant", platform.variant});
  return out;
}

/// skopeo compares what it fetches with the digest that the manifest names, and asks for both once.
Result<std::unique_ptr<Image>> fetch_config(SourceName& source, const Platform& platform,
                                            const Asking& how) {
  std::vector<std::string> words = words_for(platform);
  words.insert(words.end(), {"inspect", "--config", "--raw"});
  TRY(ProcessOutput asked, ask_about(source, std::move(words), how));
  if (asked.status != 0) return registry_failure(asked.err, source.tagged);
  return open_registry_config(std::move(asked.out));
}

std::uint64_t bytes_below(const std::filesystem::path& directory) {
  std::uint64_t total = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) total += at->file_size(ignored);
  }
  return total;
}

/// `name` stands in messages for the layout, which nobody asked for.
Result<std::unique_ptr<Image>> open_layout(const std::filesystem::path& layout,
                                           const std::string& name, const CachePaths& cache,
                                           const OpenOptions& options) {
  auto tree = std::make_shared<DirectoryTree>(layout, cache.blobs, false);
  auto opened = open_oci(std::move(tree), "", options);
  if (!opened) {
    std::string& message = opened.error().message;
    if (const auto at = message.find(layout.native()); at != std::string::npos)
      message.replace(at, layout.native().size(), name);
    return std::unexpected(std::move(opened).error());
  }
  std::unique_ptr<Image> image = std::move(*opened);
  image->form = Form::kOciLayout;
  // The layout's only name is ours.
  image->tags.clear();
  return image;
}

/// The image for some GPUs that is to be taken from an index.
std::optional<Variant> variant_in(const std::string& asked, const Platform& platform,
                                  const OpenOptions& options) {
  if (!options.choose) return std::nullopt;
  const auto digest = digest_in_index(asked, platform);
  const auto entries = parse_index(asked, "the image index");
  if (!digest || !entries) return std::nullopt;
  std::vector<Variant> offered;
  const Platform* picked = nullptr;
  for (const ManifestRef& entry : *entries) {
    if (entry.descriptor.digest == *digest) picked = &entry.platform;
    if (entry.variant) offered.push_back(*entry.variant);
  }
  return picked == nullptr ? std::nullopt : choose_variant(options, *picked, offered);
}

/// `shown` is what the source answered with, `digest` what of it was asked for.
Result<std::unique_ptr<Image>> confirmed(std::unique_ptr<Image> image, const SourceName& source,
                                         const std::string& shown, const std::string& digest,
                                         const std::optional<Variant>& variant) {
  if (!source.repository.empty()) {
    const std::string_view name = std::string_view(source.tagged).substr(kRegistryForm.size());
    image->pulled_from = fmt::format("{}@{}", name.substr(0, name.find('@')), shown);
  }
  if (variant) TRY_DO(set_variant(*variant, *image));
  if (image->index) {
    const std::string& own =
        image->index->digest.empty() ? image->manifest_digest : image->index->digest;
    if (own != digest)
      image->notices.push_back(fmt::format(
          "{} is of Docker's form, and skopeo made OCI manifests of it: they have other digests",
          digest));
  }
  return image;
}

/// Of the layers, what the cache lacks; 0 where that cannot be told.
std::uint64_t bytes_to_pull(const std::string& asked, SourceName source, const Platform& platform,
                            const CachePaths& cache, const Asking& how) {
  std::string manifest = asked;
  if (const auto digest = digest_in_index(asked, platform)) {
    if (source.repository.empty()) return 0;
    source.tagged = source.repository + "@" + *digest;
    const auto output = ask_manifest(source, how);
    if (!output || output->status != 0) return 0;
    manifest = output->out;
  }
  const auto parsed = parse_manifest(manifest, "the manifest");
  std::uint64_t total = 0;
  if (!parsed) return total;
  for (const Descriptor& layer : parsed->layers) {
    std::error_code ignored;
    if (!std::filesystem::exists(cache.blobs.parent_path() / blob_path(layer.digest), ignored))
      total += layer.size;
  }
  return total;
}

bool is_name(const std::string& word, const SourceName& source) {
  if (word == source.tagged) return true;
  const std::string before = source.repository + "@";
  return !source.repository.empty() && word.starts_with(before) &&
         check_digest(word.substr(before.size()), "an argument").has_value();
}

/// "oci:LAYOUTS/.new-XXXXXX:image"
bool is_staging(const std::string& word, const CachePaths& cache) {
  const std::string before = "oci:" + (cache.layouts / ".new-").string();
  constexpr std::string_view kAfter = ":image";
  constexpr std::size_t kRandom = 6;
  return word.size() == before.size() + kRandom + kAfter.size() && word.starts_with(before) &&
         word.ends_with(kAfter) &&
         std::ranges::all_of(word.substr(before.size(), kRandom), is_alphanumeric);
}

}  // namespace

bool is_pull_by_skopeo(std::span<const std::string> words, Transport transport,
                       const std::string& reference, const std::filesystem::path& root) {
  const auto source = source_name(transport, reference);
  if (!source) return false;
  const auto take = [&](std::string_view word) {
    if (words.empty() || words.front() != word) return false;
    words = words.subspan(1);
    return true;
  };
  for (const std::string_view option : {"--override-os", "--override-arch", "--override-variant"})
    if (take(option)) {
      if (words.empty() || !std::ranges::all_of(words.front(), is_alphanumeric)) return false;
      words = words.subspan(1);
    }
  if (take("inspect")) {
    // In any order: none of them does harm.
    while (take("--raw") || take("--config") || (source->local && take("--tls-verify=false"))) {
    }
    return words.size() == 1 && is_name(words[0], *source);
  }
  const auto cache = image_cache(root);
  if (!cache || !take("copy") || !take("--quiet") ||
      !take("--dest-oci-accept-uncompressed-layers") || !take("--dest-shared-blob-dir") ||
      !take(cache->blobs.string()))
    return false;
  if (source->local) take("--src-tls-verify=false");
  return words.size() == 2 && is_name(words[0], *source) && is_staging(words[1], *cache);
}

Result<std::unique_ptr<Image>> open_by_skopeo(Transport transport, const std::string& reference,
                                              const OpenOptions& options) {
  TRY(SourceName source, source_name(transport, reference));
  Platform platform = host_platform();
  if (!options.platform.empty()) {
    TRY(platform, parse_platform(options.platform));
  }
  if (options.progress != nullptr) options.progress->begin("asking for " + source.tagged, 0);
  if (options.config_only) return fetch_config(source, platform, asking_for(options));
  TRY(const CachePaths cache, image_cache(options.cache_directory));
  TRY(const ProcessOutput asked, ask_manifest(source, asking_for(options)));
  if (asked.status != 0) return registry_failure(asked.err, source.tagged);
  const std::string shown = codec::sha256_digest(as_bytes(asked.out));
  std::string digest = shown;
  const auto variant = source.repository.empty() || options.whole_index
                           ? std::nullopt
                           : variant_in(asked.out, platform, options);
  if (variant) digest = variant->digest;
  std::string key = digest.substr(7) + "-" + (options.whole_index ? "all" : platform.text());
  for (char& c : key) {
    if (c == '/') c = '-';
  }
  const std::filesystem::path layout = cache.layouts / key;
  std::error_code ignored;
  if (std::filesystem::exists(layout / "index.json", ignored)) {
    auto image = open_layout(layout, source.tagged, cache, options);
    // Blobs may have been pruned by hand: copy again.
    if (image) return confirmed(std::move(*image), source, shown, digest, variant);
    std::filesystem::remove_all(layout, ignored);
  }
  TRY(const TemporaryDirectory staging, TemporaryDirectory::create(cache.layouts, ".new"));
  std::vector<std::string> copy =
      options.whole_index ? std::vector<std::string>() : words_for(platform);
  copy.insert(copy.end(), {"copy", "--quiet", "--dest-oci-accept-uncompressed-layers",
                           "--dest-shared-blob-dir", cache.blobs.string()});
  if (options.whole_index) copy.emplace_back("--all");
  if (source.plain_http) copy.emplace_back("--src-tls-verify=false");
  // By digest, so that a tag that moves meanwhile cannot put another image under this key.
  copy.push_back(source.repository.empty() ? source.tagged : source.repository + "@" + digest);
  if (options.progress != nullptr && options.progress->shown())
    options.progress->begin("pulling " + reference,
                            bytes_to_pull(asked.out, source, platform, cache, asking_for(options)));
  copy.push_back("oci:" + staging.path().string() + ":image");
  TRY_DO(run_skopeo(copy, source.tagged, Kind::kTransfer, asking_for(options)));
  if (::rename(staging.path().c_str(), layout.c_str()) != 0 && errno != ENOTEMPTY &&
      errno != EEXIST) {
    return system_error(errno, "cannot rename to " + layout.string());
  }
  TRY(auto image, open_layout(layout, source.tagged, cache, options));
  return confirmed(std::move(image), source, shown, digest, variant);
}

Result<std::string> check_push_by_skopeo(const std::string& reference,
                                         const RegistryLimits& limits) {
  TRY(SourceName target, source_name(Transport::kRegistry, reference));
  const auto checked = [&]() -> Result<std::string> {
    TRY(const ProcessOutput output, ask_manifest(target, {limits}));
    if (output.status == 0) return codec::sha256_digest(as_bytes(output.out));
    if (leaves_push_open(output.err)) return std::string();
    return registry_failure(output.err, target.tagged);
  };
  return with_context(checked(), "asking {} whether it takes a push", target.tagged);
}

Result<void> push_by_skopeo(const std::filesystem::path& from, const std::string& destination,
                            const RegistryLimits& limits, Progress* progress,
                            const LayoutPart& part) {
  std::vector<std::string> copy = {"copy", "--quiet"};
  // Entries of an index name each other by digest.
  if (!part.name.empty()) copy.emplace_back("--preserve-digests");
  if (part.entries == Entries::kAll) copy.emplace_back("--all");
  std::string to = destination;
  if (destination.starts_with(kRegistryForm)) {
    TRY(SourceName target,
        source_name(Transport::kRegistry, destination.substr(kRegistryForm.size())));
    to = target.tagged;
    if (target.local) TRY_DO(ask_manifest(target, {limits, progress}));
    if (target.plain_http) copy.emplace_back("--dest-tls-verify=false");
  }
  std::error_code ignored;
  const bool directory = std::filesystem::is_directory(from, ignored);
  if (progress != nullptr && progress->shown())
    progress->begin("pushing to " + to, directory ? bytes_below(from) : 0);
  copy.push_back((directory ? "oci:" : "oci-archive:") + from.string() +
                 (part.name.empty() ? "" : ":" + part.name));
  copy.push_back(to);
  TRY_DO(
      with_context(run_skopeo(copy, to, Kind::kTransfer, {limits, progress}), "pushing to {}", to));
  return {};
}

std::vector<std::string> podman_exists(const std::string& reference) {
  return {"image", "exists", reference};
}

std::vector<std::string> podman_saves(const std::string& reference) {
  return {"save", "--quiet", "--format", "docker-archive", reference};
}

Result<std::optional<MappedFile>> podman_save(const std::string& reference,
                                              const OpenOptions& options) {
  const auto program = find_program("podman");
  if (!program) return std::optional<MappedFile>();
  const auto command = [&](std::vector<std::string> words) {
    words.insert(words.begin(), *program);
    return words;
  };
  TRY(const ProcessOutput exists,
      run_process(command(podman_exists(reference)), kMostAnswer, options.broker));
  if (exists.status != 0) return std::optional<MappedFile>();
  ChildProcess::Options pipes;
  pipes.pipe_stdout = true;
  pipes.starter = options.broker;
  TRY(auto child, ChildProcess::start(command(podman_saves(reference)), pipes));
  FdSource stream(child->stdout_fd(), "podman save");
  TRY(MappedFile file, spool(stream, "podman:" + reference, options.scratch_directory));
  TRY(const int status, child->wait());
  if (status != 0) {
    return fail(Code::kEnvironment, "podman save {} failed with status {}: {}", reference, status,
                child->said());
  }
  return std::optional<MappedFile>(std::move(file));
}

}  // namespace flense::image
