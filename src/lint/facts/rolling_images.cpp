#include "lint/facts/rolling_images.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "lint/facts/build_steps.h"

namespace flense::lint {

bool is_chosen_floating(std::string_view comments) {
  const std::string text = to_lower(comments);
  const auto has_word = [&](std::string_view word) {
    for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1))
      if (at > 0 && !is_alphanumeric(text[at - 1]) &&
          !is_one_of(text.substr(at - 1, 1), {":", "/"}) &&
          (at + word.size() == text.size() || !is_alphanumeric(text[at + word.size()])))
        return true;
    return false;
  };
  return std::ranges::any_of(
      std::to_array<std::string_view>(
          {"pin", "pinned", "nightly", "latest", "newest", "rolling", "floating", "bleeding"}),
      has_word);
}

bool is_to_be_replaced(const SourceText& source, Span image) {
  const std::string line = to_lower(source.line(source.position(image.begin).line));
  const std::size_t comment = line.find(" #");
  return comment != line.npos && line.find("replace", comment) != line.npos;
}

bool takes_heads(const FileView& view, const StageView& base) {
  bool head = false;
  for (const StageView& stage : view.stages) {
    const auto lineage = view.dockerfile->lineage(stage.index);
    if (std::ranges::find(lineage, base.index) == lineage.end()) continue;
    for (const Instruction& run : stage.stage->instructions)
      for (const StepCommand& command : commands_of(run)) {
        if (command.program != "git") continue;
        if (command.has("checkout") || command.has("reset") || command.has("-b") ||
            !command.value_of("--branch").empty())
          return false;
        head = head || command.has("clone");
      }
  }
  return head && std::ranges::none_of(view.installs, [](const Install& install) {
           return std::ranges::any_of(lists_of(install), [](const PackageList* list) {
             return list->manager != PackageManager::kApt && !list->packages.empty();
           });
         });
}

}  // namespace flense::lint
