#include "launch/container/resource_limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/numbers.h"

namespace flense::launch {

namespace {

constexpr std::uint64_t kUnlimited = UINT64_MAX;
static_assert(kUnlimited == RLIM_INFINITY);

struct KnownLimit {
  std::string_view name;
  int resource;
};
constexpr std::array<KnownLimit, 16> kLimits = {{
    {"as", RLIMIT_AS},
    {"core", RLIMIT_CORE},
    {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC},
    {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME},
    {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
}};

std::optional<std::uint64_t> value_of(std::string_view text) {
  if (text == "-1" || text == "unlimited") return kUnlimited;
  return parse_number(text);
}

}  // namespace

Result<ResourceLimit> parse_limit(std::string_view text) {
  const auto wrong = [&](std::string_view what) {
    std::vector<std::string_view> names;
    for (const KnownLimit& one : kLimits) names.push_back(one.name);
    return fail(Code::kUsage, "--ulimit {}: {}", text, what)
        .hint(fmt::format("NAME=SOFT[:HARD], -1 for no limit; NAME is {}", fmt::join(names, ", ")));
  };
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  if (std::ranges::find(kLimits, name, &KnownLimit::name) == kLimits.end())
    return wrong("no such limit");
  if (equals == text.npos) return wrong("no value");
  const std::vector<std::string_view> values = split(text.substr(equals + 1), ':');
  const auto soft = value_of(values.front()), hard = value_of(values.back());
  if (values.size() > 2 || !soft || !hard) return wrong("a value is a number");
  if (*soft > *hard) return wrong("the soft limit is above the hard one");
  return ResourceLimit{std::string(name), *soft, *hard};
}

ReachedLimits reach_limits(const std::vector<ResourceLimit>& wanted) {
  ReachedLimits out;
  for (ResourceLimit limit : wanted) {
    const auto at = std::ranges::find(kLimits, std::string_view(limit.name), &KnownLimit::name);
    // The C library's type of a resource is an enumeration in C++.
    const auto resource = static_cast<__rlimit_resource_t>(at->resource);
    rlimit now{};
    if (::getrlimit(resource, &now) == 0 && limit.hard > now.rlim_max) {
      const rlimit more{now.rlim_cur, limit.hard};
      if (::setrlimit(resource, &more) != 0) {
        out.notices.push_back(
            fmt::format("--ulimit {}: your own hard limit, {}, is as far as it goes (ulimit -H)",
                        limit.name, now.rlim_max));
        limit.hard = now.rlim_max;
        limit.soft = std::min<std::uint64_t>(limit.soft, limit.hard);
      }
    }
    std::erase_if(out.limits, [&](const ResourceLimit& one) { return one.name == limit.name; });
    out.limits.push_back(std::move(limit));
  }
  return out;
}

}  // namespace flense::launch
