#include "image/model/wheel_name.h"

#include <algorithm>
#include <vector>

#include "base/ascii.h"

namespace flense::image {

namespace {

constexpr std::string_view kWheelSuffix = ".whl";

}  // namespace

std::string WheelName::text() const {
  return fmt::format("{}-{}-{}{}{}{}", distribution, version, build, build.empty() ? "" : "-", tags,
                     kWheelSuffix);
}

Result<WheelName> parse_wheel_name(std::string_view file_name) {
  const auto wrong = [&] {
    return bad_input(
        "{} is no name of a wheel: expected NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl",
        file_name);
  };
  if (!file_name.ends_with(kWheelSuffix)) return wrong();
  const std::vector<std::string_view> parts =
      split(file_name.substr(0, file_name.size() - kWheelSuffix.size()), '-');
  const bool built = parts.size() == 6;
  const auto plain = [](char c) {
    return is_alphanumeric(c) || c == '_' || c == '.' || c == '+' || c == '!';
  };
  if ((parts.size() != 5 && !built) || std::ranges::any_of(parts, [&](std::string_view part) {
        return part.empty() || !std::ranges::all_of(part, plain);
      }))
    return wrong();
  if (built && !is_digit(parts[2].front())) return wrong();
  const std::size_t tags = parts.size() - 3;
  return WheelName{std::string(parts[0]), std::string(parts[1]),
                   std::string(built ? parts[2] : std::string_view()),
                   fmt::format("{}-{}-{}", parts[tags], parts[tags + 1], parts[tags + 2])};
}

}  // namespace flense::image
