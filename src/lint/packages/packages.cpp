#include "lint/packages/packages.h"

#include <algorithm>

#include "base/ascii.h"

namespace flense::lint {

namespace {

/// Of PyTorch's index: a page that links to a folder for each package, and to no file. A folder of
/// one package and torch_stable.html do link to files.
bool is_index_root(std::string_view url) {
  constexpr std::string_view kHost = "://download.pytorch.org/whl";
  const std::size_t at = url.find(kHost);
  if (at == url.npos) return false;
  url.remove_prefix(at + kHost.size());
  if (url.starts_with("/nightly")) url.remove_prefix(8);
  while (url.ends_with('/')) url.remove_suffix(1);
  if (url.starts_with('/')) url.remove_prefix(1);
  if (url.find('/') != url.npos || url.contains(".html")) return false;
  return is_one_of(url, {"", "cpu", "xpu"}) || url.starts_with("rocm") ||
         (url.starts_with("cu") && url.find_first_not_of("0123456789", 2) == url.npos);
}

}  // namespace

std::string_view to_string(PackageManager manager) {
  switch (manager) {
    case PackageManager::kPip:
      return "pip";
    case PackageManager::kUv:
      return "uv";
    case PackageManager::kConda:
      return "conda";
    case PackageManager::kPoetry:
      return "poetry";
    case PackageManager::kApt:
      return "apt";
    case PackageManager::kDnf:
      return "dnf";
    case PackageManager::kApk:
      return "apk";
  }
  return "";
}

bool PackageList::has_option(std::string_view option) const {
  return std::ranges::any_of(options, [&](std::string_view one) {
    return one.starts_with(option) && (one.size() == option.size() || one[option.size()] == '=');
  });
}

bool PackageList::installs_anew() const {
  return has_option("--force-reinstall") || has_option("--reinstall") ||
         has_option("--ignore-installed") || has_option("-I");
}

bool PackageList::upgrades() const {
  return has_option("-U") || has_option("--upgrade");
}

void PackageList::add_index(std::string_view option, Word url) {
  const bool links = is_one_of(option, {"-f", "--find-links", "find-links"});
  (links && is_index_root(url.text) ? linkless : indexes).push_back(std::move(url));
}

const PackageRequest* PackageList::find(std::string_view wanted) const {
  const auto at = std::ranges::find(packages, wanted, &PackageRequest::name);
  return at == packages.end() ? nullptr : &*at;
}

}  // namespace flense::lint
