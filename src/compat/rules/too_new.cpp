// Files that ask for newer libraries than the image has, or for others than the loader finds first.
#include <algorithm>
#include <map>

#include "base/path.h"
#include "compat/facts/facts.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

using needs::TooNewFile;
using Files = std::vector<const TooNewFile*>;

/// What is newer, or other, than what the image has.
enum class Kind : std::uint8_t { kSystem, kSystemFirst, kTorch, kNccl, kCudnn, kLinker, kOther };

Kind kind_of(const TooNewFile& file) {
  // "GLIBCXX_3.4.30", not "cuDNN 9.1.0".
  if (!file.version.contains(' ')) return file.first ? Kind::kSystemFirst : Kind::kSystem;
  if (file.version.starts_with("a torch ")) return Kind::kTorch;
  if (file.version.contains(" with version ")) return Kind::kOther;
  if (file.version.starts_with("NCCL ")) return Kind::kNccl;
  return file.version.starts_with("cuDNN ") ? Kind::kCudnn : Kind::kLinker;
}

/// Extension modules are called alike, so their folder is named too: "xformers/_C.so".
std::string_view name_of(const TooNewFile& file) {
  const std::string_view name = base_name(file.path);
  if (kind_of(file) != Kind::kTorch || name.size() + 1 >= file.path.size()) return name;
  const std::string_view folder =
      base_name(std::string_view(file.path).substr(0, file.path.size() - name.size() - 1));
  return std::string_view(file.path).substr(file.path.size() - name.size() - 1 - folder.size());
}

std::string message_of(const Files& files) {
  const TooNewFile& first = *files.front();
  const Kind kind = kind_of(first);
  return fmt::format(
      "{}{} cannot be {}: {}", name_of(first),
      files.size() == 1 ? "" : fmt::format(" and {} more", files.size() - 1),
      kind == Kind::kCudnn ? "used" : "loaded",
      kind == Kind::kSystem
          ? fmt::format("{} is not in the image, whose newest is {}", first.version, first.there)
      : kind == Kind::kTorch
          ? fmt::format("it asks for {}, and the image has {}", first.version, first.there)
          : fmt::format("it asks for {}, and the loader finds {} first", first.version,
                        first.there));
}

std::string fix_of(const Question& question, const TooNewFile& first) {
  switch (kind_of(first)) {
    case Kind::kSystem:
      return "use an image of a newer distribution, or a build for the one that it has";
    case Kind::kTorch:
      return fmt::format(
          "install a build of {} for the image's torch and its C++ ABI (cxx11abiTRUE or "
          "cxx11abiFALSE in names of wheels)",
          name_of(first));
    case Kind::kNccl:
      return fmt::format("install the NCCL that {} was built with in place of /{}", name_of(first),
                         first.library);
    case Kind::kOther:
      return fmt::format("install the release of {} that {} was built with in place of /{}",
                         first.version.substr(0, first.version.find(' ')), name_of(first),
                         first.library);
    case Kind::kSystemFirst:
    case Kind::kCudnn:
    case Kind::kLinker:
      break;
  }
  const auto path = variable(question.image, "LD_LIBRARY_PATH");
  const std::string folder = fmt::format("/{}", parent_path(first.library));
  if (path && fmt::format(":{}:", *path).contains(fmt::format(":{}:", folder)))
    return fmt::format("take {} out of LD_LIBRARY_PATH", folder);
  if (kind_of(first) == Kind::kSystemFirst)
    return fmt::format("put the newer library before /{}, or upgrade that", first.library);
  return fmt::format("install {} or newer of the same major in place of /{}", first.version,
                     first.library);
}

void report(const Question& question, const Files& files, Verdict verdict,
            std::vector<Check>& checks) {
  if (files.empty()) return;
  const TooNewFile& first = *files.front();
  const bool libc = kind_of(first) == Kind::kSystem || kind_of(first) == Kind::kSystemFirst;
  Check check;
  check.id = libc ? "libc" : "library-missing";
  check.verdict = verdict;
  check.message = message_of(files);
  constexpr std::size_t kShown = 4;
  for (const TooNewFile* file : files)
    if (check.evidence.size() < kShown)
      check.evidence.push_back({"image", fmt::format("/{} asks for {}; /{} has {}", file->path,
                                                     file->version, file->library, file->there)});
  check.fix = fix_of(question, first);
  check.source = libc || kind_of(first) == Kind::kOther ? "version tables of the image's files"
                                                        : "symbol tables of the image's files";
  checks.push_back(std::move(check));
}

}  // namespace

void rule_too_new(const Question& question, std::vector<Check>& checks) {
  const needs::Needs& image = question.image;
  const auto computes = [&](const TooNewFile& file) {
    return std::ranges::find(image.code, file.path, &needs::CodeFile::path) != image.code.end() ||
           question.tables.frameworks.is_core_library(file.path);
  };
  std::map<Kind, Files> used, others;
  for (const TooNewFile& file : image.too_new) {
    // An extension of torch is imported, if it is used at all.
    const Kind kind = kind_of(file);
    const bool imported = kind == Kind::kSystem || kind == Kind::kTorch;
    (file.needed || (imported && computes(file)) ? used : others)[kind].push_back(&file);
  }
  for (const auto& [kind, files] : used) report(question, files, Verdict::kFail, checks);
  for (const auto& [kind, files] : others)
    if (kind == Kind::kSystem || !used.contains(kind))
      report(question, files, Verdict::kWarn, checks);
}

}  // namespace flense::compat
