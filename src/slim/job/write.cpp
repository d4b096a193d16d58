#include "slim/job/write.h"

#include <system_error>

#include "base/private_directory.h"
#include "image/output/push.h"
#include "image/output/sif_output.h"
#include "slim/apply/in_place.h"
#include "slim/apply/squash.h"
#include "slim/job/room.h"
#include "slim/plan/make_plan.h"

namespace flense::slim {

namespace {

bool is_tree(const image::Image& image) {
  return image.form == image::Form::kDirectory || image.form == image::Form::kSquashfs ||
         image.form == image::Form::kSif;
}

Result<SlimOutcome> write_to(const image::OutputSpec& spec, const Slimming& slimming,
                             const Workplace& workplace, LayerPool* pool = nullptr) {
  return write_image(spec, slimming.image(), slimming.contents(), slimming.plan, slimming.options,
                     slimming.driver_floor, workplace, pool);
}

SlimOutcome outcome_of(LayerOutcome layer, bool changed) {
  SlimOutcome out;
  out.changed = changed;
  out.bytes_by_pass = std::move(layer.bytes_by_pass);
  out.left_alone = std::move(layer.left_alone);
  out.notices = std::move(layer.notices);
  return out;
}

Result<SlimOutcome> change_in_place(const Slimming& slimming, const Workplace& workplace) {
  ChangedTree& tree = *slimming.input.tree;
  TRY(LayerOutcome layer,
      apply_in_place(tree, slimming.plan.layers.front(), slimming.options.cuts, workplace));
  if (!tree.notice().empty()) layer.notices.push_back(tree.notice());
  return outcome_of(std::move(layer), !slimming.plan.empty());
}

Result<SlimOutcome> push(const Slimming& slimming, const Destination& to,
                         const Workplace& workplace) {
  const std::string& target = to.push_to;
  TRY(const image::PushPlan push, image::plan_push(target));
  if (!push.allows_zstd && slimming.options.packing.compression == codec::Compression::kZstd)
    return fail(Code::kUsage, "{} does not take zstd layers", target)
        .hint("use --compression gzip");
  TRY(const TemporaryDirectory work,
      TemporaryDirectory::create(workplace.scratch_directory, "flense-work"));
  const image::OutputSpec spec{push.form, work.path() / "image", push.tag};
  TRY(SlimOutcome outcome, write_to(spec, slimming, workplace));
  TRY_DO(image::check_unmoved(target, to.shown, outcome.manifest_digest, workplace.registry));
  TRY_DO(image::push_image(spec.path, target, workplace.registry, workplace.progress));
  return outcome;
}

Result<void> must_be_new(const std::filesystem::path& output) {
  std::error_code ignored;
  if (!std::filesystem::exists(output, ignored)) return {};
  return fail(Code::kEnvironment, "{} already exists", output.string());
}

Result<SlimOutcome> write_sif(const Slimming& slimming, const std::filesystem::path& output,
                              const Workplace& workplace) {
  TRY_DO(must_be_new(output));
  TRY(const std::string builder, image::find_sif_builder());
  TRY(const TemporaryDirectory work,
      TemporaryDirectory::create(workplace.scratch_directory, "flense-work"));
  const image::OutputSpec spec{image::OutputForm::kOciArchive, work.path() / "image.tar", {}};
  TRY(SlimOutcome outcome, write_to(spec, slimming, workplace));
  TRY_DO(image::build_sif(builder, spec.path, work.path(), output));
  return outcome;
}

}  // namespace

Result<SlimOutcome> write_image(const image::OutputSpec& spec, const image::Image& image,
                                const inventory::Contents& contents, const Plan& plan,
                                const SlimOptions& options, const DriverFloor& floor,
                                const Workplace& workplace, LayerPool* pool) {
  image::OutputSpec bounded = spec;
  bounded.limit = image::UnpackLimit(image, workplace.max_unpacked);
  bounded.progress = workplace.progress;
  TRY(const std::unique_ptr<image::ImageWriter> writer, image::ImageWriter::create(bounded));
  const std::vector<std::uint64_t> unpacked = unpacked_sizes(contents);
  const bool several = options.packing.squash && image.layers.size() > 1;
  SlimOutcome outcome;
  if (several || (spec.form == image::OutputForm::kSquashfs && !is_tree(image))) {
    TRY(outcome,
        apply_squashed(image, contents.tree(), plan, options, unpacked, floor, *writer, workplace));
  } else {
    TRY(outcome, apply_image(image, plan, options, unpacked, floor, *writer, workplace, pool,
                             &contents.tree()));
  }
  const std::vector<std::string>& notices = writer->notices();
  outcome.notices.insert(outcome.notices.end(), notices.begin(), notices.end());
  return outcome;
}

Result<SlimOutcome> write_result(const Slimming& slimming, const Destination& to,
                                 const Workplace& workplace, LayerPool* pool) {
  TRY(const Room needed, room_needed(slimming, to));
  if (needed.certain > 0) {
    const Result<void> room =
        check_room(to.in_place.empty() ? std::filesystem::path(path_of_output(to.output))
                                       : slimming.input.tree->root(),
                   needed);
    // Of a damaged image that comes first.
    if (!room) TRY_DO(slimming.image().verified->settle());
    TRY_DO(room);
  }
  workplace.progress->begin("writing layers", image::stored_size(slimming.image()));
  if (slimming.input.tree) return change_in_place(slimming, workplace);
  if (!to.push_to.empty()) return push(slimming, to, workplace);
  const std::string path = path_of_output(to.output);
  if (to.output.starts_with("sif:")) return write_sif(slimming, path, workplace);
  const image::Image& image = slimming.image();
  TRY(image::OutputSpec spec, image::parse_output(to.output, to.tag));
  // A tree has no configuration of its own: a bare path means a directory again.
  if (is_tree(image) && path == to.output) spec.form = image::OutputForm::kDirectory;
  TRY_DO(check_lazy(slimming.options.packing, spec.form));
  const bool same_name = spec.tag.empty() && !image.tags.empty();
  if (same_name) spec.tag = image.tags.front();
  TRY(SlimOutcome outcome, write_to(spec, slimming, workplace, pool));
  // Of several images (with a pool) none takes a name from -t.
  if (same_name && pool == nullptr && spec.form == image::OutputForm::kDockerArchive)
    outcome.notices.push_back(
        fmt::format("the archive keeps the name {}: docker load takes it from the original; -t "
                    "NAME gives another",
                    spec.tag));
  if (pool == nullptr && spec.form == image::OutputForm::kOciArchive)
    outcome.notices.emplace_back(
        "Docker loads an OCI archive only into containerd's image store; docker-archive:FILE is "
        "loaded by every engine");
  return outcome;
}

Result<SlimmedFile> slim_one_file(const std::string& file, const Destination& to,
                                  const CutRules& cuts, const Workplace& workplace) {
  if (to.in_place.empty())
    TRY_DO(with_hint(must_be_new(to.output), "name another output, or use --in-place"));
  TRY(LayerOutcome layer, slim_file(file, to.name(), cuts, workplace));
  SlimmedFile out;
  out.before = layer.content_before;
  out.after = layer.content_after;
  out.plan.input = file;
  out.plan.targets = cuts.targets;
  out.plan.level = cuts.level;
  for (const auto& [pass, bytes] : layer.bytes_by_pass)
    out.plan.passes.push_back({pass, 1, bytes, false});
  if (!cuts.targets.amd.empty() && layer.bytes_by_pass.contains(kDeviceCode))
    out.plan.notices.emplace_back(kRocmNotice);
  out.outcome = outcome_of(std::move(layer), out.after != out.before);
  return out;
}

}  // namespace flense::slim
