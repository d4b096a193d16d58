#include "image/model/reference.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "base/ascii.h"
#include "image/model/model.h"

namespace flense::image {

namespace {

constexpr auto kForms = std::to_array<TransportForm>({
    {"oci:", Transport::kOci, false},
    {"oci-archive:", Transport::kOciArchive, false},
    {"docker-archive:", Transport::kDockerArchive, false},
    {"docker://", Transport::kRegistry, true},
    {"docker-daemon:", Transport::kDockerDaemon, true},
    {"containers-storage:", Transport::kContainersStorage, true},
    {"podman:", Transport::kContainersStorage, true},
    {"dir:", Transport::kDirectory, false},
    {"squashfs:", Transport::kSquashfs, false},
    {"sif:", Transport::kSif, false},
});

bool exists(std::string_view path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::path(path), ignored);
}

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool is_tag_char(char c) {
  return is_name_char(c) || (c >= 'A' && c <= 'Z');
}

bool is_host(std::string_view component) {
  return component == "localhost" || component.find_first_of(".:") != std::string_view::npos ||
         std::ranges::any_of(component, [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool valid_host(std::string_view host) {
  const char lead = host.front();
  if (lead == '-' || lead == '.' || lead == ':') return false;
  return std::ranges::all_of(
      host, [](char c) { return is_tag_char(c) || c == ':' || c == '[' || c == ']'; });
}

bool valid_path(std::string_view path) {
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || !std::ranges::all_of(part, is_name_char)) return false;
    // A component begins with a letter or digit: "-o" or ".." is never a name.
    if (part.front() == '.' || part.front() == '_' || part.front() == '-') return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace

std::span<const TransportForm> transport_forms() {
  return kForms;
}

const TransportForm* transport_form_of(std::string_view text) {
  const auto at = std::ranges::find_if(
      kForms, [&](const TransportForm& form) { return text.starts_with(form.prefix); });
  return at == kForms.end() ? nullptr : &*at;
}

Target parse_target(std::string_view text) {
  if (text == "-") return {Transport::kStdin, {}, {}};
  if (const TransportForm* form = transport_form_of(text); form != nullptr) {
    const std::string_view rest = text.substr(form->prefix.size());
    switch (form->transport) {
      case Transport::kRegistry:
      case Transport::kDockerDaemon:
      case Transport::kContainersStorage:
        return {form->transport, {}, std::string(rest)};
      default:
        break;
    }
    std::size_t colon = rest.find(':');
    // "docker-archive:a.tar:docker.io/app:1": the tag may hold slashes, so the first colon counts.
    if (colon == std::string_view::npos || form->transport == Transport::kDirectory ||
        exists(rest)) {
      return {form->transport, std::string(rest), {}};
    }
    // A colon inside a directory name: take the first split whose path exists.
    for (std::size_t at = colon; at != std::string_view::npos; at = rest.find(':', at + 1)) {
      if (exists(rest.substr(0, at))) {
        colon = at;
        break;
      }
    }
    return {form->transport, std::string(rest.substr(0, colon)),
            std::string(rest.substr(colon + 1))};
  }
  return {Transport::kNone, std::string(text), std::string(text)};
}

std::optional<std::string> normalise_reference(std::string_view reference) {
  if (reference.empty() || reference.size() > 1024) return std::nullopt;
  std::string_view rest = reference;
  std::string_view digest;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    digest = rest.substr(at);
    rest = rest.substr(0, at);
    if (!check_digest(digest.substr(1), "name")) return std::nullopt;
  }
  std::string_view tag;
  const auto slash = rest.rfind('/');
  const auto colon = rest.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (tag.empty() || tag.size() > 128 || !std::ranges::all_of(tag, is_tag_char) ||
        tag.front() == '-' || tag.front() == '.') {
      return std::nullopt;
    }
  }
  std::string host = "docker.io";
  const auto first = rest.find('/');
  if (first != std::string_view::npos && is_host(rest.substr(0, first))) {
    host = rest.substr(0, first);
    rest = rest.substr(first + 1);
    if (!valid_host(host)) return std::nullopt;
    if (host == "index.docker.io") host = "docker.io";
  }
  if (!valid_path(rest)) return std::nullopt;
  std::string path(rest);
  if (host == "docker.io" && path.find('/') == std::string::npos) path.insert(0, "library/");
  std::string out = host + "/" + path;
  if (!tag.empty()) out += ":" + std::string(tag);
  if (tag.empty() && digest.empty()) out += ":latest";
  out += digest;
  return out;
}

bool reference_matches(std::string_view wanted, std::string_view offered) {
  if (wanted == offered) return true;
  if (offered.empty()) return false;
  const auto a = normalise_reference(wanted);
  const auto b = normalise_reference(offered);
  if (a && b) {
    if (*a == *b) return true;
    // Podman stores short names under localhost/.
    const auto local = normalise_reference("localhost/" + std::string(wanted));
    if (local && *local == *b) return true;
  }
  const auto colon = offered.rfind(':');
  const auto slash = offered.rfind('/');
  return colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash) &&
         offered.substr(colon + 1) == wanted;
}

namespace {

/// "127.0.0.1", with all four numbers: a resolver asks the network for any other form.
bool is_loopback(std::string_view name) {
  constexpr std::size_t kNumbers = 4, kMostDigits = 3;
  const auto parts = split(name, '.');
  return parts.size() == kNumbers && parts.front() == "127" &&
         std::ranges::all_of(parts, [](std::string_view one) {
           if (!all_digits(one) || one.size() > kMostDigits) return false;
           int value = 0;
           for (const char c : one) value = value * 10 + (c - '0');
           return value < 256 && (one.size() == 1 || one.front() != '0');
         });
}

}  // namespace

bool is_local_registry(std::string_view reference) {
  const std::string_view host = reference.substr(0, reference.find('/'));
  const std::string_view name = host.substr(0, host.find(':'));
  return name == "localhost" || is_loopback(name) || host == "[::1]" || host.starts_with("[::1]:");
}

}  // namespace flense::image
