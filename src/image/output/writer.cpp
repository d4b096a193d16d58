#include "image/output/writer.h"

#include <sys/types.h>
#include <time.h>

#include <cstdio>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "codec/sha256.h"
#include "codec/tar/tar.h"
#include "image/layers/entry_source.h"
#include "image/model/model.h"
#include "image/model/reference.h"
#include "image/output/blob_stage.h"
#include "image/output/directory_writer.h"
#include "image/output/documents.h"
#include "image/output/squashfs_writer.h"
#include "image/sources/stored_image.h"

namespace flense::image {

namespace {

using text::Json;

/// Seconds of an RFC 3339 time such as "2024-05-01T12:00:00.123Z"; 0 when it is none.
std::int64_t parse_time(std::string_view text) {
  struct tm parts{};
  const std::string copy(text.substr(0, 19));
  const char* end = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (end == nullptr || *end != '\0' || copy.size() != 19) return 0;
  const time_t seconds = ::timegm(&parts);
  return seconds > 0 ? seconds : 0;
}

std::string full_tag(const std::string& tag) {
  return tag.empty() || short_tag(tag) != tag ? tag : tag + ":latest";
}

struct Documents : ManifestDocuments {
  std::string index;
  std::string docker_manifest;
};

Documents make_documents(const Json& config, const Json& annotations,
                         const std::vector<ImageWriter::LayerResult>& layers,
                         const std::string& tag) {
  Documents out{make_manifest(config, annotations, layers), {}, {}};
  Json entry = descriptor_json(kOciManifestType, out.manifest_digest, out.manifest.size());
  if (!tag.empty()) entry.set("annotations", name_annotations(tag));
  if (config["os"].is_string() && config["architecture"].is_string())
    entry.set("platform", platform_json({std::string(config["os"].text()),
                                         std::string(config["architecture"].text()),
                                         std::string(config["variant"].text())}));
  out.index = text::dump_json(index_json({std::move(entry)}));

  Json paths = Json::array();
  for (const ImageWriter::LayerResult& layer : layers) paths.push(blob_path(layer.blob.digest));
  Json docker = Json::object();
  docker.set("Config", blob_path(out.config_digest));
  docker.set("RepoTags", tag.empty() ? Json() : Json::array().push(full_tag(tag)));
  docker.set("Layers", std::move(paths));
  out.docker_manifest = text::dump_json(Json::array().push(std::move(docker)));
  return out;
}

/// OCI layouts and both archive forms. Blobs collect in a staging directory beside the output; an
/// archive is assembled from it at the end, with taken-over layers streamed from their input.
class StoreWriter final : public ImageWriter {
 public:
  static Result<std::unique_ptr<StoreWriter>> create(const OutputSpec& spec) {
    TRY(AtomicDirectory directory, AtomicDirectory::create(spec.path));
    std::error_code error;
    const std::filesystem::path blobs = directory.staging() / "blobs" / "sha256";
    std::filesystem::create_directories(blobs, error);
    if (error) return system_error(error.value(), "cannot create " + blobs.string());
    return std::unique_ptr<StoreWriter>(new StoreWriter(spec, std::move(directory), blobs));
  }

  Result<std::unique_ptr<LayerSink>> begin_layer(codec::Compression compression,
                                                 const codec::EncodeOptions& options) override {
    TRY_DO(check_compression(compression));
    return stage_.begin(compression, options);
  }

  Result<LayerResult> write_estargz(Bytes tar, const std::string& name,
                                    const codec::EstargzOrder& order,
                                    const codec::EncodeOptions& options) override {
    return stage_.write_estargz(tar, name, order, options);
  }

  Result<LayerResult> copy_layer(const Image& from, std::size_t index) override {
    if (from.entries() == nullptr && index < from.layers.size())
      TRY_DO(check_compression(from.layers[index].compression));
    if (spec_.form == OutputForm::kOciLayout || from.entries() != nullptr)
      return stage_.take_layer(from, index);
    TRY(LayerResult result, describe_layer(from, index));
    TRY(auto source, from.open_layer(index));
    const std::lock_guard lock(mutex_);
    taken_.try_emplace(result.blob.digest, std::move(source));
    return result;
  }

  Result<std::string> commit(const Json& config, const Json& annotations,
                             const std::vector<LayerResult>& layers) override {
    const Documents documents = make_documents(config, annotations, layers, spec_.tag);
    if (spec_.form == OutputForm::kOciLayout) {
      TRY_DO(commit_layout(documents));
    } else {
      TRY_DO(commit_archive(documents, layers, parse_time(config["created"].text())));
    }
    return documents.manifest_digest;
  }

 private:
  StoreWriter(OutputSpec spec, AtomicDirectory directory, std::filesystem::path blobs)
      : spec_(std::move(spec)), directory_(std::move(directory)), stage_(std::move(blobs)) {}

  Result<void> check_compression(codec::Compression compression) const {
    if (spec_.form != OutputForm::kDockerArchive || compression != codec::Compression::kZstd) {
      return {};
    }
    return fail(Code::kUsage,
                "a docker-archive cannot hold zstd layers: engines expect "
                "plain or gzip ones there")
        .hint("write oci-archive: or oci: instead, or recompress with --compression gzip");
  }

  Result<void> write_file(const std::filesystem::path& path, std::string_view text) {
    TRY(AtomicFile file, AtomicFile::create(path));
    TRY_DO(write_fully(file.fd(), as_bytes(text), path.string()));
    return file.commit();
  }

  Result<void> commit_layout(const Documents& documents) {
    TRY_DO(stage_.put(documents.config));
    TRY_DO(stage_.put(documents.manifest));
    TRY_DO(write_file(directory_.staging() / "oci-layout", kLayoutText));
    TRY_DO(write_file(directory_.staging() / "index.json", documents.index));
    return directory_.commit();
  }

  static codec::TarMember member(std::string name, std::uint64_t size, std::int64_t mtime) {
    codec::TarMember out;
    out.name = std::move(name);
    out.mode = 0644;
    out.size = out.stored_size = size;
    out.mtime = mtime;
    return out;
  }

  static Result<void> add_text(codec::TarWriter& tar, const std::string& name,
                               std::string_view text, std::int64_t mtime) {
    TRY_DO(tar.begin(member(name, text.size(), mtime)));
    TRY_DO(tar.write_content(as_bytes(text)));
    return tar.end();
  }

  Result<void> add_blob(codec::TarWriter& tar, const Descriptor& blob, std::int64_t mtime) {
    TRY_DO(tar.begin(member(blob_path(blob.digest), blob.size, mtime)));
    const auto taken = taken_.find(blob.digest);
    if (taken == taken_.end()) {
      // Hashed when it was staged, in a directory of ours.
      TRY(const MappedFile file, MappedFile::open(stage_.path(blob.digest)));
      TRY_DO(tar.write_content(file.bytes()));
      return tar.end();
    }
    codec::Sha256 hash;
    while (true) {
      TRY(const Bytes chunk, taken->second->next(1u << 20));
      if (chunk.empty()) break;
      hash.update(chunk);
      TRY_DO(tar.write_content(chunk));
    }
    if (const std::string actual = hash.digest(); actual != blob.digest)
      return bad_input("a layer of the input has digest {}, expected {}", actual, blob.digest);
    return tar.end();
  }

  Result<void> commit_archive(const Documents& documents, const std::vector<LayerResult>& layers,
                              std::int64_t mtime) {
    TRY(AtomicFile file, AtomicFile::create(spec_.path));
    FdSink out(file.fd(), spec_.path.string());
    codec::TarWriter tar(out);
    TRY_DO(add_text(tar, "oci-layout", kLayoutText, mtime));
    TRY_DO(add_text(tar, "index.json", documents.index, mtime));
    if (spec_.form == OutputForm::kDockerArchive) {
      TRY_DO(add_text(tar, "manifest.json", documents.docker_manifest, mtime));
    }
    for (const char* name : {"blobs/", "blobs/sha256/"}) {
      codec::TarMember directory = member(name, 0, mtime);
      directory.type = codec::MemberType::kDirectory;
      directory.mode = 0755;
      TRY_DO(tar.begin(directory));
      TRY_DO(tar.end());
    }
    TRY_DO(add_text(tar, blob_path(documents.manifest_digest), documents.manifest, mtime));
    TRY_DO(add_text(tar, blob_path(documents.config_digest), documents.config, mtime));
    std::map<std::string, bool> written;
    for (const LayerResult& layer : layers) {
      if (!written.try_emplace(layer.blob.digest, true).second) continue;
      TRY_DO(add_blob(tar, layer.blob, mtime));
    }
    TRY_DO(tar.finish());
    return file.commit();
  }

  OutputSpec spec_;
  AtomicDirectory directory_;
  BlobStage stage_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Source>> taken_;
};

/// Forms with a manifest and names.
/// Nullopt for what no ImageWriter writes.
std::optional<OutputForm> form_of(Transport transport) {
  switch (transport) {
    case Transport::kOci:
      return OutputForm::kOciLayout;
    case Transport::kOciArchive:
      return OutputForm::kOciArchive;
    case Transport::kDockerArchive:
      return OutputForm::kDockerArchive;
    case Transport::kDirectory:
      return OutputForm::kDirectory;
    case Transport::kSquashfs:
      return OutputForm::kSquashfs;
    default:
      return std::nullopt;
  }
}

bool is_image(OutputForm form) {
  return form != OutputForm::kDirectory && form != OutputForm::kSquashfs;
}

}  // namespace

Result<ImageWriter::LayerResult> ImageWriter::write_estargz(Bytes, const std::string& name,
                                                            const codec::EstargzOrder&,
                                                            const codec::EncodeOptions&) {
  return fail(Code::kInternal, "{} cannot be pulled lazily from this output", name);
}

namespace {

/// Endings of files that nobody gives to a directory.
constexpr auto kOtherFiles = std::to_array<std::string_view>(
    {".zip", ".tgz", ".gz", ".zst", ".xz", ".bz2", ".7z", ".img", ".iso"});

}  // namespace

Result<OutputSpec> parse_output(std::string_view text, std::string_view tag) {
  OutputSpec out;
  out.tag = tag;
  std::string_view rest = text;
  const TransportForm* prefix = transport_form_of(text);
  if (prefix != nullptr && prefix->is_engine)
    return fail(Code::kUsage, "{} is no output file or directory", text)
        .hint("images go to engines and registries with -t");
  if (const auto form = prefix != nullptr ? form_of(prefix->transport) : std::nullopt) {
    out.form = *form;
    rest = text.substr(prefix->prefix.size());
    if (const auto colon = rest.find(':'); is_image(out.form) && colon != std::string_view::npos) {
      if (out.tag.empty()) out.tag = rest.substr(colon + 1);
      rest = rest.substr(0, colon);
    }
  } else {
    out.form = rest.ends_with(".tar") ? OutputForm::kDockerArchive : OutputForm::kOciLayout;
  }
  if (rest.empty()) return fail(Code::kUsage, "\"{}\" names no output file", text);
  if (prefix == nullptr && out.form == OutputForm::kOciLayout) {
    for (const std::string_view ending : kOtherFiles) {
      if (!rest.ends_with(ending)) continue;
      return fail(Code::kUsage, "flense writes no {} file, and {} would become a directory",
                  ending.substr(1), text)
          .hint("NAME.tar is a docker archive, and oci:DIR a directory of any name");
    }
  }
  out.path = rest;
  if (!out.tag.empty() && is_image(out.form) && !normalise_reference(out.tag)) {
    return fail(Code::kUsage, "\"{}\" is not an image name", out.tag);
  }
  return out;
}

Result<std::unique_ptr<ImageWriter>> ImageWriter::create(const OutputSpec& spec) {
  if (spec.form == OutputForm::kDirectory) return create_directory_writer(spec);
  if (spec.form == OutputForm::kSquashfs) return create_squashfs_writer(spec);
  TRY(auto writer, StoreWriter::create(spec));
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace flense::image
