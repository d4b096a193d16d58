// /etc/hosts and /etc/resolv.conf of a container that asks for others than the host's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flense::launch {

struct NetworkWords {
  std::vector<std::string> hosts;  ///< lines "IP NAME"
  std::vector<std::string> nameservers, search, resolver_options;
  bool resolver() const {
    return !nameservers.empty() || !search.empty() || !resolver_options.empty();
  }
};

/// "NAME:IP" or "NAME=IP" as a line of /etc/hosts; "host-gateway" is this machine itself.
Result<std::string> parse_added_host(std::string_view text);
Result<std::string> parse_nameserver(std::string_view text);

/// The host's text, empty where it is not to be seen, with the lines and the container's own name.
std::string hosts_text(std::string_view host, const NetworkWords& words, std::string_view name);
/// What is named stands for all of its kind; the host's text for the rest.
std::string resolver_text(std::string_view host, const NetworkWords& words);

}  // namespace flense::launch
