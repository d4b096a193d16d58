// The in-toto statement in which BuildKit and others attach an SBOM to an image.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/json.h"

namespace flense::sbom {

struct Carried {
  text::Json statement;  ///< with null in the document's place; null: the document was bare
  text::Json document;
};

/// Bad input for statements about other things than SBOMs, and for signed envelopes (DSSE): a
/// signature is not ours to make anew.
Result<Carried> unwrap(text::Json json);
/// As it was carried; the subjects of a statement get the digest of the result ("sha256:…").
text::Json wrap(Carried carried, std::string_view result_digest);

}  // namespace flense::sbom
