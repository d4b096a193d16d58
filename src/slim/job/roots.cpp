#include "slim/job/roots.h"

#include <utility>

#include "slim/job/slimming.h"
#include "slim/job/write.h"

namespace flense::slim {

namespace {

SandboxEnvironment environment_of(const image::Image& image) {
  SandboxEnvironment out;
  for (const text::Json& variable : image.config["config"]["Env"].items())
    out.environment.emplace_back(variable.text());
  if (out.environment.empty())
    out.environment.emplace_back(
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  out.working_directory = image.config["config"]["WorkingDir"].text("/");
  return out;
}

/// Files in a directory, nothing packed.
SlimOptions unpacking(SlimOptions options, bool squash) {
  options.packing = {};
  options.packing.squash = squash;
  options.packing.compression = codec::Compression::kNone;
  return options;
}

/// `what` is for progress and errors.
Result<UnpackedRoot> unpack(std::string_view what, const image::Image& image,
                            const inventory::Contents& contents, const Plan& plan,
                            const SlimOptions& options, const Workplace& workplace) {
  TRY(TemporaryDirectory directory,
      TemporaryDirectory::create(workplace.scratch_directory, "flense-work"));
  const image::OutputSpec spec{image::OutputForm::kDirectory, directory.path() / "root", {}};
  workplace.progress->begin(what, 0);
  TRY_DO(
      with_context(write_image(spec, image, contents, plan, options, {}, workplace), "{}", what));
  workplace.progress->clear();
  TRY_DO(add_mount_points(spec.path));
  return UnpackedRoot{std::move(directory), spec.path, environment_of(image)};
}

}  // namespace

Result<void> unpack_original(const Input& input, const Workplace& workplace,
                             std::optional<UnpackedRoot>& original) {
  if (original) return {};
  Plan nothing;
  nothing.layers.resize(input.image->layers.size());
  TRY(UnpackedRoot root, unpack("unpacking the original", *input.image, input.contents, nothing,
                                unpacking(input.options, false), workplace));
  original.emplace(std::move(root));
  return {};
}

Result<UnpackedRoot> unpack_result(const Slimming& slimming, const Workplace& workplace) {
  const SlimOptions& options = slimming.options;
  return unpack("unpacking the slim image", slimming.image(), slimming.contents(), slimming.plan,
                unpacking(options, options.packing.squash), workplace);
}

}  // namespace flense::slim
