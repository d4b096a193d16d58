// Test helper: builds layers, OCI layouts and docker-archives out of text.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/stream.h"
#include "codec/compression.h"
#include "codec/sha256.h"
#include "codec/tar/tar.h"
#include "image/layers/layer_walk.h"
#include "text/json.h"

namespace flense::image::fixture {

using codec::Compression;
using codec::MemberType;
using text::Json;

/// The value, or a test failure with the rendered error.
template <class T>
T must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << render(result.error());
    std::abort();
  }
  return std::move(*result);
}
inline void must(Result<void> result) {
  if (!result) {
    ADD_FAILURE() << render(result.error());
    std::abort();
  }
}

/// A tar built member by member.
class Tar {
 public:
  Tar() : writer_(std::make_unique<codec::TarWriter>(sink_)) {}
  Tar& file(const std::string& name, const std::string& content, std::uint32_t mode = 0644) {
    codec::TarMember member = make(name, MemberType::kFile);
    member.mode = mode;
    member.size = member.stored_size = content.size();
    return add(member, content);
  }
  Tar& dir(const std::string& name, std::uint32_t mode = 0755) {
    codec::TarMember member = make(name + "/", MemberType::kDirectory);
    member.mode = mode;
    return add(member, "");
  }
  Tar& symlink(const std::string& name, const std::string& target) {
    codec::TarMember member = make(name, MemberType::kSymlink);
    member.link = target;
    return add(member, "");
  }
  Tar& hardlink(const std::string& name, const std::string& target) {
    codec::TarMember member = make(name, MemberType::kHardLink);
    member.link = target;
    return add(member, "");
  }
  Tar& device(const std::string& name) {
    codec::TarMember member = make(name, MemberType::kCharDevice);
    member.device_major = 1;
    member.device_minor = 3;
    return add(member, "");
  }
  Tar& add(const codec::TarMember& member, const std::string& content) {
    must(writer_->begin(member));
    if (!content.empty()) must(writer_->write_content(as_bytes(content)));
    must(writer_->end());
    return *this;
  }
  std::string bytes() {
    must(writer_->finish());
    return sink_.text();
  }

 private:
  static codec::TarMember make(const std::string& name, MemberType type) {
    codec::TarMember member;
    member.name = name;
    member.type = type;
    member.mode = 0644;
    member.mtime = 1'700'000'000;
    return member;
  }
  StringSink sink_;
  std::unique_ptr<codec::TarWriter> writer_;
};

inline std::string encode(const std::string& bytes, Compression compression) {
  if (compression == Compression::kNone) return bytes;
  StringSink out;
  auto sink = must(codec::compress(out, compression, {}));
  must(sink->write(as_bytes(bytes)));
  must(sink->finish());
  return out.take();
}

inline std::string digest_of(const std::string& bytes) {
  return codec::sha256_digest(as_bytes(bytes));
}

using Files = std::map<std::string, std::string>;

inline std::string media_type(Compression compression) {
  std::string base = "application/vnd.oci.image.layer.v1.tar";
  if (compression == Compression::kGzip) return base + "+gzip";
  if (compression == Compression::kZstd) return base + "+zstd";
  return base;
}

struct TestLayer {
  std::string tar;
  Compression compression = Compression::kNone;
  std::string instruction;
};

/// An OCI image's files; more images and odd descriptors can be added before write-out.
class Oci {
 public:
  Json descriptor(const std::string& type, const std::string& bytes) {
    const std::string digest = digest_of(bytes);
    files["blobs/sha256/" + digest.substr(7)] = bytes;
    return Json::object().set("mediaType", type).set("digest", digest).set("size", bytes.size());
  }
  /// The manifest's descriptor, not yet in the index.
  Json image(const std::vector<TestLayer>& layers, const std::string& architecture = "amd64") {
    Json list = Json::array(), ids = Json::array(), history = Json::array();
    for (const TestLayer& layer : layers) {
      list.push(descriptor(media_type(layer.compression), encode(layer.tar, layer.compression)));
      ids.push(digest_of(layer.tar));
      history.push(Json::object().set("created_by", layer.instruction));
      history.push(Json::object().set("created_by", "ENV A=1").set("empty_layer", true));
    }
    config = Json::object()
                 .set("architecture", architecture)
                 .set("os", "linux")
                 .set("created", "2024-05-01T12:00:00Z")
                 .set("config", container)
                 .set("rootfs", Json::object().set("type", "layers").set("diff_ids", ids))
                 .set("history", history);
    const Json config_descriptor =
        descriptor("application/vnd.oci.image.config.v1+json", text::dump_json(config));
    const Json manifest = Json::object()
                              .set("schemaVersion", 2)
                              .set("mediaType", "application/vnd.oci.image.manifest.v1+json")
                              .set("config", config_descriptor)
                              .set("layers", list);
    manifest_text = text::dump_json(manifest);
    return descriptor("application/vnd.oci.image.manifest.v1+json", manifest_text);
  }
  Oci& add(Json entry) {
    entries.push(std::move(entry));
    return *this;
  }
  Oci& add_image(const std::vector<TestLayer>& layers, const std::string& tag = "") {
    Json entry = image(layers);
    if (!tag.empty()) {
      entry.set("annotations", Json::object().set("org.opencontainers.image.ref.name", tag));
    }
    return add(std::move(entry));
  }
  static Json index_of(const Json& manifests) {
    return Json::object()
        .set("schemaVersion", 2)
        .set("mediaType", "application/vnd.oci.image.index.v1+json")
        .set("manifests", manifests);
  }
  Files all() const {
    Files out = files;
    out["oci-layout"] = R"({"imageLayoutVersion":"1.0.0"})";
    out["index.json"] = text::dump_json(index_of(entries));
    return out;
  }

  Files files;
  Json entries = Json::array();
  Json config;
  /// What the configuration says of containers.
  Json container = Json::object().set("Env", Json::array().push("A=1"));
  std::string manifest_text;
};

/// `docker save` before 25: <id>/layer.tar, <config>.json, manifest.json.
inline Files docker_files(const std::vector<TestLayer>& layers, const std::string& tag,
                          std::vector<std::string> paths = {}) {
  Files out;
  Json ids = Json::array(), list = Json::array();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string path = i < paths.size() ? paths[i] : fmt::format("{:064x}/layer.tar", i + 1);
    if (i >= paths.size()) out[path] = encode(layers[i].tar, layers[i].compression);
    list.push(path);
    ids.push(digest_of(layers[i].tar));
  }
  const std::string config = text::dump_json(
      Json::object()
          .set("architecture", "amd64")
          .set("os", "linux")
          .set("rootfs", Json::object().set("type", "layers").set("diff_ids", ids)));
  const std::string name = digest_of(config).substr(7) + ".json";
  out[name] = config;
  Json entry = Json::object().set("Config", name);
  entry.set("RepoTags", tag.empty() ? Json() : Json::array().push(tag));
  entry.set("Layers", list);
  out["manifest.json"] = text::dump_json(Json::array().push(entry));
  return out;
}

inline std::string tar_of(const Files& files) {
  Tar tar;
  for (const auto& [name, content] : files) tar.file(name, content);
  return tar.bytes();
}

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "flense-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

inline void write_files(const std::filesystem::path& root, const Files& files) {
  for (const auto& [name, content] : files) write_file(root / name, content);
}

/// One line per member: "f path size", "d path", "l path -> target", with content for files.
struct Seen {
  std::vector<std::string> lines;
  std::map<std::string, std::string> content;
};
inline Result<Seen> walk_all(const Image& image, std::size_t index,
                             const WalkOptions& options = {}) {
  Seen seen;
  auto result = walk_layer(
      image, index, options,
      [&](const LayerEntry& entry, EntryContent* content, codec::TarReader*) -> Result<void> {
        switch (entry.member.type) {
          case MemberType::kFile: {
            seen.lines.push_back("f " + entry.path);
            TRY(const Bytes view, content->materialise());
            seen.content[entry.path] = as_text(view);
            break;
          }
          case MemberType::kDirectory:
            seen.lines.push_back("d " + entry.path);
            break;
          case MemberType::kSymlink:
            seen.lines.push_back("l " + entry.path + " -> " + entry.link);
            break;
          case MemberType::kHardLink:
            seen.lines.push_back("h " + entry.path + " = " + entry.link);
            break;
          default:
            seen.lines.push_back("x " + entry.path);
        }
        return {};
      });
  if (!result) return std::unexpected(result.error());
  return seen;
}

}  // namespace flense::image::fixture
