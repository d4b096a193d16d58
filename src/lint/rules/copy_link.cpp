// Large layers that depend needlessly on those below: COPY without --link.

#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/sent_files.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Directories whose names suggest that they are large.
bool is_large_name(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const std::string_view one :
       {"venv", ".venv", "conda", "miniconda3", "miniforge3", "micromamba", "site-packages",
        "dist-packages", "models", "model", "weights", "checkpoints", "rocm"})
    if (name == one) return true;
  return holds(path, "/envs/");
}

/// Directories that are links in the usual bases: --link would put a directory in their place.
bool is_link_in_bases(std::string_view path) {
  for (const std::string_view one :
       {"/bin", "/sbin", "/lib", "/lib64", "/lib32", "/var/run", "/var/lock", "/usr/local/cuda"})
    if (lies_in(path, one)) return true;
  return false;
}

bool is_numeric_owner(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789:") == text.npos;
}

/// docker/dockerfile:1.0 to 1.3; --link came with 1.4.
bool lacks_link(std::string_view syntax) {
  if (syntax.contains("experimental")) return true;
  const std::size_t at = syntax.rfind(":1.");
  if (at == syntax.npos) return false;
  const std::string_view minor = syntax.substr(at + 3);
  return minor.size() >= 1 && minor[0] >= '0' && minor[0] <= '3' &&
         (minor.size() == 1 || minor[1] == '.' || minor[1] == '-' || minor[1] == '@');
}

void link(const FileView& view, const StageSteps& steps, const SentFiles& sent, FindingSink& sink) {
  if (lacks_link(view.dockerfile->syntax)) return;
  for (const Step& step : steps.all()) {
    const Instruction& copy = *step.instruction;
    if (copy.keyword != Keyword::kCopy || copy.words.size() < 2 || copy.flag("link") != nullptr)
      continue;
    const std::string& target = copy.words.back().text;
    if (!target.starts_with('/') || holds(target, "$") || is_link_in_bases(target)) continue;
    // Names are looked up in the base's /etc/passwd, which a linked layer does not see.
    if (const Flag* owner = copy.flag("chown"); owner != nullptr && !is_numeric_owner(owner->value))
      continue;
    const Flag* from = copy.flag("from");
    std::string why;
    for (std::size_t at = 0; at + 1 < copy.words.size() && why.empty(); ++at) {
      const std::string& source = copy.words[at].text;
      if (from != nullptr) {
        if (is_large_name(source)) why = fmt::format("{} of {}", source, from->value);
        continue;
      }
      if (!sent.known()) continue;
      const std::uint64_t bytes = sent.bytes_below(source);
      if (bytes >= view.project->knowledge->build.limit("link"))
        why = fmt::format("{}: {}", source, human_bytes(bytes));
    }
    if (why.empty()) continue;
    Finding& found =
        sink.add("copy-link", *view.file, copy.keyword_span,
                 "this large layer is made and pushed again whenever a layer below it changes");
    found.evidence = {why,
                      "Dockerfile reference, COPY --link: the layer does not depend on those "
                      "below"};
    found.fix = "write COPY --link";
    found.edits.push_back({{copy.keyword_span.end, copy.keyword_span.end}, " --link"});
  }
}

}  // namespace

void judge_copy_link(const Project& /*project*/, const std::vector<FileView>& views,
                     FindingSink& sink) {
  for (const FileView& view : views)
    link(view, StageSteps(view, view.stages.size() - 1), SentFiles(view), sink);
}

}  // namespace flense::lint
