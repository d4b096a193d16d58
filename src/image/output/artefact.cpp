#include "image/output/artefact.h"

#include <algorithm>
#include <system_error>

#include "base/file.h"
#include "codec/sha256.h"
#include "image/model/model.h"
#include "image/output/documents.h"

namespace flense::image {

namespace {

using text::Json;

constexpr std::string_view kEmptyType = "application/vnd.oci.empty.v1+json", kEmpty = "{}";

}  // namespace

ArtefactDocuments artefact_documents(const Artefact& artefact, const Subject& subject) {
  Json layer = descriptor_json(artefact.media_type, codec::sha256_digest(as_bytes(artefact.body)),
                               artefact.body.size());
  layer.set("annotations", Json::object().set("org.opencontainers.image.title", artefact.title));
  Json layers = Json::array();
  layers.push(std::move(layer));
  const Json manifest =
      Json::object()
          .set("schemaVersion", 2)
          .set("mediaType", kOciManifestType)
          .set("artifactType", artefact.type)
          .set("config",
               descriptor_json(kEmptyType, codec::sha256_digest(as_bytes(kEmpty)), kEmpty.size()))
          .set("layers", std::move(layers))
          .set("subject", descriptor_json(kOciManifestType, subject.digest, subject.size));
  ArtefactDocuments out;
  out.manifest = text::dump_json(manifest);
  out.digest = codec::sha256_digest(as_bytes(out.manifest));
  out.entry = descriptor_json(kOciManifestType, out.digest, out.manifest.size());
  out.entry.set("artifactType", artefact.type);
  return out;
}

Result<Json> put_artefact(const Artefact& artefact, const Subject& subject, BlobStage& stage) {
  ArtefactDocuments documents = artefact_documents(artefact, subject);
  TRY_DO(stage.put(kEmpty));
  TRY_DO(stage.put(artefact.body));
  TRY_DO(stage.put(documents.manifest));
  return std::move(documents.entry);
}

Result<void> write_artefact_layout(const std::filesystem::path& directory, const Artefact& artefact,
                                   const Subject& subject) {
  const std::filesystem::path blobs = directory / "blobs" / "sha256";
  std::error_code error;
  std::filesystem::create_directories(blobs, error);
  if (error) return system_error(error.value(), "cannot create " + blobs.string());
  BlobStage stage(blobs);
  TRY(Json entry, put_artefact(artefact, subject, stage));
  entry.set("annotations", Json::object().set("org.opencontainers.image.ref.name", kArtefactName));
  TRY_DO(write_new_file(directory / "oci-layout", kLayoutText));
  return write_new_file(directory / "index.json", text::dump_json(index_json({std::move(entry)})));
}

Result<MergedReferrers> merge_referrers(std::string_view list, const std::vector<Json>& more) {
  MergedReferrers out;
  if (list.empty()) {
    out.index = index_json({});
  } else {
    TRY(out.index, text::parse_json(list, "the list of referrers"));
    if (out.index["mediaType"].text() != kOciIndexType || !out.index["manifests"].is_array())
      return bad_input("the list of referrers is no index of OCI's form");
  }
  std::vector<Json> entries = out.index["manifests"].items();
  for (const Json& one : more) {
    if (std::ranges::any_of(entries, [&](const Json& known) {
          return known["digest"].text() == one["digest"].text();
        }))
      continue;
    entries.push_back(one);
    out.changed = true;
  }
  out.index.set("manifests", Json(std::move(entries)));
  return out;
}

}  // namespace flense::image
