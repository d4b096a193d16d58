#include "base/path.h"
#include "verify/configuration.h"
#include "verify/tree_compare.h"

namespace flense::verify {

namespace {

/// The program that the configuration starts, as far as a path or PATH names it; else empty.
std::string started_program(const image::Image& image, const image::MergedTree& tree) {
  const text::Json& config = image.config["config"];
  const text::Json& words =
      config["Entrypoint"].items().empty() ? config["Cmd"] : config["Entrypoint"];
  if (words.items().empty()) return {};
  const std::string_view name = words.items().front().text();
  if (name.find('/') != name.npos) return resolve_link_text(config["WorkingDir"].text(), name);
  const std::string folders = environment_value(image, "PATH");
  for (std::size_t at = 0; at <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', at), folders.size());
    const std::string path = resolve_link_text(folders.substr(at, end - at), name);
    if (tree.resolve(path)) return path;
    at = end + 1;
  }
  return {};
}

}  // namespace

Result<void> find_needs(const Reading& before, const Reading& after, const Record& record,
                        TreeResult& out, Findings& findings) {
  TRY_DO(before.tree->for_each([&](const std::string& path, const auto& was) -> Result<void> {
    const PlannedEdit* planned = was.entry ? record.edit(*was.entry) : nullptr;
    if (planned != nullptr && planned->action == "drop" && planned->pass == "unreachable")
      out.unreached.emplace(base_name(path));
    const auto content = was.content;
    if (content == was.entry && content && before.member(*content).is_elf() &&
        after.tree->find(path))
      out.contents.push_back({ContentPair::Kind::kNeeds, path, content, std::nullopt});
    return {};
  }));
  TRY_DO(after.tree->for_each([&](const std::string& path, const auto&) -> Result<void> {
    if (const auto same = out.unreached.find(base_name(path)); same != out.unreached.end())
      out.unreached.erase(same);
    return {};
  }));
  const std::string program = started_program(*before.image, *before.tree);
  if (!program.empty() && before.tree->resolve(program) && !after.tree->resolve(program))
    findings.differ({program, "needed file", "", "there: the image starts it", "gone"});
  return {};
}

}  // namespace flense::verify
