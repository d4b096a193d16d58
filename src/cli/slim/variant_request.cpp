#include "cli/slim/variant_request.h"

#include <algorithm>
#include <array>

#include "cli/slim/wheel_request.h"
#include "image/model/reference.h"
#include "image/output/writer.h"
#include "image/registry/client.h"
#include "slim/job/variants.h"

namespace flense::cli {

namespace {

/// Where an index can go.
bool takes_index(const SlimRequest& request) {
  const image::TransportForm* form = image::transport_form_of(
      request.output.empty() ? std::string_view(request.name) : std::string_view(request.output));
  if (request.output.empty())
    return form != nullptr && form->transport == image::Transport::kRegistry;
  if (form == nullptr) return !request.output.ends_with(".tar");
  return form->transport == image::Transport::kOci;
}

}  // namespace

Result<void> check_variants(const SlimRequest& request) {
  if (!request.gpus.empty())
    return usage_error("--variants and --gpu exclude each other",
                       "--gpu h100,a100 makes one image for both, --variants h100,a100 two");
  if (request.words.size() > 1)
    return usage_error("--variants is for one image at a time", "slim them one by one");
  if (names_wheels(request))
    return usage_error("--variants is for images: a wheel has no index", "use --gpu");
  const slim::Packing& packing = request.options.packing;
  struct Barred {
    bool given;
    std::string_view option, why;
  };
  const auto barred = std::to_array<Barred>({
      {request.in_place, "--in-place", "a tree is one image"},
      {packing.squash, "--squash", "a squashed layer shares nothing"},
      {request.options.closure.minimal, "--minimal", "its one layer shares nothing"},
      {packing.split_bytes > 0, "--split", "variants have a split of their own"},
      {request.compression && request.compression->lazy, "--compression estargz",
       "lazy layers have an order of their own"},
      {request.options.cuts.pyc == slim::Pyc::kCompile, "--pyc compile", "it adds a layer"},
      {!request.plan_file.empty(), "--plan", "it saves the plan of one image"},
      {!request.html.empty(), "--html", "it draws one image"},
      {request.provenance && *request.provenance != "none", "--provenance",
       "each variant has a record of its own, beside the output"},
      {request.dry_run && request.json, "--dry-run --json", "it prints the plan of one image"},
  });
  for (const Barred& one : barred)
    if (one.given)
      return usage_error(fmt::format("--variants does not go with {}: {}", one.option, one.why),
                         "leave it out, or slim for one GPU at a time with --gpu");
  if (request.mirror &&
      image::parse_target(request.words.front()).transport != image::Transport::kRegistry)
    return usage_error("--mirror goes by the name under which nodes pull the original",
                       "name it: docker://HOST/REPOSITORY:TAG");
  if (request.mirror && request.words.front().find('@') != std::string::npos)
    return usage_error("a mirror is asked for tags, and the original is named by its digest",
                       "name its tag alone; of a digest, -t pushes to a tag of your own");
  const bool somewhere = !request.output.empty() || !request.name.empty();
  if (somewhere && !takes_index(request))
    return usage_error("an index of variants goes into an OCI layout or a registry",
                       "use -o oci:DIR:TAG or -t docker://REF");
  return {};
}

Result<void> add_variant(SlimJob job, std::vector<SlimJob>& jobs) {
  const auto same = std::ranges::find_if(jobs, [&](const SlimJob& other) {
    return other.options.cuts.targets == job.options.cuts.targets;
  });
  if (same != jobs.end()) return {};
  // As everywhere, no tag is the latest.
  if (const auto name = image::parse_registry_name(job.to.push_to);
      name && name->tag.empty() && name->digest.empty())
    job.to.push_to += ":latest";
  if (!job.provenance.empty()) {
    TRY(const image::OutputSpec spec, image::parse_output(job.to.output, job.to.tag));
    job.provenance = slim::record_beside(
        fmt::format("{}.{}", spec.path.string(), slim::variant_name(job.options.cuts.targets)));
  }
  jobs.push_back(std::move(job));
  return {};
}

}  // namespace flense::cli
