// The front door: what a TARGET is, and who opens it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/process.h"
#include "codec/compression.h"
#include "codec/sif.h"
#include "codec/squashfs/squashfs.h"
#include "codec/zip.h"
#include "image/model/image.h"
#include "image/model/reference.h"
#include "image/sources/directory_image.h"
#include "image/sources/docker_engine.h"
#include "image/sources/docker_image.h"
#include "image/sources/skopeo.h"
#include "image/sources/spool.h"
#include "image/sources/squashfs_image.h"
#include "image/sources/stored_image.h"
#include "image/sources/wheel.h"

namespace flense::image {

namespace {

using Opened = Result<std::unique_ptr<Image>>;

constexpr std::string_view kElfMagic =
    "\x7f"
    "ELF";
constexpr std::string_view kTarMagic = "ustar";
constexpr std::size_t kTarMagicOffset = 257;
constexpr std::string_view kAccepted =
    "expected an ELF file, a docker or OCI archive, squashfs, SIF, a wheel, or a directory";

bool begins_with(Bytes bytes, std::string_view magic, std::size_t offset = 0) {
  return bytes.size() >= offset + magic.size() &&
         std::memcmp(bytes.data() + offset, magic.data(), magic.size()) == 0;
}

Result<std::unique_ptr<StoredImage>> open_archive(Bytes bytes, std::optional<MappedFile> mapping,
                                                  const std::string& name,
                                                  std::string_view reference,
                                                  const OpenOptions& options) {
  TRY(auto tree, ArchiveTree::open(bytes, std::move(mapping), name));
  if (tree->looks_like_root_file_system()) {
    TRY(const auto index, tree->find("index.json"));
    TRY(const auto docker, tree->find("manifest.json"));
    if (!index && !docker) {
      return bad_input("{} is a tar of a root file system, not of an image", name)
          .hint("unpack it and give the directory, or import it into an engine");
    }
  }
  TRY(auto image, open_tree(std::shared_ptr<const FileTree>(std::move(tree)), reference, options));
  if (image->form == Form::kOciLayout) image->form = Form::kOciArchive;
  return image;
}

Opened open_mapped(MappedFile file, const std::string& name, std::string_view reference,
                   const OpenOptions& options) {
  const Bytes bytes = file.bytes();
  if (!begins_with(bytes, kTarMagic, kTarMagicOffset)) {
    return bad_input("{} is of no kind known here; {}", name, kAccepted);
  }
  TRY(auto image, open_archive(bytes, std::move(file), name, reference, options));
  image->name = fmt::format("{}:{}", to_string(image->form), name);
  return std::unique_ptr<Image>(std::move(image));
}

/// Archives that are compressed as a whole are unpacked to scratch first.
Opened open_file(const std::string& path, std::string_view reference, const OpenOptions& options) {
  TRY(MappedFile file, MappedFile::open(path));
  const Bytes bytes = file.bytes();
  if (begins_with(bytes, kElfMagic)) return open_single_file(path, Form::kElfFile);
  if (codec::is_squashfs(bytes)) return open_squashfs(file, path, Form::kSquashfs);
  if (codec::is_sif(bytes)) return open_squashfs(file, path, Form::kSif);
  if (codec::is_zip(bytes)) return open_wheel(file, path);
  if (codec::detect_compression(bytes) == codec::Compression::kNone) {
    return open_mapped(std::move(file), path, reference, options);
  }
  MemorySource source(bytes);
  TRY(MappedFile unpacked,
      with_context(spool(source, path, options.scratch_directory), "unpacking {}", path));
  return open_mapped(std::move(unpacked), path, reference, options);
}

Opened open_stream(int fd, const std::string& name, std::string_view reference,
                   const OpenOptions& options) {
  FdSource source(fd, name);
  TRY(MappedFile file,
      with_context(spool(source, name, options.scratch_directory), "reading {}", name));
  return open_mapped(std::move(file), name, reference, options);
}

Opened open_stdin(const OpenOptions& options) {
  const std::string name = "standard input";
  struct stat status{};
  if (::isatty(STDIN_FILENO) == 1) {
    return with_hint(Opened(fail(Code::kUsage,
                                 "standard input is a terminal; \"-\" reads an "
                                 "archive from it")),
                     "docker save NAME | flense … -");
  }
  // `< image.tar`: the file itself, unless part of it has been read or it is compressed.
  if (::fstat(STDIN_FILENO, &status) == 0 && S_ISREG(status.st_mode) &&
      ::lseek(STDIN_FILENO, 0, SEEK_CUR) == 0) {
    TRY(MappedFile file, MappedFile::map(STDIN_FILENO, name));
    if (codec::detect_compression(file.bytes()) == codec::Compression::kNone) {
      return open_mapped(std::move(file), name, "", options);
    }
  }
  return open_stream(STDIN_FILENO, name, "", options);
}

bool has_file(const std::filesystem::path& directory, const char* name) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(directory / name, ignored);
}

Opened named_store(Result<std::unique_ptr<StoredImage>> opened, Form form,
                   const std::string& path) {
  if (!opened) return std::unexpected(std::move(opened).error());
  (*opened)->form = form;
  (*opened)->name = fmt::format("{}:{}", to_string(form), path);
  return std::unique_ptr<Image>(std::move(*opened));
}

Opened open_path(const std::string& path, std::string_view reference, const OpenOptions& options) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return unreachable(errno, path);
  }
  if (S_ISREG(status.st_mode)) return open_file(path, reference, options);
  if (S_ISFIFO(status.st_mode)) {
    TRY(const UniqueFd pipe, open_read(path));
    return open_stream(pipe.get(), path, reference, options);
  }
  if (!S_ISDIR(status.st_mode)) {
    return bad_input("{} is neither a file nor a directory", path);
  }
  if (has_file(path, "oci-layout") && has_file(path, "index.json")) {
    auto tree = std::make_shared<DirectoryTree>(path, "", false);
    return named_store(open_oci(std::move(tree), reference, options), Form::kOciLayout, path);
  }
  // skopeo's dir: transport marks itself by a file "version".
  if (has_file(path, "manifest.json") && has_file(path, "version")) {
    auto tree = std::make_shared<DirectoryTree>(path, "", true);
    return named_store(open_single_manifest(std::move(tree), options), Form::kOciLayout, path);
  }
  std::error_code error;
  if (std::filesystem::is_empty(path, error) && !error)
    return bad_input("{} is an empty directory", path)
        .hint("give the root of a file system, a virtual environment, an OCI layout or an archive");
  return open_directory(path);
}

Opened open_docker(const std::string& reference, const OpenOptions& options) {
  const std::string name = "docker-daemon:" + reference;
  return open_docker_image(reference, options, [name, options](MappedFile saved) -> Opened {
    auto opened = open_mapped(std::move(saved), name, "", options);
    if (opened) (*opened)->name = name;
    return opened;
  });
}

/// A bare name: Docker, Podman, the registry; the first that has it.
Opened open_name(const std::string& reference, const OpenOptions& options) {
  std::vector<std::string> tried;
  const auto engine = docker_engine(options.broker);
  if (!engine) {
    tried.emplace_back("Docker is not running");
  } else if (const auto told = docker_inspect(*engine, reference); !told) {
    tried.push_back(told.error().message);
  } else if (*told) {
    TRY(auto image, open_docker(reference, options));
    image->found_in = "docker";
    return image;
  } else {
    tried.emplace_back("Docker does not have it");
  }
  TRY(auto saved, podman_save(reference, options));
  if (saved) {
    TRY(auto image, open_mapped(std::move(*saved), "podman:" + reference, "", options));
    image->name = "podman:" + reference;
    image->found_in = "podman";
    return image;
  }
  tried.emplace_back(find_program("podman") ? "Podman does not have it"
                                            : "Podman is not installed");
  auto image = open_by_skopeo(Transport::kRegistry, reference, options);
  if (image) {
    (*image)->name = "docker://" + reference;
    (*image)->found_in = "registry";
    return image;
  }
  tried.push_back(image.error().message);
  return with_hint(
      Opened(fail(image.error().code, "{} was not found: {}", reference, fmt::join(tried, "; "))),
      image.error().hint.empty() ? "give a path or a name as engines write it"
                                 : image.error().hint);
}

/// "./x", "/x", "x.tar".
bool is_meant_as_path(std::string_view text) {
  constexpr std::array<std::string_view, 10> kEndings = {
      ".json", ".tar", ".gz", ".tgz", ".zst", ".so", ".sif", ".sqsh", ".squashfs", ".whl"};
  return text.starts_with('/') || text.starts_with('.') ||
         std::ranges::any_of(kEndings, [&](auto ending) { return text.ends_with(ending); }) ||
         !normalise_reference(text);
}

Opened expect_form(Opened opened, std::initializer_list<Form> forms, const std::string& path,
                   std::string_view wanted) {
  if (!opened) return opened;
  for (const Form form : forms) {
    if ((*opened)->form == form) return opened;
  }
  return bad_input("{} is not {} but {}", path, wanted, to_string((*opened)->form));
}

}  // namespace

Result<std::unique_ptr<const Image>> open_image(const std::string& text,
                                                const OpenOptions& options) {
  if (text.empty()) return fail(Code::kUsage, "an empty target");
  const Target target = parse_target(text);
  switch (target.transport) {
    case Transport::kStdin:
      return open_stdin(options);
    case Transport::kOci:
      return expect_form(open_path(target.path, target.reference, options), {Form::kOciLayout},
                         target.path, "an OCI layout");
    case Transport::kOciArchive:
    case Transport::kDockerArchive:
      return expect_form(open_path(target.path, target.reference, options),
                         {Form::kOciArchive, Form::kDockerArchive}, target.path,
                         "an image archive");
    case Transport::kDirectory:
      return expect_form(open_path(target.path, "", options), {Form::kDirectory, Form::kOciLayout},
                         target.path, "a directory");
    case Transport::kDockerDaemon:
      return open_docker(target.reference, options);
    case Transport::kRegistry:
    case Transport::kContainersStorage: {
      TRY(auto image, open_by_skopeo(target.transport, target.reference, options));
      image->name = text;
      return image;
    }
    case Transport::kSquashfs:
      return expect_form(open_path(target.path, "", options), {Form::kSquashfs}, target.path,
                         "a squashfs file");
    case Transport::kSif:
      return expect_form(open_path(target.path, "", options), {Form::kSif}, target.path, "a SIF");
    case Transport::kNone:
      break;
  }
  std::error_code ignored;
  if (std::filesystem::exists(target.path, ignored)) return open_path(target.path, "", options);
  if (is_meant_as_path(text)) return open_path(target.path, "", options);
  return open_name(text, options);
}

Result<std::unique_ptr<const Image>> open_archive_bytes(Bytes bytes, const std::string& name,
                                                        std::string_view reference,
                                                        const OpenOptions& options) {
  TRY(auto image, open_archive(bytes, std::nullopt, name, reference, options));
  image->name = fmt::format("{}:{}", to_string(image->form), name);
  return image;
}

}  // namespace flense::image
