#include "lint/packages/packages.h"

#include <algorithm>

namespace flense::lint {

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

const PackageRequest* PackageList::find(std::string_view wanted) const {
  const auto at = std::ranges::find(packages, wanted, &PackageRequest::name);
  return at == packages.end() ? nullptr : &*at;
}

}  // namespace flense::lint
