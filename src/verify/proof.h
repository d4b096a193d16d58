// A verification written down: an in-toto statement (v1) about the result, which can be checked
// later without original and record. It is worth what the signature is that somebody puts on it.
#pragma once

#include <string>

#include "text/json.h"
#include "verify/verify.h"

namespace flense::verify {

/// What stays the same when an image is copied from one transport to another: the digest of its
/// configuration, which names its layers; of a directory or a file the digest of all members. Every
/// layer is read, and has to be what its digest says.
Result<std::string> content_digest(const image::Image& image, const std::filesystem::path& scratch,
                                   Progress* progress);

/// Schema flense/proof/v1 (docs/schemas/proof-v1.json). `findings` hold no difference.
struct Proved {
  std::string subject, original;                ///< as named
  std::string subject_digest, original_digest;  ///< content_digest of both
  const Answer& answer;
  const Findings& findings;
};
text::Json proof_statement(const Proved& proved);

/// A statement that was read.
struct Proof {
  std::string file;
  std::string subject_digest, original, original_digest;
  std::vector<std::string> gpus;
  Level level = Level::kStandard;
  std::vector<std::string> unknowns;
};
/// Bad input: no such statement.
Result<Proof> read_proof(const std::string& file);

/// Differences where the proof speaks of another image, or of other GPUs than `wanted`; what it did
/// not know is unknown. `before` may be null.
Result<Answer> check_proof(const Proof& proof, const image::Image& after,
                           const image::Image* before, const Question& question,
                           Findings& findings);

}  // namespace flense::verify
