// Images that scripts and workflows name in a text of their own: the values of variables, lists and
// cases, of which no command line tells that they are used.
#include <algorithm>
#include <set>
#include <string>

#include "base/ascii.h"
#include "lint/facts/own_images.h"
#include "lint/facts/workload_facts.h"
#include "lint/images/cuda_tags.h"
#include "lint/images/floating_images.h"
#include "lint/images/publisher_tags.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

bool is_of_name(char c) {
  return is_alphanumeric(c) || std::string_view("._-/:@").contains(c);
}

/// Comments, what is only printed, and command lines: one that is not read is text for another
/// file.
bool only_says(std::string_view line) {
  for (const std::string_view command :
       {"docker ", "podman ", "apptainer ", "singularity ", "FROM ", "sed ", "grep "})
    if (line.contains(command)) return true;
  line = trim_space(line);
  if (line.starts_with("- ")) line = trim_space(line.substr(2));
  if (line.starts_with('@')) line.remove_prefix(1);
  const std::string_view first = line.substr(0, line.find_first_of(" \t\"'"));
  return line.empty() || line.front() == '#' ||
         is_one_of(first, {"echo", "printf", "print", "log", "info", "cat",
                           "description:", "name:", "*", "//"});
}

/// The mark of a here-document that a line begins: EOF of `cat <<-'EOF'`; empty: none.
std::string_view document_begun(std::string_view line) {
  const std::size_t at = line.find("<<");
  if (at == line.npos || line.substr(at).starts_with("<<<") || line.contains("$((")) return {};
  std::string_view rest = line.substr(at + 2);
  rest.remove_prefix(std::min(rest.find_first_not_of("- '\"\\"), rest.size()));
  std::size_t end = 0;
  while (end < rest.size() && (is_alphanumeric(rest[end]) || rest[end] == '_')) ++end;
  return rest.substr(0, end);
}

std::string text_of(const ImageName& name) {
  return name.familiar() + ":" + name.tag;
}

/// Those that a command line or a job of the file names are judged there.
std::set<std::string> names_read(const ProjectFile& file) {
  std::set<std::string> out;
  for (const Workload& workload : file.workloads)
    if (workload.image_name) out.insert(text_of(*workload.image_name));
  for (const NamedImage& one : file.names.images) out.insert(text_of(one.name));
  for (const auto& builds : {&file.names.builds, &file.names.matrix_builds})
    for (const BuildTarget& build : *builds)
      for (const auto& [name, value] : build.args)
        if (const auto image = parse_image_name(value.text)) out.insert(text_of(*image));
  return out;
}

void judge_word(const Project& project, const ProjectFile& file, Span span,
                std::set<std::string>& seen, const BuiltNames& own, FindingSink& sink) {
  const auto name = parse_image_name(file.source.slice(span));
  if (!name || name->tag.empty() || own.has_repository(*name) ||
      !seen.insert(text_of(*name)).second)
    return;
  const GpuImage image = describe_image(*name, project.knowledge->images);
  ImageUse use{&file, span, &*name, &image, project.knowledge, {}};
  // Whether it is ever fetched, the text does not tell.
  use.replaced = use.never_fetched = true;
  if (is_cuda_tag(use))
    judge_cuda_tag(use, sink);
  else if (judge_publisher_tag(use, sink))
    return;
  else if (image.official || known_image(*name, *project.knowledge) != nullptr)
    if (!floating_tag(project, use, sink)) floating_name(use, sink);
}

void judge_text(const Project& project, const ProjectFile& file, const BuiltNames& own,
                FindingSink& sink) {
  const std::string_view text = file.source.text();
  std::set<std::string> seen = names_read(file);
  std::string_view document;  // the mark that ends a here-document
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    line = line.substr(0, line.find(" #"));  // a comment behind a command
    if (!document.empty()) {
      if (trim_space(line) == document) document = {};
      begin = end + 1;
      continue;
    }
    document = document_begun(line);
    if (line.contains('/') && !only_says(line))
      for (std::size_t at = 0; at < line.size();) {
        if (!is_of_name(line[at])) {
          ++at;
          continue;
        }
        std::size_t stop = at;
        while (stop < line.size() && is_of_name(line[stop])) ++stop;
        const std::string_view word = line.substr(at, stop - at);
        // A part of a longer text, an address, or a path.
        const bool whole = (at == 0 || !std::string_view("$}/").contains(line[at - 1])) &&
                           (stop == line.size() || line[stop] != '$') && !word.contains("://");
        if (whole && word.contains('/') && word.contains(':'))
          judge_word(project, file, {begin + at, begin + stop}, seen, own, sink);
        at = stop;
      }
    begin = end + 1;
  }
}

}  // namespace

void judge_written_images(const Project& project, const std::vector<FileView>& /*views*/,
                          FindingSink& sink) {
  const BuiltNames own(project);
  for (const auto& file : project.files)
    if (is_script(file->kind) || file->kind == FileKind::kWorkflow)
      judge_text(project, *file, own, sink);
}

}  // namespace flense::lint
