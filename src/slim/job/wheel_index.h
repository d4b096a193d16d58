// What installers take wheels from: a simple index, and lists of requirements with digests.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "slim/apply/wheel.h"

namespace flense::slim {

/// Fills `directory` with the pages of an index (PEP 503) of wheels that lie in the directory above
/// it.
Result<void> write_wheel_index(const std::filesystem::path& directory,
                               const std::vector<WheelOutcome>& wheels);

struct Requirements {
  std::string text;
  std::vector<std::string> notices;  ///< what stays as it was
};

/// One requirement for each version, with the digests of its wheels.
Requirements requirements_of(const std::vector<WheelOutcome>& wheels);

/// `text` with the digests of these wheels in the place of those that it has for them; all else
/// stays. Bad input where it lists digests for a wheel and that of the original is not among them.
/// `name` is for messages.
Result<Requirements> follow_requirements(std::string_view text, const std::string& name,
                                         const std::vector<WheelOutcome>& wheels);

}  // namespace flense::slim
