// flense slim: the same image without what the named GPUs can never load and production never
// needs.
#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>

#include "base/file.h"
#include "cli/shared/command.h"
#include "cli/shared/html_file.h"
#include "cli/slim/fleet.h"
#include "cli/slim/hanging.h"
#include "cli/slim/proofs.h"
#include "cli/slim/reports.h"
#include "cli/slim/request.h"
#include "cli/slim/steps.h"
#include "cli/slim/variants.h"
#include "cli/slim/wheels.h"
#include "image/output/push.h"

namespace flense::cli {

namespace {

constexpr std::string_view kHelp =
    R"(Writes the same image without what the named GPUs can never load and what production never needs.
Layers that no cut touches keep their digest. The input is never changed; the output appears whole
or not at all.

--gpu names the GPUs to serve: products (h100, l4, mi300x), architectures (sm_90, 9.0, gfx942),
several with commas, or "host" for the GPUs of this machine. Device code that any of them could load
stays, and where targets of one vendor alone are named, all code of the other (but at aggressive).

Levels
  safe        caches, files that later layers hide, device code for other GPUs; PTX stays
  standard    also PTX where every target has native code, files named for other GPUs, debug
              sections and symbol tables, headers, static libraries, documentation, locales
  aggressive  also compiled Python files, tests, JIT caches, device code of a vendor without target

--closure (at aggressive) also drops what the entry point, the command, the health check and programs
named by --also do not reach: libraries as the loader finds them and as they are known to be opened,
interpreters, words of shell scripts, Python imports. Packages stay whole. It refuses where the start
cannot be followed. --minimal leaves nothing but the closure of one compiled program, with
certificates and users, as a distroless image has it. Prove either with --verify (docs/closure.md).

--trace runs a command of the image in a sandbox (bubblewrap, read-only, no network, no root) and keeps
every file that it opens, executes or asks about, for runs that no reading of the image foresees.
--trace-file keeps the paths in a file, as flense run --trace writes it on a machine with the GPUs.
It adds to what is kept and never takes away, unless --trace-decides lets it judge which of the Python
packages that others import or require are used (docs/trace.md). With --compression estargz, also
without --closure, what it opened comes first in the layers, for lazy pulls (docs/packing.md).

OUT is oci:DIR, oci-archive:FILE, docker-archive:FILE, dir:DIR, or a path: *.tar is a docker archive,
anything else an OCI layout (an ELF file gives a file, a directory a directory); squashfs:FILE and
sif:FILE are file systems for machines that mount images. Of several TARGETs OUT is a directory, and a
layer that they share is read, cut and written once. -t pushes to
docker://REF, docker-daemon:REF or containers-storage:REF. A record of what was done is written
beside the output as OUT.provenance.json. --html FILE draws what went and what stayed, and why, as one
page that needs nothing else (docs/html.md).

--variants writes an image for each of these GPUs instead of one for all of them, into one index behind
the entries of the original: oci:DIR:TAG or docker://REF. What they have in common is stored once, and
`flense run` takes the image for its machine (docs/fleet.md). --mirror pushes each of them where nodes
with such GPUs look first, once `flense mirror install` has told them.

Python wheels (*.whl) become wheels of the same version in the new directory OUT, told apart by their
build tag (torch-2.15.0-1sm90-…), with a requirements.txt of their digests; --index adds a simple index
for pip install --index-url file://OUT/simple. --requirements FILE: that file with the new digests.

--prove FILE compares the result with the original by rules and code of its own, as `flense verify` does,
and writes what came of it as an in-toto statement (docs/commands/verify.md); with --variants one for each
image, which hangs on it in the registry.

Exit status: 0 fine, 1 the proof failed (a link, --trace, --verify or --prove), 2 wrong usage, 3 bad input,
4 environment.

Examples:
  flense slim docker-archive:app.tar --gpu h100 -o oci:app-slim
  flense slim app:1 --gpu a100,a10 -t docker-daemon:app:slim
  flense slim oci:app --gpu sm_90 --dry-run --plan plan.json --html plan.html
  flense slim /opt/venv --gpu sm_90 --in-place
  flense slim a.tar b.tar --gpu h100 -o slim-images --split 512MiB --compression zstd:9
  flense slim docker://app:1 --variants h100,a100,l40s -t docker://registry.example/app:1
  flense slim docker://app:1 --variants h100,a100 --mirror docker://registry.example/{gpu}
  flense slim wheels/*.whl --gpu h100 -o wheels-h100 --index
  flense slim docker-archive:app.tar --gpu h100 -o app-slim.tar --verify "python3 -c 'import torch'"
  flense slim app.tar --gpu h100 --level aggressive --closure -o oci:app-slim --trace "python3 /app/serve.py")";

Result<int> slim_file(const SlimJob& job, const SlimRequest& request,
                      const slim::Workplace& workplace, Io& io) {
  TRY(slim::SlimmedFile file, slim::slim_one_file(job.target, job.to, job.options.cuts, workplace));
  std::ranges::copy(job.notices, std::back_inserter(file.plan.notices));
  TRY_DO(print_report(
      {file.plan, &file.outcome, job.to.name(), file.before, file.after, file.outcome.changed},
      request, io));
  return 0;
}

Result<int> slim_image(const SlimJob& job, const SlimRequest& request,
                       const slim::Workplace& workplace, Io& io) {
  // What a registry refuses is known before the work, not after it.
  slim::Destination to = job.to;
  if (!to.push_to.empty() && !request.dry_run) {
    TRY(to.shown, image::check_push(to.push_to, workplace.registry));
  }
  std::optional<slim::UnpackedRoot> original;
  TRY(const auto slimming, plan_job(job, request, workplace, original, nullptr, io));
  if (!slimming) return 1;
  if (!request.plan_file.empty())
    TRY_DO(save_named(request.plan_file, text::dump_json(slim::to_json(slimming->plan), 2) + "\n"));
  if (!slimming->broken.empty()) {
    TRY_DO(print_broken(slimming->broken, io));
    return 1;
  }
  if (request.dry_run) {
    TRY_DO(write_html(request.html, html_of(*slimming, job.to, nullptr), io));
    TRY_DO(print_report(report_of(*slimming, job.to, nullptr), request, io));
    return 0;
  }
  TRY(const bool holds, verify(request, *slimming, workplace, original, io));
  if (!holds) return 1;
  // The image unpacked need not lie there while the output is written.
  original.reset();
  TRY(slim::SlimOutcome outcome, slim::write_result(*slimming, to, workplace));
  TRY(const std::string named, named_on_original(*slimming->input.image, workplace, io));
  if (!named.empty()) outcome.notices.push_back(named);
  workplace.progress->clear();
  TRY_DO(write_record(job, *slimming, outcome));
  TRY(const bool proved, prove(job, request, *slimming, outcome, workplace, io));
  if (!proved) return 1;
  TRY_DO(write_html(request.html, html_of(*slimming, job.to, &outcome), io));
  TRY_DO(print_report(report_of(*slimming, job.to, &outcome), request, io));
  return 0;
}

/// What GPUs are called, what drivers run, and what programs open.
constexpr auto kSlimTables = std::to_array<std::string_view>({"cuda_driver", "dlopen", "gpu_arch"});

Result<int> run_slim(const SlimRequest& request, Io& io) {
  TRY(const knowledge::Knowledge tables, tables_of(request, io, kSlimTables));
  TRY(const std::vector<SlimJob> jobs, understand(request, tables.gpus));
  const std::unique_ptr<Progress> progress = make_progress(request, io);
  TRY(const slim::Workplace workplace, workplace_of(request, tables, *progress, io));
  if (jobs.front().wheel) return slim_wheels(jobs, request, workplace, io);
  if (!request.variants.empty()) return slim_variants(jobs, request, workplace, io);
  if (jobs.size() > 1) return slim_fleet(jobs, request, workplace, io);
  const SlimJob& job = jobs.front();
  return job.elf_file ? slim_file(job, request, workplace, io)
                      : slim_image(job, request, workplace, io);
}

}  // namespace

const Command& slim_command() {
  static const Command kCommand{.name = "slim",
                                .group = "Images",
                                .summary = "cut what the named GPUs can never use",
                                .positionals = "TARGET",
                                .min_positionals = 1,
                                .max_positionals = 1024,
                                .help = kHelp,
                                .call = [] { return call_of(run_slim); }};
  return kCommand;
}

}  // namespace flense::cli
