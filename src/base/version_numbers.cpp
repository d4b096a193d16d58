#include "base/version_numbers.h"

#include <algorithm>
#include <charconv>

namespace flense {

namespace {

/// Takes the next part off; 0 where it has no digits. Numbers beyond 2^64 all count as the
/// greatest.
std::uint64_t next_number(std::string_view& rest) {
  const std::string_view part = rest.substr(0, rest.find('.'));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
  return error == std::errc::result_out_of_range ? UINT64_MAX : value;
}

}  // namespace

int compare_versions(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    const std::uint64_t left = next_number(a), right = next_number(b);
    if (left != right) return left < right ? -1 : 1;
  }
  return 0;
}

std::string major_minor(std::string_view version) {
  const std::size_t first = version.find('.');
  if (first == std::string_view::npos) return std::string(version);
  return std::string(version.substr(0, version.find('.', first + 1)));
}

std::optional<std::uint64_t> first_number(std::string_view version) {
  if (version.empty() || version[0] < '0' || version[0] > '9') return std::nullopt;
  return next_number(version);
}

bool is_version(std::string_view text) {
  return !text.empty() && text.size() <= 32 && text[0] != '.' &&
         text.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace flense
