#include "cli/slim/wheel_request.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <system_error>

#include "base/path.h"
#include "image/model/reference.h"

namespace flense::cli {

namespace {

bool is_wheel(const std::string& target) {
  std::error_code ignored;
  return target.ends_with(".whl") && std::filesystem::is_regular_file(target, ignored);
}

/// Wheels have no layers, and nothing of them is installed yet to run.
Result<void> check_options(const SlimRequest& request) {
  const slim::SlimOptions& options = request.options;
  const std::array<std::pair<std::string_view, bool>, 12> unfit = {
      {{"--in-place", request.in_place},
       {"-t", !request.name.empty()},
       {"--closure", options.closure.wanted || options.closure.minimal},
       {"--trace", !request.trace_commands.empty() || !request.trace_files.empty()},
       {"--verify", !request.verify.empty()},
       {"--squash", options.packing.squash},
       {"--split", options.packing.split_bytes > 0},
       {"--keep-base", !options.packing.kept_base.empty()},
       {"--compression", request.compression.has_value()},
       {"--compression-level", !request.compression_level.empty()},
       {"--pyc compile", options.cuts.pyc == slim::Pyc::kCompile},
       {"--platform", !request.image.platform.empty()}}};
  for (const auto& [option, given] : unfit)
    if (given)
      return usage_error(fmt::format("{} is not for wheels", option),
                         "slim the image or the environment that they are installed in");
  return {};
}

}  // namespace

bool names_wheels(const SlimRequest& request) {
  return std::ranges::any_of(request.words, is_wheel);
}

Result<void> check_wheels(const SlimRequest& request) {
  TRY_DO(check_options(request));
  if (image::transport_form_of(request.output) != nullptr ||
      (request.output.empty() && !request.dry_run))
    return usage_error("wheels become wheels in a new directory", "-o DIR");
  std::set<std::string_view> names;
  for (const std::string& target : request.words) {
    if (!is_wheel(target))
      return usage_error(fmt::format("wheels are slimmed apart from all else: {} is none", target),
                         "slim the other targets in a run of their own");
    if (!names.insert(base_name(target)).second)
      return usage_error(fmt::format("two wheels are called {}", base_name(target)),
                         "slim them into different directories");
  }
  return {};
}

Result<void> check_no_wheels(const SlimRequest& request) {
  if (request.index) return usage_error("--index is for wheels", "leave it out");
  if (!request.requirements.empty())
    return usage_error("--requirements is for wheels", "leave it out");
  return {};
}

}  // namespace flense::cli
