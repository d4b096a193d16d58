#include "launch/container/network_files.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/ascii.h"

namespace flense::launch {

namespace {

constexpr std::string_view kLoopback = "127.0.0.1";

bool is_address(std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> out{};
  const std::string word(text);
  return ::inet_pton(AF_INET, word.c_str(), out.data()) == 1 ||
         ::inet_pton(AF_INET6, word.c_str(), out.data()) == 1;
}

bool is_host_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

Result<std::string> parse_added_host(std::string_view text) {
  const std::size_t at = text.find_first_of(":=");
  const std::string_view name = text.substr(0, at);
  std::string_view address = at == text.npos ? std::string_view() : text.substr(at + 1);
  if (address == "host-gateway") address = kLoopback;
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  if (!is_host_name(name) || !is_address(address))
    return fail(Code::kUsage, "--add-host {} is no name with an address", text)
        .hint("NAME:IP, or NAME:host-gateway");
  return fmt::format("{} {}", address, name);
}

Result<std::string> parse_nameserver(std::string_view text) {
  if (!is_address(text))
    return fail(Code::kUsage, "--dns {} is no address", text).hint("--dns 192.0.2.1");
  return std::string(text);
}

std::string hosts_text(std::string_view host, const NetworkWords& words, std::string_view name) {
  std::string out(host.empty() ? "127.0.0.1 localhost\n::1 localhost\n" : host);
  if (!out.ends_with('\n')) out += '\n';
  for (const std::string& line : words.hosts) out += line + '\n';
  if (!name.empty()) out += fmt::format("{} {}\n", kLoopback, name);
  return out;
}

std::string resolver_text(std::string_view host, const NetworkWords& words) {
  std::string out;
  for (const std::string_view line : split(host, '\n')) {
    const std::string_view key = line.substr(0, line.find_first_of(" \t"));
    const bool replaced = (key == "nameserver" && !words.nameservers.empty()) ||
                          ((key == "search" || key == "domain") && !words.search.empty()) ||
                          (key == "options" && !words.resolver_options.empty());
    if (!line.empty() && !replaced) out += fmt::format("{}\n", line);
  }
  for (const std::string& one : words.nameservers) out += fmt::format("nameserver {}\n", one);
  if (!words.search.empty()) out += fmt::format("search {}\n", fmt::join(words.search, " "));
  if (!words.resolver_options.empty())
    out += fmt::format("options {}\n", fmt::join(words.resolver_options, " "));
  return out;
}

}  // namespace flense::launch
