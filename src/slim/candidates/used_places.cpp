#include "slim/candidates/used_places.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/format.h"
#include "base/path.h"
#include "inventory/names/waste.h"

namespace flense::slim {

namespace {

/// These say where temporary files may go, not where something lies.
bool names_scratch(std::string_view variable) {
  constexpr std::array<std::string_view, 6> kNames = {"TMPDIR",  "TMP",           "TEMP",
                                                      "TEMPDIR", "PIP_CACHE_DIR", "UV_CACHE_DIR"};
  return std::ranges::find(kNames, variable) != kNames.end();
}

}  // namespace

UsedPlaces UsedPlaces::find(const image::Image& image, const image::MergedTree& tree) {
  UsedPlaces out;
  const inventory::WasteClassifier classifier;
  const auto in_place = [&](std::string_view path) {
    const inventory::WasteRule* rule = classifier.classify(path);
    return rule != nullptr && rule->by_place;
  };
  const auto add = [&](const std::string& path, std::string who) {
    if (in_place(path)) out.holders_.try_emplace(path, std::move(who));
  };
  const auto add_word = [&](std::string_view word, const std::string& who) {
    if (!word.starts_with('/')) return;
    const std::string path = resolve_link_text("", word);
    add(tree.resolve(path).value_or(path), who);
  };

  const text::Json& container = image.config["config"];
  for (const text::Json& variable : container["Env"].items()) {
    const std::string_view text = variable.text();
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || names_scratch(text.substr(0, equals))) continue;
    std::string_view rest = text.substr(equals + 1);
    while (!rest.empty()) {
      const std::size_t colon = std::min(rest.find(':'), rest.size());
      add_word(rest.substr(0, colon), fmt::format("named by {}", text.substr(0, equals)));
      rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
  }
  for (const char* key : {"Entrypoint", "Cmd"})
    for (const text::Json& word : container[key].items())
      add_word(word.text(), fmt::format("named by {}", key));
  add_word(container["WorkingDir"].text(), "named by WorkingDir");

  const auto add_link = [&](const std::string& path,
                            const image::MergedTree::Found& found) -> Result<void> {
    if (found.type != codec::MemberType::kSymlink || in_place(path)) return {};
    if (const auto target = tree.resolve(path)) add(*target, fmt::format("/{} leads there", path));
    return {};
  };
  // The visitor never fails.
  static_cast<void>(tree.for_each(add_link));
  return out;
}

std::string_view UsedPlaces::holder(std::string_view path) const {
  for (; !path.empty(); path = parent_path(path))
    if (const auto found = holders_.find(path); found != holders_.end()) return found->second;
  return {};
}

}  // namespace flense::slim
