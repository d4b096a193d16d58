// Files that others hold: a here-document that a script or a step of CI writes to a file or hands
// to a build, a cluster or a batch system, and Compose's dockerfile_inline.
#include <algorithm>
#include <optional>

#include "base/ascii.h"
#include "lint/dockerfile/dockerfile.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Each is held at its place in a text as long as the outer file's.
constexpr std::size_t kMostEmbedded = 20, kMostText = std::size_t{1} << 20;

/// The outer file with blanks in place of all but [body), so that every place stays; none where
/// what is left is no file of the kind.
std::unique_ptr<ProjectFile> take(const ProjectFile& outer, FileKind kind, Span body,
                                  std::string_view text) {
  std::string masked(outer.source.text());
  for (char& one : masked)
    if (one != '\n') one = ' ';
  masked.replace(body.begin, text.size(), text);
  auto out = std::make_unique<ProjectFile>();
  out->kind = kind;
  out->embedded = body;
  out->source = SourceText(outer.source.path(), std::move(masked), outer.source.project_path());
  static_cast<FileContent&>(*out) = read_content(out->kind, out->source);
  const bool whole =
      kind != FileKind::kDockerfile
          ? out->problems.empty()
          : out->dockerfile && !out->dockerfile->stages.empty() && !out->dockerfile->fragment;
  if (!whole || !out->template_language.empty()) return nullptr;
  return out;
}

/// The mark of a here-document: EOF of `<<-'EOF'`.
struct Mark {
  std::string_view name;
  bool quoted = false;
};

std::optional<Mark> mark_in(std::string_view line) {
  const std::size_t at = line.find("<<");
  if (at == line.npos || line.substr(at).starts_with("<<<")) return std::nullopt;
  std::string_view rest = line.substr(at + 2);
  while (!rest.empty() && (rest.front() == '-' || rest.front() == ' ')) rest.remove_prefix(1);
  Mark out;
  while (!rest.empty() && (rest.front() == '\'' || rest.front() == '"' || rest.front() == '\\')) {
    out.quoted = true;
    rest.remove_prefix(1);
  }
  std::size_t end = 0;
  while (end < rest.size() && (is_alphanumeric(rest[end]) || rest[end] == '_')) ++end;
  out.name = rest.substr(0, end);
  return out.name.empty() ? std::nullopt : std::optional(out);
}

/// Of another's text the base is what that puts in: Compose, and the shell where the mark has no
/// quotes, replace variables before the build sees them.
bool has_base_of_caller(std::string_view body) {
  while (!body.empty()) {
    const std::string low = to_lower(trim_space(take_line(body)));
    if (low.starts_with("from ") && low.contains('$')) return true;
  }
  return false;
}

/// The file that a command line writes: the word behind the last ">", or behind tee.
std::string_view written_by(std::string_view command) {
  const std::size_t into = command.rfind('>');
  std::string_view rest;
  if (into != command.npos)
    rest = command.substr(into + 1);
  else if (const std::size_t tee = command.find("tee "); tee != command.npos)
    rest = command.substr(tee + 4);
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t\"'"), rest.size()));
  return rest.substr(0, rest.find_first_of(" \t\"'<;|"));
}

/// What a command makes of its here-document: `cat > Dockerfile.gpu <<EOF`, `docker build -f - .`,
/// `kubectl apply -f -`, `sbatch`.
FileKind kind_made(std::string_view command, std::string_view body) {
  const std::string low = to_lower(command);
  bool writes = false, builds = false, from_input = false, submits = false;
  bool cluster = false, applies = false;
  std::string_view before;
  for (const std::string_view word : parts_of(low, " \t\n\\|")) {
    if (word.empty()) continue;
    const std::string_view name = file_name(word);
    writes = writes || is_one_of(name, {"cat", "tee"});
    builds = builds || (word == "build" &&
                        is_one_of(before, {"docker", "podman", "buildx", "buildah", "nerdctl"}));
    cluster = cluster || is_one_of(name, {"kubectl", "oc", "microk8s.kubectl"});
    applies = applies || (cluster && is_one_of(word, {"apply", "create", "replace"}));
    submits = submits || is_one_of(name, {"sbatch", "qsub"});
    from_input = from_input || is_one_of(word, {"-", "-f-", "--file=-", "--filename=-"});
    before = name;
  }
  if (builds && from_input) return FileKind::kDockerfile;
  if (applies && from_input) return FileKind::kKubernetes;
  if (submits && body.starts_with("#!")) return FileKind::kShell;
  // What is added to a file is not all of it.
  if (!writes || low.contains(">>") || low.contains("tee -a")) return FileKind::kUnknown;
  const std::string_view path = written_by(command);
  if (path.empty()) return FileKind::kUnknown;  // it is shown to somebody
  const std::string name = to_lower(file_name(path));
  if (name.contains("dockerfile") || name.contains("containerfile")) return FileKind::kDockerfile;
  const FileKind kind = kind_of(path, body);
  const bool batch = kind == FileKind::kShell && body.contains("#SBATCH");
  const bool taken = batch || kind == FileKind::kKubernetes || kind == FileKind::kCompose;
  return taken ? kind : FileKind::kUnknown;
}

/// What the build gets, at the same places: without quotes around its mark the shell takes one of
/// two backslashes. Its own variables stay, and nobody knows their values; none where it takes
/// away what would move the rest.
std::optional<std::string> as_build_gets(std::string_view body, bool quoted) {
  std::string out(body);
  if (quoted) return out;
  if (body.contains("\\$") || body.contains("\\`")) return std::nullopt;
  for (std::size_t at = out.find("\\\\\n"); at != out.npos; at = out.find("\\\\\n", at + 3))
    out[at] = ' ';
  return out;
}

/// Whether blanks in front of each line change what a Dockerfile says: ends of here-documents.
bool hangs_on_margin(std::string_view body) {
  return body.contains("<<");
}

/// The end of the line at `from`, and of those that it is continued by.
std::size_t end_of_command(std::string_view text, std::size_t from) {
  std::size_t end = text.find('\n', from);
  while (end != text.npos && end > from && text[end - 1] == '\\') end = text.find('\n', end + 1);
  return std::min(end, text.size());
}

/// A command of the script adds to what another has written.
bool adds_to_dockerfile(std::string_view low) {
  for (std::size_t at = low.find(">>"); at != low.npos; at = low.find(">>", at + 2)) {
    constexpr std::size_t kLongest = 100;
    const std::string_view target = low.substr(at + 2, kLongest);
    if (target.substr(0, target.find_first_of("\n<;")).contains("ockerfile")) return true;
  }
  return false;
}

std::vector<std::unique_ptr<ProjectFile>> in_documents(const ProjectFile& file) {
  std::vector<std::unique_ptr<ProjectFile>> out;
  const std::string_view text = file.source.text();
  std::size_t without_end = 0;  // each was sought to the end of the file
  const std::string low = to_lower(text);
  const bool adds_later = low.contains("ockerfile") && adds_to_dockerfile(low);
  for (std::size_t at = 0;
       at < text.size() && out.size() < kMostEmbedded && without_end < kMostEmbedded;) {
    const std::size_t end = end_of_command(text, at);
    const std::string_view command = text.substr(at, end - at);
    at = end + 1;
    const auto mark = trim_space(command).starts_with('#') ? std::nullopt : mark_in(command);
    if (!mark) continue;
    const std::size_t begin = std::min(at, text.size());
    std::size_t stop = begin;  // the line of the mark
    while (stop < text.size()) {
      const std::size_t next = std::min(text.find('\n', stop), text.size());
      if (trim_space(text.substr(stop, next - stop)) == mark->name) break;
      stop = next + 1;
    }
    if (stop >= text.size()) {  // it was no here-document
      ++without_end;
      continue;
    }
    at = std::min(text.find('\n', stop), text.size() - 1) + 1;
    const std::string_view body = text.substr(begin, stop - begin);
    const bool indented = file.kind == FileKind::kWorkflow;
    if (body.contains("${{") || (indented && hangs_on_margin(body))) continue;
    const FileKind kind = kind_made(command, body);
    if (kind == FileKind::kUnknown) continue;
    if (kind != FileKind::kDockerfile) {
      if (auto made = take(file, kind, {begin, stop}, body)) out.push_back(std::move(made));
      continue;
    }
    if (adds_later || (!mark->quoted && has_base_of_caller(body))) continue;
    if (auto plain = as_build_gets(body, mark->quoted))
      if (auto made = take(file, kind, {begin, stop}, *plain)) out.push_back(std::move(made));
  }
  return out;
}

std::vector<std::unique_ptr<ProjectFile>> in_services(const ProjectFile& file) {
  std::vector<std::unique_ptr<ProjectFile>> out;
  for (const Workload& service : file.workloads) {
    if (service.node == nullptr || out.size() >= kMostEmbedded) continue;
    const text::YamlNode& inner = (*service.node)["build"]["dockerfile_inline"];
    if (!inner.is_scalar() || !inner.block) continue;
    Span span = word_of(inner).span;
    const std::string_view text = file.source.slice(span);
    // Compose takes $$ for $; a folded text is of other lines.
    const std::size_t line = text.find('\n');
    if (!text.starts_with('|') || line == text.npos || text.contains("$$") ||
        hangs_on_margin(text) || has_base_of_caller(text))
      continue;
    span.begin += line + 1;
    if (auto made = take(file, FileKind::kDockerfile, span, file.source.slice(span)))
      out.push_back(std::move(made));
  }
  return out;
}

}  // namespace

std::vector<std::unique_ptr<ProjectFile>> embedded_in(const ProjectFile& file) {
  if (file.source.text().size() > kMostText) return {};
  if (file.kind == FileKind::kCompose) return in_services(file);
  if (file.kind == FileKind::kShell || file.kind == FileKind::kWorkflow) return in_documents(file);
  return {};
}

}  // namespace flense::lint
