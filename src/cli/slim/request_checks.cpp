#include "cli/slim/request_checks.h"

#include <array>
#include <string_view>
#include <utility>

#include "base/format.h"
#include "image/output/writer.h"

namespace flense::cli {

namespace {

using codec::Compression;
using slim::Pyc;

/// One of the three ways to say the destination is needed.
Result<void> check_destination(const SlimRequest& request, const slim::Destination& to) {
  const int destinations =
      (to.output.empty() ? 0 : 1) + (to.in_place.empty() ? 0 : 1) + (to.push_to.empty() ? 0 : 1);
  if (destinations == 0 && !request.dry_run && !request.mirror)
    return usage_error(
        "slim needs to know where the result goes",
        "add -o oci:DIR, -o docker-archive:FILE, -t docker-daemon:NAME, or --in-place for "
        "a directory; --dry-run only shows the plan");
  if (destinations > 1)
    return usage_error("-o, -t with a transport and --in-place exclude each other",
                       "give one of them");
  return {};
}

/// What was made is compared with what it was made from, so it must be there.
Result<void> check_prove(const SlimRequest& request, const SlimJob& job) {
  if (request.prove.empty()) return {};
  const bool written = !request.output.empty() || !request.variants.empty();
  if (job.elf_file || request.dry_run || !written || job.to.output.starts_with("sif:"))
    return usage_error("--prove is for an image or a directory that is written with -o",
                       "flense verify RESULT --against ORIGINAL compares others");
  return {};
}

/// The closure is the boldest of all passes.
Result<void> check_closure(const SlimJob& job) {
  const slim::ClosureRules& closure = job.options.closure;
  if (!closure.wanted && !closure.also.empty())
    return usage_error("--also names what --closure follows", "add --closure");
  if (closure.time_zones && !closure.minimal)
    return usage_error("--with-tzdata is for --minimal: otherwise time zones stay", "leave it out");
  if (!closure.wanted) return {};
  if (job.options.cuts.level != device::Level::kAggressive)
    return usage_error("--closure takes what nothing is seen to need", "add --level aggressive");
  if (job.elf_file) return usage_error("--closure is for images and directories", "leave it out");
  if (closure.minimal && !job.to.in_place.empty())
    return usage_error("--minimal makes one new layer: --in-place changes a tree",
                       "use -o dir:DIR");
  return {};
}

Result<void> check_traces(const SlimRequest& request, const slim::SlimOptions& options) {
  const bool commands = !request.trace_commands.empty();
  const bool traced = commands || !request.trace_files.empty();
  if (!request.save_trace.empty() && !commands)
    return usage_error("--save-trace has no trace to save", "name a command with --trace CMD");
  if (traced && !options.closure.wanted && !options.packing.lazy)
    return usage_error(
        fmt::format("{} adds to what --closure keeps and says what comes first in layers of "
                    "--compression estargz; it is nothing without one of them",
                    commands ? "--trace" : "--trace-file"),
        "add --closure --level aggressive, or leave it out");
  if (!options.traced.decide) return {};
  if (!traced)
    return usage_error("--trace-decides has no trace to go by",
                       "add --trace CMD or --trace-file FILE");
  if (!options.closure.wanted)
    return usage_error("--trace-decides is about what --closure keeps",
                       "add --closure --level aggressive, or leave it out");
  if (options.closure.minimal)
    return usage_error("--trace-decides is about packages, and --minimal keeps none whole",
                       "leave it out");
  return {};
}

/// Only images have layers to split, to keep, or to add to.
Result<void> check_layers(const SlimJob& job) {
  const slim::Packing& packing = job.options.packing;
  const bool in_place = !job.to.in_place.empty();
  const bool tree = job.to.is_tree() || job.elf_file;
  if (packing.squash && in_place)
    return usage_error("--squash is for images: --in-place changes a tree, which has no layers",
                       "leave one of them out");
  if (packing.split_bytes > 0 && tree)
    return usage_error("--split is for images: a file or directory has no layers", "leave it out");
  if (job.options.cuts.pyc == Pyc::kCompile && (in_place || job.elf_file))
    return usage_error("--pyc compile adds a layer, and only images have layers",
                       "in a directory, python3 -m compileall does the same");
  if (!packing.kept_base.empty() && (tree || packing.squash))
    return usage_error("--keep-base keeps layers, and the result would have none of its own",
                       "leave it out");
  if (tree) TRY_DO(slim::check_lazy(packing, image::OutputForm::kDirectory));
  if (job.to.output.starts_with("squashfs:") && packing.compression == Compression::kNone)
    return usage_error("a squashfs file is compressed", "use --compression zstd or gzip");
  return {};
}

/// What not every form can hold.
Result<void> check_compression(const SlimJob& job) {
  const slim::Packing& packing = job.options.packing;
  const slim::Destination& to = job.to;
  if (!to.push_to.empty()) TRY_DO(slim::check_lazy_push(packing, to.push_to));
  if (to.output.empty() || to.is_file_system()) return {};
  if (job.elf_file) return {};
  TRY(const image::OutputSpec spec, image::parse_output(to.output, to.tag));
  if (packing.compression != Compression::kZstd && !packing.lazy) return {};
  TRY_DO(slim::check_lazy(packing, spec.form));
  if (!packing.lazy && spec.form == image::OutputForm::kDockerArchive)
    return usage_error("a docker archive cannot hold zstd layers: docker load refuses them",
                       "write -o oci-archive:FILE, or use --compression gzip");
  return {};
}

}  // namespace

Result<void> check_job(const SlimRequest& request, const SlimJob& job) {
  TRY_DO(check_destination(request, job.to));
  TRY_DO(check_prove(request, job));
  TRY_DO(check_closure(job));
  TRY_DO(check_traces(request, job.options));
  TRY_DO(check_layers(job));
  return check_compression(job);
}

Result<void> check_one_file(const SlimRequest& request, const SlimJob& job) {
  if (!job.to.push_to.empty()) return usage_error("an ELF file cannot be pushed", "use -o FILE");
  if (job.options.packing.squash)
    return usage_error("--squash is for images: a file has no layers", "leave --squash out");
  if (!request.trace_commands.empty() || !request.trace_files.empty())
    return usage_error("--trace is for images and directories: nothing runs in a file",
                       "leave it out");
  if (request.dry_run || !request.html.empty())
    return usage_error(fmt::format("{} is for images and directories",
                                   request.dry_run ? "--dry-run" : "slim --html"),
                       "flense inspect --gpu GPU FILE shows what could go, with --html too");
  return {};
}

Result<void> check_several(const SlimRequest& request, const SlimJob& common) {
  if (request.in_place || !request.name.empty())
    return usage_error("several images need -o DIR", "push the results with skopeo, or one by one");
  const std::array<std::pair<std::string_view, std::string_view>, 5> files = {
      {{"--plan", request.plan_file},
       {"--provenance", request.provenance ? std::string_view(*request.provenance) : ""},
       {"--html", request.html},
       {"--save-trace", request.save_trace},
       {"--prove", request.prove}}};
  for (const auto& [option, file] : files)
    if (!file.empty() && file != "none")
      return usage_error(fmt::format("{} is for one image at a time", option), "leave it out");
  if (common.options.packing.squash)
    return usage_error("--squash is for one image at a time: a squashed layer shares nothing",
                       "leave it out");
  if (request.dry_run && request.json)
    return usage_error("--dry-run --json prints the plan of one image at a time", "name one image");
  return {};
}

}  // namespace flense::cli
