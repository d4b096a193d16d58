// Documents that hang on an image without being a part of it: manifests with a `subject`, which
// registries list as its referrers (OCI image-spec 1.1, manifest.md and "Guidelines for Artifact
// Usage"; distribution-spec 1.1, "Listing Referrers").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image/output/blob_stage.h"
#include "text/json.h"

namespace flense::image {

struct Artefact {
  std::string type;        ///< artifactType: what it is
  std::string media_type;  ///< of the document
  std::string title;       ///< the file that `oras pull` writes
  std::string body;
};

/// The manifest of an image, on which artefacts hang.
struct Subject {
  std::string digest;
  std::uint64_t size = 0;
};

/// The blobs of an artefact, and how a list of referrers has it.
struct ArtefactDocuments {
  std::string manifest, digest;
  text::Json entry;
};
ArtefactDocuments artefact_documents(const Artefact& artefact, const Subject& subject);

/// Stores the blobs; returns what a list of referrers has.
Result<text::Json> put_artefact(const Artefact& artefact, const Subject& subject, BlobStage& stage);
/// An OCI layout that holds the artefact alone, under the name kArtefactName.
inline constexpr const char* kArtefactName = "artefact";
Result<void> write_artefact_layout(const std::filesystem::path& directory, const Artefact& artefact,
                                   const Subject& subject);

/// A list of referrers with the entries that it has not; bad input where it is none.
struct MergedReferrers {
  text::Json index;
  bool changed = false;
};
Result<MergedReferrers> merge_referrers(std::string_view list, const std::vector<text::Json>& more);

}  // namespace flense::image
