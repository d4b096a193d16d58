#include "cli/slim/proofs.h"

#include <optional>
#include <string>

#include "base/file.h"
#include "base/format.h"
#include "cli/slim/written_files.h"
#include "image/registry/client.h"
#include "verify/proof.h"

namespace flense::cli {

namespace {

// in-toto's attestation framework, "Bundle" and "Envelope": the payload type of a statement.
constexpr const char* kStatement = "application/vnd.in-toto+json";

/// Proves results that were made from one original, which is read for its digest once.
class Prover {
 public:
  Prover(const image::Image& original, const slim::Workplace& workplace)
      : original_(original), workplace_(workplace) {}

  /// The statement about `result`, which the proof calls `name`. Nothing where there is a
  /// difference; says so on stderr.
  Result<std::optional<std::string>> prove(const image::Image& result, const std::string& name,
                                           const text::Json& record, Io& io) {
    verify::Question question;
    question.scratch = workplace_.scratch_directory;
    question.progress = workplace_.progress;
    TRY(question.record, verify::parse_record(record, "this run"));
    workplace_.progress->begin("proving", 0);
    verify::Findings findings;
    TRY(const verify::Answer answer, verify::verify_image(result, original_, question, findings));
    if (findings.difference_count() > 0) {
      const verify::Difference first = findings.differences().front();
      const std::string place = first.where.empty() ? "" : ", " + first.where;
      TRY_DO(io.err.line(fmt::format(
          "error: {} is not proved: {}{}{}: expected {}, found {}{}", name,
          first.path.empty() ? "" : first.path + ": ", first.what, place, first.expected,
          first.found,
          findings.difference_count() == 1
              ? ""
              : fmt::format(", and {} more differences", findings.difference_count() - 1))));
      return std::nullopt;
    }
    TRY(const std::string of_result,
        verify::content_digest(result, question.scratch, question.progress));
    if (of_original_.empty()) {
      TRY(of_original_, verify::content_digest(original_, question.scratch, question.progress));
    }
    workplace_.progress->clear();
    const text::Json statement =
        verify::proof_statement({name, original_.name, of_result, of_original_, answer, findings});
    return text::dump_json(statement, 2) + "\n";
  }

 private:
  const image::Image& original_;
  const slim::Workplace& workplace_;
  std::string of_original_;
};

/// Where those who read the proof find the image.
std::string name_of_variant(const slim::Destination& to, const slim::VariantsLayout& layout,
                            const slim::WrittenVariant& variant) {
  if (!to.output.empty()) return layout.target(variant);
  const auto name = image::parse_registry_name(to.push_to);
  return "docker://" + (name ? name->place() + ":" + variant.tag : variant.mirrored);
}

}  // namespace

Result<bool> prove(const SlimJob& job, const SlimRequest& request, const slim::Slimming& slimming,
                   const slim::SlimOutcome& outcome, const slim::Workplace& workplace, Io& io) {
  if (request.prove.empty()) return true;
  TRY(const auto result,
      open_target(slim::path_of_output(job.to.output), request.image, request, io));
  TRY(const auto proof, Prover(*slimming.input.image, workplace)
                            .prove(*result, job.to.output, record_of(job, slimming, outcome), io));
  if (!proof) return false;
  TRY_DO(save_named(request.prove, *proof));
  return true;
}

Result<bool> prove_variants(const std::vector<SlimJob>& jobs,
                            const std::vector<slim::Slimming>& slimmings,
                            const SlimRequest& request, const slim::VariantsLayout& layout,
                            const slim::Workplace& workplace, std::vector<Hanging>& hanging,
                            Io& io) {
  if (request.prove.empty()) return true;
  Prover prover(*slimmings.front().input.image, workplace);
  for (std::size_t i = 0; i < slimmings.size(); ++i) {
    const slim::WrittenVariant& written = layout.outcome.variants[i];
    TRY(const auto result, open_target(layout.target(written), request.image, request, io));
    TRY(const auto proof,
        with_context(prover.prove(*result, name_of_variant(jobs.front().to, layout, written),
                                  record_of(jobs[i], slimmings[i], written.outcome), io),
                     "proving {}", written.tag));
    if (!proof) return false;
    TRY_DO(save_named(proof_of_variant(request.prove, slimmings[i].options.cuts.targets), *proof));
    hanging[i].artefacts.push_back({kStatement, kStatement, "proof.intoto.json", *proof});
  }
  return true;
}

}  // namespace flense::cli
