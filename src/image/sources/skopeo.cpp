#include "image/sources/skopeo.h"

#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/private_directory.h"
#include "base/process.h"
#include "codec/sha256.h"
#include "image/model/platform.h"
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

/// The message of a log line: time="…" level=fatal msg="…".
std::string log_message(std::string_view text) {
  const auto last = text.rfind("msg=\"");
  if (last == std::string_view::npos) {
    while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    return std::string(text.substr(text.rfind('\n') + 1));
  }
  std::string out;
  for (std::size_t i = last + 5; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

Result<std::string> run_skopeo(const std::vector<std::string>& arguments) {
  TRY(const std::string program, skopeo_program());
  std::vector<std::string> argv = {program};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  TRY(ProcessOutput output, run_process(argv));
  if (output.status != 0) {
    return fail(Code::kEnvironment, "skopeo: {}", log_message(output.err));
  }
  return std::move(output.out);
}

struct SourceName {
  std::string tagged;      ///< as asked
  std::string repository;  ///< for registries: to be followed by @digest
  bool plain_http = false;
};

Result<SourceName> source_name(Transport transport, const std::string& reference) {
  if (transport == Transport::kContainersStorage) {
    return SourceName{"containers-storage:" + reference, {}, false};
  }
  const auto full = normalise_reference(reference);
  if (!full) return fail(Code::kUsage, "\"{}\" is not an image name", reference);
  SourceName out;
  out.tagged = "docker://" + *full;
  std::string_view repository = *full;
  repository = repository.substr(0, repository.find('@'));
  const auto colon = repository.rfind(':');
  if (colon != std::string_view::npos && colon > repository.rfind('/')) {
    repository = repository.substr(0, colon);
  }
  out.repository = "docker://" + std::string(repository);
  out.plain_http = is_local_registry(*full);
  return out;
}

Result<std::unique_ptr<Image>> open_layout(const std::filesystem::path& layout,
                                           const CachePaths& cache, const OpenOptions& options) {
  auto tree = std::make_shared<DirectoryTree>(layout, cache.blobs, false);
  TRY(auto image, open_oci(std::move(tree), "", options));
  image->form = Form::kOciLayout;
  // The layout's only name is ours.
  image->tags.clear();
  return std::unique_ptr<Image>(std::move(image));
}

/// By digest where the source can be named so: a tag that moves meanwhile does no harm.
Result<std::string> fetch_document(const SourceName& source,
                                   const std::vector<std::string>& arguments,
                                   const std::string& digest) {
  std::vector<std::string> inspect = {"inspect"};
  inspect.insert(inspect.end(), arguments.begin(), arguments.end());
  if (source.plain_http) inspect.emplace_back("--tls-verify=false");
  inspect.push_back(source.repository.empty() ? source.tagged : source.repository + "@" + digest);
  return run_skopeo(inspect);
}

}  // namespace

Result<std::unique_ptr<Image>> open_by_skopeo(Transport transport, const std::string& reference,
                                              const OpenOptions& options) {
  TRY(const SourceName source, source_name(transport, reference));
  Platform platform = host_platform();
  if (!options.platform.empty()) {
    TRY(platform, parse_platform(options.platform));
  }
  std::vector<std::string> inspect = {"inspect", "--raw"};
  if (source.plain_http) inspect.emplace_back("--tls-verify=false");
  inspect.push_back(source.tagged);
  TRY(const std::string manifest, run_skopeo(inspect));
  const std::string digest = codec::sha256_digest(as_bytes(manifest));
  const auto fetched = [&] {
    return open_remote_config(
        manifest, platform,
        [&](const std::vector<std::string>& arguments, const std::string& manifest_digest) {
          return fetch_document(source, arguments, manifest_digest);
        });
  };
  auto opened_cache = image_cache(options.cache_directory);
  if (!opened_cache && options.config_only) return fetched();
  TRY(const CachePaths cache, std::move(opened_cache));
  std::string key = digest.substr(7) + "-" + platform.text();
  for (char& c : key) {
    if (c == '/') c = '-';
  }
  const std::filesystem::path layout = cache.layouts / key;
  std::error_code ignored;
  if (std::filesystem::exists(layout / "index.json", ignored)) {
    auto image = open_layout(layout, cache, options);
    // Blobs may have been pruned by hand: copy again.
    if (image) return image;
    std::filesystem::remove_all(layout, ignored);
  }
  if (options.config_only) return fetched();
  TRY(const TemporaryDirectory staging, TemporaryDirectory::create(cache.layouts, ".new"));
  std::vector<std::string> copy = {"--override-os", platform.os, "--override-arch",
                                   platform.architecture};
  if (!platform.variant.empty()) {
    copy.insert(copy.end(), {"--override-variant", platform.variant});
  }
  copy.insert(copy.end(), {"copy", "--quiet", "--dest-oci-accept-uncompressed-layers",
                           "--dest-shared-blob-dir", cache.blobs.string()});
  if (source.plain_http) copy.emplace_back("--src-tls-verify=false");
  // By digest, so that a tag that moves meanwhile cannot put another image under this key.
  copy.push_back(source.repository.empty() ? source.tagged : source.repository + "@" + digest);
  copy.push_back("oci:" + staging.path().string() + ":image");
  TRY_DO(run_skopeo(copy));
  if (::rename(staging.path().c_str(), layout.c_str()) != 0 && errno != ENOTEMPTY &&
      errno != EEXIST) {
    return system_error(errno, "cannot rename to " + layout.string());
  }
  return open_layout(layout, cache, options);
}

Result<void> push_by_skopeo(const std::filesystem::path& from, const std::string& destination) {
  std::vector<std::string> copy = {"copy", "--quiet"};
  constexpr std::string_view kRegistry = "docker://";
  std::string to = destination;
  if (destination.starts_with(kRegistry)) {
    const auto full = normalise_reference(destination.substr(kRegistry.size()));
    if (!full) return fail(Code::kUsage, "\"{}\" is not an image name", destination);
    if (is_local_registry(*full)) copy.emplace_back("--dest-tls-verify=false");
    to = "docker://" + *full;
  }
  std::error_code ignored;
  const bool directory = std::filesystem::is_directory(from, ignored);
  copy.push_back((directory ? "oci:" : "oci-archive:") + from.string());
  copy.push_back(to);
  TRY_DO(with_context(run_skopeo(copy), "pushing to {}", to));
  return {};
}

Result<std::optional<MappedFile>> podman_save(const std::string& reference,
                                              const OpenOptions& options) {
  const auto program = find_program("podman");
  if (!program) return std::optional<MappedFile>();
  TRY(const ProcessOutput exists, run_process({*program, "image", "exists", reference}));
  if (exists.status != 0) return std::optional<MappedFile>();
  ChildProcess::Options pipes;
  pipes.pipe_stdout = true;
  TRY(auto child,
      ChildProcess::start({*program, "save", "--quiet", "--format", "docker-archive", reference},
                          pipes));
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
