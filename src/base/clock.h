// The wall clock, and how a moment is written.
#pragma once

#include <cstdint>
#include <string>

namespace flense {

/// Nanoseconds since 1970, as the times of files are given.
std::int64_t wall_clock();

/// Seconds since 1970 as RFC 3339 in UTC: "2026-11-21T12:07:33Z".
std::string utc_time(std::int64_t seconds);

}  // namespace flense
