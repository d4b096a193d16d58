// Values of the options of flense run, as docker, podman and apptainer write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace flense::cli {

Result<double> parse_cpus(const std::string& text);
/// The units of 64m, 2G are binary.
Result<std::uint64_t> parse_memory(const std::string& word, std::string_view option);
/// A number of processes; 0 for -1, which is no limit.
Result<std::uint64_t> parse_processes(const std::string& word, std::string_view option);
/// "NAME=VALUE"; NAME alone has an empty value.
Result<std::pair<std::string, std::string>> parse_pair(const std::string& word,
                                                       std::string_view option);
Result<std::string> parse_host_name(const std::string& word, std::string_view option);
/// A place in the container.
Result<std::string> parse_absolute(const std::string& word, std::string_view option);
/// A list as cpuset(7) writes it.
Result<std::string> parse_cpu_list(const std::string& word, std::string_view option);

struct Security {
  bool filter = true;
  std::string profile;  ///< a file; may be empty
};
/// Whether calls are filtered, and by what. What docker and podman switch off by the other words is
/// off, or cannot be on.
Result<Security> parse_security(const std::vector<std::string>& given);

struct NotMounted {
  bool home = false, directory = false, tmp = false;
};
/// Of apptainer's --no-mount.
Result<NotMounted> parse_not_mounted(const std::vector<std::string>& given);

}  // namespace flense::cli
