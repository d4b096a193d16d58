#include "image/model/mirror.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "image/model/reference.h"

namespace flense::image {

namespace {

/// What registries take for a repository's name.
constexpr std::size_t kMostName = 255;

Failure usage(std::string message, std::string hint) {
  return fail(Code::kUsage, "{}", message).hint(std::move(hint));
}

/// As in references: parts of letters, digits and inner hyphens, with dots between; then a port.
/// '_' is in none, so that it can stand for ':'.
bool is_registry_host(std::string_view host) {
  const std::size_t colon = host.find(':');
  if (colon != std::string_view::npos && !all_digits(host.substr(colon + 1))) return false;
  const std::vector<std::string_view> parts = split(host.substr(0, colon), '.');
  return !parts.empty() && std::ranges::all_of(parts, [](std::string_view part) {
    return !part.empty() && is_alphanumeric(part.front()) && is_alphanumeric(part.back()) &&
           std::ranges::all_of(part, [](char c) { return is_alphanumeric(c) || c == '-'; });
  });
}

std::string filled(std::string path, std::string_view gpu) {
  return path.replace(path.find(kGpuPlace), kGpuPlace.size(), gpu);
}

}  // namespace

Result<std::string> host_component(std::string_view host) {
  if (!is_registry_host(host))
    return usage(fmt::format("'{}' is no host of a registry that a mirror can be for", host),
                 "nvcr.io, registry.example:5000; an IPv6 address needs a name");
  std::string out = to_lower(host);
  std::ranges::replace(out, ':', '_');
  return out;
}

Result<std::string> Mirror::prefix(std::string_view gpu, std::string_view upstream_host) const {
  TRY(const std::string component, host_component(upstream_host));
  return fmt::format("{}/{}/{}", host, filled(path, gpu), component);
}

Result<std::string> Mirror::reference(std::string_view gpu, std::string_view upstream) const {
  const std::string_view name = upstream.substr(0, upstream.find('@'));
  const std::size_t slash = name.find('/'), colon = name.rfind(':');
  if (slash == std::string_view::npos || colon == std::string_view::npos || colon < slash)
    return usage(fmt::format("{} has no tag by which nodes would ask a mirror for it", upstream),
                 "a mirror is asked for tags alone; name the tag: docker://HOST/REPOSITORY:TAG");
  TRY(const std::string below, prefix(gpu, name.substr(0, slash)));
  std::string out = below + std::string(name.substr(slash));
  if (out.size() - (name.size() - colon) - host.size() - 1 > kMostName)
    return usage(
        fmt::format("{} is longer than the {} characters that registries take", out, kMostName),
        "shorten the path of the mirror");
  return out;
}

Result<Mirror> parse_mirror(std::string_view text, std::string_view option) {
  constexpr const char* kHint = "docker://registry.example/{gpu}, registry.example:5000/team";
  Mirror out;
  std::string_view rest = text;
  for (const std::string_view scheme : {"docker://", "https://", "http://"})
    if (rest.starts_with(scheme)) {
      rest.remove_prefix(scheme.size());
      out.plain_http = scheme == "http://";
      break;
    }
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  out.host = rest.substr(0, slash);
  out.path = rest.substr(std::min(slash + 1, rest.size()));
  if (out.path.find(kGpuPlace) == std::string::npos)
    out.path += (out.path.empty() ? "" : "/") + std::string(kGpuPlace);
  // A tag, a digest or a second place would not pass here.
  const std::string example = fmt::format("{}/{}/x", out.host, filled(out.path, "sm_90"));
  if (!is_registry_host(out.host) || example.find(':', out.host.size()) != std::string::npos ||
      normalise_reference(example) != example + ":latest")
    return usage(fmt::format("{} '{}' names no place in a registry", option, text), kHint);
  if (out.plain_http && !is_local_registry(out.host))
    return usage(fmt::format("{} '{}' would send images without TLS", option, text),
                 "plain HTTP is for registries on this machine: http://127.0.0.1:5000");
  return out;
}

std::string gpu_name(std::string_view targets) {
  std::string out(targets);
  for (char& c : out)
    if (!is_alphanumeric(c) && c != '_') c = '-';
  return out;
}

std::string mirror_name(std::string_view targets, std::string_view architecture) {
  const std::string name = gpu_name(targets);
  return architecture.empty() || architecture == "amd64" ? name
                                                         : fmt::format("{}-{}", name, architecture);
}

}  // namespace flense::image
