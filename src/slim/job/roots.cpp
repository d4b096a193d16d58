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
template <class Write>
Result<UnpackedRoot> unpack(std::string_view what, const image::Image& image,
                            const Workplace& workplace, const Write& write) {
  TRY(TemporaryDirectory directory,
      TemporaryDirectory::create(workplace.scratch_directory, "flense-work"));
  image::OutputSpec spec{image::OutputForm::kDirectory, directory.path() / "root", {}};
  workplace.progress->begin(what, 0);
  TRY_DO(with_context(write(spec), "{}", what));
  workplace.progress->clear();
  TRY_DO(add_mount_points(spec.path));
  return UnpackedRoot{std::move(directory), spec.path, environment_of(image)};
}

/// Every layer as it is: nothing of it has to be known beforehand.
Result<SlimOutcome> write_unread(image::OutputSpec spec, const image::Image& image,
                                 const Workplace& workplace) {
  spec.limit = image::UnpackLimit(image, workplace.max_unpacked);
  spec.progress = workplace.progress;
  TRY(const std::unique_ptr<image::ImageWriter> writer, image::ImageWriter::create(spec));
  Plan nothing;
  nothing.layers.resize(image.layers.size());
  std::vector<std::uint64_t> sizes;
  for (const image::Layer& layer : image.layers) sizes.push_back(layer.blob.size);
  return apply_image(image, nothing, unpacking({}, false), sizes, {}, *writer, workplace);
}

}  // namespace

Result<void> unpack_original(const image::Image& image, const Workplace& workplace,
                             std::optional<UnpackedRoot>& original) {
  if (original) return {};
  TRY(UnpackedRoot root,
      unpack("unpacking the original", image, workplace,
             [&](const image::OutputSpec& spec) { return write_unread(spec, image, workplace); }));
  original.emplace(std::move(root));
  return {};
}

Result<UnpackedRoot> unpack_result(const Slimming& slimming, const Workplace& workplace) {
  const SlimOptions options = unpacking(slimming.options, slimming.options.packing.squash);
  return unpack("unpacking the slim image", slimming.image(), workplace,
                [&](const image::OutputSpec& spec) {
                  return write_image(spec, slimming.image(), slimming.contents(), slimming.plan,
                                     options, {}, workplace);
                });
}

}  // namespace flense::slim
