#include "launch/container/environment.h"

#include <algorithm>
#include <array>

namespace flense::launch {

namespace {

constexpr std::string_view kDefaultPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// By these a rank finds its place in the job; nothing in them is of the host's file system.
constexpr std::array<std::string_view, 4> kBatchVariables = {"SLURM_", "PMI_", "PMIX_", "PALS_"};

std::string_view name_of(std::string_view item) {
  return item.substr(0, item.find('='));
}

}  // namespace

void Environment::set(std::string item) {
  const auto at = std::ranges::find(items_, name_of(item), name_of);
  if (at == items_.end())
    items_.push_back(std::move(item));
  else
    *at = std::move(item);
}

void Environment::set(const std::vector<std::string>& items) {
  for (const std::string& item : items) set(item);
}

std::optional<std::string> Environment::get(std::string_view name) const {
  return variable_in(items_, name);
}

std::optional<std::string> variable_in(const std::vector<std::string>& items,
                                       std::string_view name) {
  for (const std::string& item : items)
    if (name_of(item) == name && item.size() > name.size()) return item.substr(name.size() + 1);
  return std::nullopt;
}

Environment plan_environment(const EnvironmentInput& input) {
  const RunOptions& options = input.options;
  const Account& caller = input.caller;
  Environment out;
  for (const std::string& item : input.image)
    if (item.find('=') != std::string::npos && item.front() != '=') out.set(item);
  if (!out.get("PATH")) out.set(std::string(kDefaultPath));
  if (!options.isolate)
    for (const std::string& item : input.host)
      for (const std::string_view prefix : kBatchVariables)
        if (item.starts_with(prefix)) out.set(item);
  if (options.home && !options.isolate && !options.sub_ids && !options.other_id &&
      !caller.home.empty())
    out.set("HOME=" + caller.home);
  else if (!out.get("HOME"))
    out.set("HOME=" + (input.home.empty() ? "/tmp" : input.home));
  if (!caller.name.empty() && !options.fake_root && !options.user && !options.sub_ids)
    out.set("USER=" + caller.name);
  if (options.tty && !out.get("TERM"))
    out.set("TERM=" + variable_in(input.host, "TERM").value_or("xterm"));
  out.set(options.env);
  out.set(input.devices);
  return out;
}

}  // namespace flense::launch
