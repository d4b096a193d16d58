// Servers that only the house reaches, by their names and addresses.
#pragma once

#include <string_view>

namespace flense::lint {

/// The machine itself or one of the house: a name without a dot, or of a network of its own.
/// `host`: with its port, or without.
bool is_near_host(std::string_view host);

/// The same of the host of an address: "http://user:word@10.0.0.1:8080/simple".
bool is_near(std::string_view url);

}  // namespace flense::lint
