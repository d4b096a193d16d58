// flense slim: the same image without what the named GPUs can never load and production never
// needs.
#include <array>
#include <optional>

#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/html_file.h"
#include "cli/slim/fleet.h"
#include "cli/slim/run.h"
#include "cli/slim/steps.h"
#include "report/images/slim_report.h"

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

Exit status: 0 fine, 1 the proof failed (a link, --trace or --verify), 2 wrong usage, 3 bad input,
4 environment.

Examples:
  flense slim docker-archive:app.tar --gpu h100 -o oci:app-slim
  flense slim app:1 --gpu a100,a10 -t docker-daemon:app:slim
  flense slim oci:app --gpu sm_90 --dry-run --plan plan.json --html plan.html
  flense slim /opt/venv --gpu sm_90 --in-place
  flense slim a.tar b.tar --gpu h100 -o slim-images --split 512MiB --compression zstd:9
  flense slim docker-archive:app.tar --gpu h100 -o app-slim.tar --verify "python3 -c 'import torch'"
  flense slim app.tar --gpu h100 --level aggressive --closure -o oci:app-slim --trace "python3 /app/serve.py")";

Result<int> slim(const ParsedArgs& args, Io& io) {
  if (args.positionals().size() > 1) return slim_fleet(args, io);
  TRY(const SlimRequest request, read_slim_request(args, io));
  if (request.elf_file) return slim_one_file(request, args, io);

  TRY(SlimSubject subject, read_slim_subject(request, args, io));
  if (!subject.failed_trace.empty()) return report_failed_trace(subject, io);
  TRY_DO(save_plan(request, subject.plan));
  if (!subject.broken.empty()) return report_broken(subject, io);
  if (request.dry_run) {
    TRY_DO(write_html(args, html_of(request, subject, nullptr), io));
    return report_dry_run(subject, args, io);
  }

  if (!request.verify_command.empty()) {
    TRY(const bool holds, verify_by_running(request, subject, io));
    if (!holds) return 1;
  }
  TRY(const slim::SlimOutcome outcome, write_output(request, subject));
  TRY_DO(write_provenance(request, subject, outcome));
  TRY_DO(write_html(args, html_of(request, subject, &outcome), io));
  return report_outcome(request, subject, outcome, args, io);
}

}  // namespace

const Command& slim_command() {
  static constexpr std::array<std::string_view, 3> kPyc = {"keep", "drop", "compile"};
  static constexpr std::array<std::string_view, 2> kRecompress = {"balance", "size"};
  static const std::array<OptionSpec, 33> kOptions = {
      configurable(kGpuOption),
      OptionSpec{"--output", "-o", "OUT", "where the result goes", false, {}, Completion::kFile},
      OptionSpec{"--to", "-t", "REF", "name of the result, or a transport to push it to"},
      configurable(kLevelOption),
      OptionSpec{"--in-place", "", "", "change a directory or an ELF file where it lies"},
      OptionSpec{"--dry-run", "", "", "print the plan, write nothing"},
      OptionSpec{"--plan",
                 "",
                 "FILE",
                 "save the plan as JSON (schema flense/plan/v1)",
                 false,
                 {},
                 Completion::kFile},
      configurable(OptionSpec{"--keep", "", "GLOB", "leave these image paths as they are", true}),
      configurable(OptionSpec{"--keep-ptx", "", "", "keep all PTX (for GPUs of the future)"}),
      OptionSpec{"--drop-vendor", "", "",
                 "targets of one vendor: drop all device code of the other"},
      OptionSpec{"--recompress-code", "", "MODE",
                 "compress kept device code anew; needs a driver of CUDA 12.4", false, kRecompress},
      OptionSpec{"--no-modify-vendor", "", "", "drop whole files only, change no ELF file"},
      OptionSpec{"--pyc", "", "WHAT",
                 "compiled Python files (default: drop at aggressive); compile adds a layer", false,
                 kPyc},
      OptionSpec{"--closure", "", "", "drop what the start of the image does not reach"},
      OptionSpec{"--also", "", "PROGRAM", "for --closure: this is started, too", true},
      OptionSpec{"--minimal", "", "", "nothing but the closure of one program, in one layer"},
      OptionSpec{"--with-tzdata", "", "", "for --minimal: with time zones"},
      OptionSpec{"--squash", "", "", "one layer out of all; shares nothing with other images"},
      OptionSpec{"--verify", "", "CMD", "run CMD in the original and the slim root and compare"},
      OptionSpec{"--trace", "", "CMD", "run CMD in the original and keep every file that it meets",
                 true},
      OptionSpec{"--trace-file",
                 "",
                 "FILE",
                 "keep the image paths in FILE (docs/trace.md)",
                 true,
                 {},
                 Completion::kFile},
      OptionSpec{"--trace-decides", "", "",
                 "drop Python packages that others want and no traced run used"},
      OptionSpec{"--save-trace",
                 "",
                 "FILE",
                 "write what the traced commands met, for --trace-file",
                 false,
                 {},
                 Completion::kFile},
      OptionSpec{
          "--compression", "", "KIND[:LEVEL]",
          "zstd, gzip, estargz (lazy gzip) or none for written layers (default: as they are)"},
      OptionSpec{"--compression-level", "", "N", "of zstd or gzip"},
      OptionSpec{"--keep-base", "", "REF", "leave the layers of this base image as they are"},
      OptionSpec{"--split", "", "SIZE", "cut larger layers into several, for parallel pulls"},
      OptionSpec{"--json", "", "", "print JSON: flense/slim/v1, of a dry run flense/plan/v1"},
      kHtmlOption,
      OptionSpec{"--provenance",
                 "",
                 "FILE",
                 "where the record goes; \"none\" writes none",
                 false,
                 {},
                 Completion::kFile},
      kPlatformOption,
      kTmpdirOption,
      OptionSpec{"--proc",
                 "",
                 "DIR",
                 "read --gpu host from here instead of /proc",
                 false,
                 {},
                 Completion::kDirectory}};
  static const Command kCommand{
      "slim", "Images", "cut what the named GPUs can never use", "TARGET", 1, 64, kOptions, kHelp,
      {},     slim};
  return kCommand;
}

}  // namespace flense::cli
