#include "image/model/platform.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <vector>

namespace flense::image {

namespace {

// uname -m to GOARCH, the names that images use.
std::string canonical_architecture(std::string_view name) {
  struct Alias {
    std::string_view from, to;
  };
  static constexpr std::array<Alias, 7> kAliases = {{{"x86_64", "amd64"},
                                                     {"x86-64", "amd64"},
                                                     {"aarch64", "arm64"},
                                                     {"armhf", "arm"},
                                                     {"armv7l", "arm"},
                                                     {"i386", "386"},
                                                     {"i686", "386"}}};
  for (const Alias& alias : kAliases) {
    if (alias.from == name) return std::string(alias.to);
  }
  return std::string(name);
}

std::string_view default_variant(std::string_view architecture) {
  if (architecture == "arm64") return "v8";
  if (architecture == "arm") return "v7";
  if (architecture == "amd64") return "v1";
  return {};
}

}  // namespace

std::string Platform::text() const {
  std::string out =
      (os.empty() ? "unknown" : os) + "/" + (architecture.empty() ? "unknown" : architecture);
  if (!variant.empty()) out += "/" + variant;
  return out;
}

Result<Platform> parse_platform(std::string_view text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    auto slash = std::min(text.find('/', begin), text.size());
    parts.emplace_back(text.substr(begin, slash - begin));
    begin = slash + 1;
  }
  bool complete = std::ranges::none_of(parts, [](const std::string& p) { return p.empty(); });
  if (!complete || parts.size() > 3) {
    return fail(Code::kUsage,
                "\"{}\" is not a platform; expected os/architecture[/variant], "
                "as in linux/arm64",
                text);
  }
  if (parts.size() == 1) return Platform{"linux", canonical_architecture(parts[0]), ""};
  return Platform{parts[0], canonical_architecture(parts[1]), parts.size() == 3 ? parts[2] : ""};
}

Platform host_platform() {
  utsname name{};
  if (::uname(&name) != 0) return {"linux", "amd64", ""};
  return {"linux", canonical_architecture(static_cast<const char*>(name.machine)), ""};
}

std::optional<int> platform_match(const Platform& wanted, const Platform& offered) {
  if (wanted.os != offered.os) return std::nullopt;
  if (canonical_architecture(wanted.architecture) != canonical_architecture(offered.architecture)) {
    return std::nullopt;
  }
  std::string_view usual = default_variant(wanted.architecture);
  std::string_view have = offered.variant.empty() ? usual : std::string_view(offered.variant);
  if (!wanted.variant.empty()) {
    if (have == wanted.variant) return 3;
    return std::nullopt;
  }
  if (offered.variant.empty()) return 3;
  return have == usual ? 2 : 1;
}

}  // namespace flense::image
