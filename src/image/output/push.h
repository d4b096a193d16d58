// Outputs that are engines and registries: written to a scratch file first, then handed over.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "image/model/registry_limits.h"
#include "image/output/writer.h"

namespace flense::image {

/// Whether `text` begins with docker://, docker-daemon: or containers-storage:.
bool is_push_target(std::string_view text);

/// What to write before push_image(): an OCI layout for registries and Podman's storage, a
/// docker-archive for Docker, both without zstd where `allows_zstd` is false.
struct PushPlan {
  OutputForm form = OutputForm::kOciLayout;
  std::string tag;  ///< name to write into the scratch image
  bool allows_zstd = true;
};
Result<PushPlan> plan_push(std::string_view target);

/// Hands a written image over: through skopeo, or through Docker's own API.
Result<void> push_image(const std::filesystem::path& written, std::string_view target,
                        const RegistryLimits& limits = {}, Progress* progress = nullptr);

/// Hands over the layout of an IndexWriter: first each image that has a tag of its own, then all of
/// the index under the name of `target`, which therefore never shows a part of it.
Result<void> push_index(const std::filesystem::path& layout, std::string_view target,
                        const std::vector<std::string>& tags, const RegistryLimits& limits,
                        Progress* progress);

/// Hands over one image of such a layout, by its tag there, under another name: the tag of
/// `reference` shows all of it or what it showed before.
Result<void> push_named(const std::filesystem::path& layout, const std::string& tag,
                        const std::string& reference, const RegistryLimits& limits,
                        Progress* progress);

/// Whether push_image() will be let in there, asked before there is anything to push: an engine
/// runs, a registry answers and takes uploads to this name. Nothing stays written. Returns the
/// digest of what a registry shows there now; empty where there is none.
Result<std::string> check_push(std::string_view target, const RegistryLimits& limits);

/// An environment error where a registry shows there neither `before`, as check_push() gave it, nor
/// `ours`: what others pushed meanwhile is not overwritten.
Result<void> check_unmoved(std::string_view target, const std::string& before,
                           const std::string& ours, const RegistryLimits& limits);

}  // namespace flense::image
