#include "cdi/generate/discovery.h"

#include <algorithm>

#include "base/ascii.h"

namespace flense::cdi {

namespace {

template <class T, class Key>
void sort_once(std::vector<T>& items, Key key) {
  std::ranges::stable_sort(items, {}, key);
  const auto repeated = std::ranges::unique(items, {}, key);
  items.erase(repeated.begin(), repeated.end());
}

}  // namespace

bool Discovery::wants_any(AnyOf capabilities) const {
  return std::ranges::any_of(options.capabilities,
                             [&](Capability one) { return capabilities.contains(one); });
}

void Discovery::note(std::string text) {
  if (std::ranges::find(notices, text) == notices.end()) notices.push_back(std::move(text));
}

void Discovery::leave_out(std::string text) {
  left_out.push_back(text);
  note(std::move(text));
}

Result<void> Discovery::missing(std::string what, std::string hint) {
  if (!options.allow_missing)
    return fail(Code::kEnvironment, "{}", what)
        .hint(hint + "; --allow-missing continues without it");
  note(std::move(what));
  return {};
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name.front() != '.' &&
         std::ranges::all_of(name, [](char c) {
           return is_alphanumeric(c) || c == '.' || c == '_' || c == '+' || c == '-';
         });
}

Mount read_only_mount(std::string host_path, std::string container_path) {
  return {std::move(host_path),
          std::move(container_path),
          "",
          {"ro", "nosuid", "nodev", "rbind", "rprivate"}};
}

Mount shared_mount(std::string host_path, std::string container_path) {
  return {std::move(host_path),
          std::move(container_path),
          "",
          {"nosuid", "nodev", "noexec", "rbind", "rprivate"}};
}

void normalise(Edits& edits) {
  sort_once(edits.env, [](const std::string& one) { return one; });
  sort_once(edits.device_nodes, &DeviceNode::path);
  sort_once(edits.mounts, &Mount::container_path);
  sort_once(edits.additional_gids, [](std::uint32_t one) { return one; });
}

}  // namespace flense::cdi
