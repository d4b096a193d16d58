// The names of SPEC.md, "Kind" and "CDI Devices", as the reference library checks them.
#include <algorithm>

#include "base/ascii.h"
#include "cdi/spec/spec.h"

namespace flense::cdi {

namespace {

constexpr std::size_t kLongestVendor = 253, kLongestClass = 63, kLongestDevice = 253;

std::string complaint(std::string_view name, std::string_view between, std::size_t longest) {
  if (name.empty()) return "is empty";
  if (name.size() > longest) return fmt::format("is longer than {} characters", longest);
  const auto allowed = [&](char c) {
    return is_alphanumeric(c) || between.find(c) != std::string_view::npos;
  };
  if (!std::ranges::all_of(name, allowed))
    return fmt::format("may hold letters, digits and {} only", between);
  if (!is_alphanumeric(name.back())) return "has to end with a letter or digit";
  return {};
}

}  // namespace

std::string complaint_about_vendor(std::string_view vendor) {
  if (!vendor.empty() && !is_letter(vendor.front())) return "has to begin with a letter";
  return complaint(vendor, "_-.", kLongestVendor);
}

std::string complaint_about_class(std::string_view device_class) {
  if (!device_class.empty() && !is_letter(device_class.front()))
    return "has to begin with a letter";
  return complaint(device_class, "_-.", kLongestClass);
}

std::string complaint_about_device(std::string_view device) {
  if (!device.empty() && !is_alphanumeric(device.front()))
    return "has to begin with a letter or digit";
  return complaint(device, "_-.:", kLongestDevice);
}

std::optional<QualifiedName> parse_qualified_name(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::size_t equals = text.find('=', slash);
  if (equals == std::string_view::npos) return std::nullopt;
  QualifiedName out{std::string(text.substr(0, slash)),
                    std::string(text.substr(slash + 1, equals - slash - 1)),
                    std::string(text.substr(equals + 1))};
  if (!complaint_about_vendor(out.vendor).empty() ||
      !complaint_about_class(out.device_class).empty() ||
      !complaint_about_device(out.device).empty())
    return std::nullopt;
  return out;
}

}  // namespace flense::cdi
