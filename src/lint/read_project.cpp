#include <algorithm>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/parallel.h"
#include "base/utf8.h"
#include "lint/lint.h"
#include "lint/readers/readers.h"

namespace flense::lint {

namespace {

/// By path; a file that is named twice is read once.
std::vector<Input> in_order(std::vector<Input> inputs) {
  std::ranges::stable_sort(inputs, {}, &Input::path);
  std::set<std::string> seen;
  std::erase_if(inputs,
                [&](const Input& input) { return !seen.insert(normal_path(input.path)).second; });
  return inputs;
}

/// What git-crypt and others wrote in the file's place, or a pointer to a large file.
bool stands_for_another(std::string_view text) {
  return starts_with_any(text, {std::string_view("\0GITCRYPT", 9), "$ANSIBLE_VAULT;", "U2FsdGVkX1",
                                "-----BEGIN AGE ENCRYPTED FILE", "-----BEGIN PGP MESSAGE",
                                "version https://git-lfs.github.com/spec/",
                                // what macOS keeps beside a file on other file systems: "._NAME"
                                std::string_view("\0\5\x16\7", 4)});
}

/// "../docker/Dockerfile" alone: a link, of a checkout that knows none. A list or an ignore file
/// may well hold one path.
bool is_link(FileKind kind, std::string_view text) {
  const std::string_view bare = trim_space(text);
  return kind == FileKind::kDockerfile && bare.contains('/') &&
         bare.find_first_of(" \t\r\n:=@#") == bare.npos;
}

/// What PowerShell's `pip freeze >` wrote: pip decodes it. Others read no UTF-16.
std::optional<std::string> list_of_utf16(const Input& input) {
  return kind_of(input.path, {}) == FileKind::kRequirements ? from_utf16(input.text) : std::nullopt;
}

std::unique_ptr<ProjectFile> read_file(Input input) {
  auto out = std::make_unique<ProjectFile>();
  const bool wide = input.text.starts_with("\xff\xfe") || input.text.starts_with("\xfe\xff");
  std::optional<std::string> decoded = list_of_utf16(input);
  if (decoded) input.text = *std::move(decoded);
  const bool is_text = !input.text.contains('\0');
  const bool other = stands_for_another(input.text);
  if (is_text && !other) out->kind = kind_of(input.path, input.text);
  if (is_link(out->kind, input.text)) out->kind = FileKind::kUnknown;
  out->source =
      SourceText(std::move(input.path), std::move(input.text), std::move(input.project_path));
  static_cast<FileContent&>(*out) = read_content(out->kind, out->source);
  if (wide)
    out->problems.push_back(
        {{},
         out->kind == FileKind::kRequirements
             ? "the list is UTF-16, which pip decodes and others do not: save it as UTF-8"
             : "the file is UTF-16 and was not judged: save it as UTF-8"});
  else if (!is_text && !other)
    out->problems.push_back({{}, "the file is not text: it contains zero bytes"});
  return out;
}

}  // namespace

Project read_project(std::vector<Input> inputs, std::vector<Context> contexts,
                     std::vector<host::Profile> hosts, const knowledge::Knowledge& knowledge) {
  Project out;
  out.contexts = std::move(contexts);
  std::ranges::sort(out.contexts, {}, &Context::directory);
  out.hosts = std::move(hosts);
  out.knowledge = &knowledge;
  inputs = in_order(std::move(inputs));
  out.files.resize(inputs.size());
  parallel_for(inputs.size(),
               [&](std::size_t at) { out.files[at] = read_file(std::move(inputs[at])); });
  std::vector<std::unique_ptr<ProjectFile>> with_embedded;
  for (auto& file : out.files) {
    auto inner = embedded_in(*file);
    with_embedded.push_back(std::move(file));
    for (auto& one : inner)
      (one->dockerfile ? out.embedded : with_embedded).push_back(std::move(one));
  }
  out.files = std::move(with_embedded);
  out.index();
  return out;
}

}  // namespace flense::lint
