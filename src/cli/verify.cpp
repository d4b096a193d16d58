// flense verify: an independent proof that an image is another one without what may be gone.
#include <array>
#include <system_error>

#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/confine.h"
#include "inventory/describe/targets.h"
#include "report/images/verify_report.h"
#include "slim/job/destination.h"
#include "verify/proof.h"

namespace flense::cli {

namespace {

constexpr std::string_view kVerifyHelp =
    R"(Compares what `flense slim` wrote with its original, by rules and code of its own:
  device code     every entry that a named GPU could load is there, in its place and order, with the
                  same content; an entry that is gone is one that none of them needs
  ELF files       each mapped byte, symbol, relocation and header is what it was, but for pointers to
                  code that moved and for sections that only debuggers read
  files           each path is there with type, mode, owner, time, attributes, link and content, or is
                  gone for a reason in the record and, where that can be seen, by the facts
  lists           RECORD of wheels and the lists of dpkg, apk and conda name what is there
  configuration   equal but for the labels of flense

SLIM and ORIGINAL are images in any form that inspect takes, directories, or ELF files. The record is
OUT.provenance.json beside SLIM, or --record FILE (or what --plan wrote). Without one, what is gone has
no reason, and the answer is unknown. --gpu and --level default to those of the record or the labels.

With --proof FILE, which `flense slim --prove FILE` wrote, only digests are compared: SLIM, and with
--against the original too, are what the proof speaks of.

Exit status: 0 equal but for what is meant to differ, 1 differences, 2 wrong usage, 3 bad input,
4 environment, 5 no difference was found, but something could not be known.

Examples:
  flense verify oci:app-slim --against app.tar
  flense verify app-slim.tar --against app.tar --gpu sm_90 --record plan.json
  flense verify libfoo-slim.so --against libfoo.so --gpu h100)";

constexpr std::size_t kShownDifferences = 20;
constexpr std::size_t kListedDifferences = 1000;

struct VerifyRequest : TableRequest {
  std::string against, record, proof;
  std::vector<std::string> gpus;
  std::optional<verify::Level> level;
  bool json = false, all = false;
  ImageOptions image;
};

Result<std::optional<verify::Level>> proof_level(const std::string& word) {
  return verify::level_named(word);
}

void declare(Options& options, VerifyRequest& request) {
  static constexpr std::array<std::string_view, 3> kLevels = {"safe", "standard", "aggressive"};
  options.add("--against", "ORIGINAL", "what SLIM was made from", request.against).file();
  options.add("--gpu", "GPU", kGpuHelp, request.gpus);
  options.add("--level", "LEVEL", "how far slim went", request.level, proof_level).one_of(kLevels);
  options.add("--record", "FILE", "the record of slim, or its plan", request.record).file();
  options
      .add("--proof", "FILE", "what slim --prove wrote: SLIM is what it speaks of", request.proof)
      .file();
  options.flag("--json", "print JSON (schema flense/verify/v1)", request.json);
  options.flag("--all", "list every difference", request.all);
  add_data(options, request).setting();
  declare(options, request.image);
  add_no_sandbox(options, request);
}

/// The record that slim leaves beside its output.
std::string record_beside_target(const std::string& target) {
  std::string file = slim::record_beside(target);
  std::error_code ignored;
  return std::filesystem::exists(file, ignored) ? file : std::string();
}

/// By the proof alone, or by comparing.
Result<verify::Answer> answer_of(const VerifyRequest& request, const verify::Question& question,
                                 const image::Image& after, const image::Image* before,
                                 verify::Findings& findings) {
  if (request.proof.empty()) return verify::verify_image(after, *before, question, findings);
  TRY(const verify::Proof proof, verify::read_proof(request.proof));
  return verify::check_proof(proof, after, before, question, findings);
}

Result<int> run_verify(const VerifyRequest& request, Io& io) {
  if (request.against.empty() && request.proof.empty())
    return usage_error("verify needs --against", "name what SLIM was made from: --against app.tar");
  verify::Question question;
  question.level = request.level;
  question.scratch = scratch_directory(request.image, io);
  if (!request.gpus.empty()) {
    TRY(const knowledge::Knowledge tables,
        tables_of(request, io, std::array<std::string_view, 1>{"gpu_arch"}));
    TRY(question.targets, inventory::parse_targets(request.gpus, tables.gpus));
  }
  const std::string& target = request.words.front();
  const std::string record = request.record.empty() ? record_beside_target(target) : request.record;
  Wanted wanted;
  add_targets({target, request.against}, request.image, io, wanted);
  wanted.reach.read.insert(wanted.reach.read.end(), {record, request.proof});
  TRY_DO(confine(request, wanted, io));
  if (!record.empty() && request.proof.empty()) {
    TRY(question.record, verify::read_record(record));
  }
  TRY(const std::unique_ptr<const image::Image> after,
      open_target(target, request.image, request, io));
  std::unique_ptr<const image::Image> before;
  if (!request.against.empty()) {
    TRY(before, open_target(request.against, request.image, request, io));
  }
  const std::unique_ptr<Progress> progress = make_progress(request, io);
  progress->begin("comparing",
                  image::stored_size(*after) + (before ? image::stored_size(*before) : 0));
  question.progress = progress.get();
  verify::Findings findings;
  TRY(const verify::Answer answer, answer_of(request, question, *after, before.get(), findings));
  progress->clear();
  const report::Verification out{after->name,
                                 before ? before->name : "the proof",
                                 after->manifest_digest,
                                 before ? before->manifest_digest : "",
                                 answer,
                                 findings};
  const std::size_t most = request.all    ? SIZE_MAX
                           : request.json ? kListedDifferences
                                          : kShownDifferences;
  TRY_DO(request.json
             ? write_text(io, text::dump_json(report::verify_json(out, most), 2) + "\n")
             : write_report(io, report::verify_text(out, output_style(request, io), most)));
  if (findings.difference_count() > 0) return 1;
  return findings.unknown_count() > 0 ? 5 : 0;
}

}  // namespace

const Command& verify_command() {
  static const Command kCommand{
      .name = "verify",
      .group = "Images",
      .summary = "prove that a slim image is its original but for what may go",
      .positionals = "SLIM",
      .min_positionals = 1,
      .max_positionals = 1,
      .help = kVerifyHelp,
      .call = [] { return call_of(run_verify); }};
  return kCommand;
}

}  // namespace flense::cli
