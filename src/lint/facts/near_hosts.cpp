#include "lint/facts/near_hosts.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/version_numbers.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// An address of a network that the internet does not reach (RFC 1918, 3927, 4193), or of the
/// machine itself.
bool is_private_address(std::string_view host) {
  if (host.contains(':'))
    return host == "::1" || starts_with_any(to_lower(host), {"fc", "fd", "fe80:"});
  const auto parts = parts_of(host, ".");
  if (parts.size() != 4 || !std::ranges::all_of(parts, [](std::string_view part) {
        return all_digits(part) && part.size() <= 3;
      }))
    return false;
  const std::uint64_t second = first_number(parts[1]).value_or(0);
  return is_one_of(parts[0], {"10", "127"}) || (parts[0] == "192" && second == 168) ||
         (parts[0] == "172" && second >= 16 && second < 32) || (parts[0] == "169" && second == 254);
}

}  // namespace

bool is_near_host(std::string_view host) {
  if (host.starts_with('['))
    host = host.substr(1, std::min(host.find(']'), host.size()) - 1);
  else
    host = host.substr(0, host.find(':'));
  return !host.empty() && !host.contains('$') &&
         (is_private_address(host) || host.find_first_of(".:") == host.npos ||
          ends_with_any(host, {".local", ".internal", ".lan", ".svc", ".intranet"}));
}

bool is_near(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == url.npos) return false;
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  return is_near_host(url.substr(url.rfind('@') + 1));  // behind USER:PASSWORD@
}

}  // namespace flense::lint
