#include "lint/facts/sent_files.h"

#include <algorithm>

#include "lint/facts/build_steps.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMostSources = 500;

/// False where a COPY takes what this directory lacks: the build is called with another one.
bool holds_sources(const FileView& view, const Context& context) {
  // What the call begins in; a file that is missing there is made before the build.
  if (context.directory == ".") return true;
  std::size_t asked = 0;
  for (const Stage& stage : view.dockerfile->stages)
    for (const Instruction& copy : stage.instructions) {
      if (!copy.copies() || copy.flag("from") != nullptr || !copy.heredocs.empty()) continue;
      for (std::size_t at = 0; at + 1 < copy.words.size() && ++asked < kMostSources; ++at) {
        std::string_view source = copy.words[at].text;
        if (source.find_first_of("*?[$") != source.npos || source.contains("://") ||
            source.starts_with("git@"))
          continue;
        while (source.starts_with('/')) source.remove_prefix(1);
        const std::string path = source.empty() ? "." : normal_path(source);
        if (path == ".") continue;
        const auto in = [&](const ContextFile& file) { return lies_in(file.path, path); };
        if (context.complete && std::ranges::none_of(context.files, in)) return false;
      }
    }
  return true;
}

}  // namespace

bool copies_lost_list(const Project& project, const ProjectFile& dockerfile) {
  const Context* context = project.context_of(dockerfile);
  // Of a directory below, others may lie above.
  if (!dockerfile.dockerfile || context == nullptr || !context->complete ||
      context->directory != ".")
    return false;
  std::size_t asked = 0;
  for (const Stage& stage : dockerfile.dockerfile->stages)
    for (const Instruction& copy : stage.instructions) {
      if (!copy.copies() || copy.flag("from") != nullptr || !copy.heredocs.empty()) continue;
      for (std::size_t at = 0; at + 1 < copy.words.size() && ++asked < kMostSources; ++at) {
        const std::string& source = copy.words[at].text;
        const std::string_view name = file_name(source);
        if (!name.starts_with("requirements") || !name.ends_with(".txt") ||
            source.find_first_of("*?[$") != source.npos || source.contains("://"))
          continue;
        const auto here = [&](std::string_view path) { return file_name(path) == name; };
        if (std::ranges::none_of(context->files, here, &ContextFile::path) &&
            std::ranges::none_of(project.files,
                                 [&](const auto& file) { return here(file->source.path()); }))
          return true;
      }
    }
  return false;
}

SentFiles::SentFiles(const FileView& view) {
  const std::string& own = view.file->source.path();
  const Context* context = view.project->context_of(*view.file);
  const std::string root = context != nullptr ? context->directory : directory_of(own);
  // BuildKit prefers NAME.dockerignore beside the Dockerfile.
  const std::string special = own + ".dockerignore", usual = path_below(root, ".dockerignore");
  ignore_ = view.project->find(special);
  ignore_path_ = ignore_ != nullptr ? special : usual;
  if (ignore_ == nullptr) ignore_ = view.project->find(usual);
  if (context == nullptr) return;
  has_history_ =
      context->directory == "." || std::ranges::any_of(context->files, [](const ContextFile& file) {
        return file.path.starts_with(".git/");
      });
  if (ignore_ == nullptr)
    unread_ignore_ = std::ranges::any_of(context->files, [&](const ContextFile& file) {
      if (!file.path.ends_with(".dockerignore")) return false;
      const std::string path = path_below(root, file.path);
      return path == usual || path == normal_path(special);
    });
  if (unread_ignore_ || !holds_sources(view, *context)) return;
  known_ = true;
  context_ = context;
}

bool SentFiles::leaves_out(std::string_view path) const {
  return ignore_ != nullptr && read_ignore_file(ignore_->source).ignores(path);
}

const std::vector<const ContextFile*>& SentFiles::files() const {
  if (files_) return *files_;
  std::vector<const ContextFile*>& out = files_.emplace();
  if (context_ == nullptr) return out;
  const IgnoreFile ignore = ignore_ != nullptr ? read_ignore_file(ignore_->source) : IgnoreFile{};
  for (const ContextFile& file : context_->files)
    if (!ignore.ignores(file.path)) out.push_back(&file);
  return out;
}

std::vector<const ContextFile*> SentFiles::below(std::string_view source) const {
  std::vector<const ContextFile*> out;
  if (++asked_ > kMostSources || source.find("://") != source.npos) return out;
  while (source.starts_with('/')) source.remove_prefix(1);
  const std::string path = source.empty() ? "." : normal_path(source);
  for (const ContextFile* file : files())
    if (path == "." || lies_in(file->path, path)) out.push_back(file);
  return out;
}

std::uint64_t SentFiles::bytes_below(std::string_view source) const {
  std::uint64_t out = 0;
  for (const ContextFile* file : below(source)) out += file->bytes;
  return out;
}

}  // namespace flense::lint
