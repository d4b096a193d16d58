#include "lint/source/image_name.h"

#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostName = 255, kMostTag = 128;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || is_digit(c);
}

/// [a-z0-9]+ joined by ".", "_", "__" or any number of "-".
bool is_component(std::string_view text) {
  std::size_t at = 0;
  for (;;) {
    const std::size_t begin = at;
    while (at < text.size() && is_lower_or_digit(text[at])) ++at;
    if (at == begin) return false;
    if (at == text.size()) return true;
    if (text[at] == '-') {
      while (at < text.size() && text[at] == '-') ++at;
    } else if (text.substr(at).starts_with("__")) {
      at += 2;
    } else if (text[at] == '.' || text[at] == '_') {
      ++at;
    } else {
      return false;
    }
  }
}

bool is_repository(std::string_view text) {
  while (true) {
    const std::size_t slash = text.find('/');
    if (!is_component(text.substr(0, slash))) return false;
    if (slash == text.npos) return true;
    text.remove_prefix(slash + 1);
  }
}

bool is_host_label(std::string_view text) {
  if (text.empty() || text.front() == '-' || text.back() == '-') return false;
  for (const char c : text)
    if (!is_letter(c) && !is_digit(c) && c != '-') return false;
  return true;
}

bool is_address(std::string_view text) {
  for (const char c : text)
    if (!is_digit(c) && !(lower(c) >= 'a' && lower(c) <= 'f') && c != ':') return false;
  return !text.empty();
}

/// host[:port] or [IPv6][:port]
bool is_registry(std::string_view text) {
  std::size_t colon = text.npos;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == text.npos || !is_address(text.substr(1, end - 1))) return false;
    if (end + 1 < text.size()) {
      if (text[end + 1] != ':') return false;
      colon = end + 1;
    }
  } else {
    colon = text.find(':');
    std::string_view host = text.substr(0, colon);
    for (bool more = true; more;) {
      const std::size_t dot = host.find('.');
      if (!is_host_label(host.substr(0, dot))) return false;
      more = dot != host.npos;
      if (more) host.remove_prefix(dot + 1);
    }
  }
  if (colon == text.npos) return true;
  const std::string_view port = text.substr(colon + 1);
  for (const char c : port)
    if (!is_digit(c)) return false;
  return !port.empty();
}

bool is_tag(std::string_view text) {
  if (text.empty() || text.size() > kMostTag) return false;
  for (const char c : text)
    if (!is_letter(c) && !is_digit(c) && c != '_' && c != '.' && c != '-') return false;
  return text.front() != '.' && text.front() != '-';
}

bool is_hex(std::string_view text) {
  for (const char c : text)
    if (!is_digit(c) && !(c >= 'a' && c <= 'f')) return false;
  return true;
}

}  // namespace

bool is_digest(std::string_view text) {
  if (text.starts_with("sha256:")) return text.size() == 7 + 64 && is_hex(text.substr(7));
  if (text.starts_with("sha384:")) return text.size() == 7 + 96 && is_hex(text.substr(7));
  if (text.starts_with("sha512:")) return text.size() == 7 + 128 && is_hex(text.substr(7));
  return false;
}

std::string ImageName::familiar() const {
  if (registry != "docker.io") return registry + "/" + repository;
  return repository.starts_with("library/") ? repository.substr(8) : repository;
}

std::optional<ImageName> parse_image_name(std::string_view text) {
  ImageName out;
  if (text.empty() || text == "scratch") return std::nullopt;
  if (text.size() == 64 && is_hex(text)) return std::nullopt;  // an image's id
  std::string_view name = text;
  if (const std::size_t at = name.find('@'); at != name.npos) {
    out.digest = name.substr(at + 1);
    if (!is_digest(out.digest)) return std::nullopt;
    name = name.substr(0, at);
  }
  const std::size_t slash = name.rfind('/');
  const std::size_t last = slash == name.npos ? 0 : slash + 1;
  if (const std::size_t colon = name.find(':', last); colon != name.npos) {
    out.tag = name.substr(colon + 1);
    if (!is_tag(out.tag)) return std::nullopt;
    name = name.substr(0, colon);
  }
  const std::size_t first = name.find('/');
  const std::string_view host = first == name.npos ? std::string_view() : name.substr(0, first);
  const bool has_host =
      host.find_first_of(".:[") != host.npos || host == "localhost" || host != to_lower(host);
  // A first part that cannot be a host is part of the path, as the reference grammar allows.
  if (has_host && (is_registry(host) || !is_repository(name))) {
    if (!is_registry(host)) return std::nullopt;
    out.registry = host == "index.docker.io" ? "docker.io" : host;
    name.remove_prefix(first + 1);
  } else {
    out.registry = "docker.io";
  }
  if (!is_repository(name)) return std::nullopt;
  out.repository = name;
  if (out.registry == "docker.io" && !name.contains('/'))
    out.repository = "library/" + out.repository;
  if (out.repository.size() > kMostName) return std::nullopt;
  return out;
}

}  // namespace flense::lint
