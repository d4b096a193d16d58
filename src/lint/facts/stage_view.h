// A Dockerfile as the GPU rules see it: each stage with what its base provides, what the file
// installs, and where a variable is set.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lint/facts/gpu_image.h"
#include "lint/project/project.h"

namespace flense::lint {

/// The words of a stage's instructions, in one text for the many questions whether one contains
/// another text.
class StageWords {
 public:
  StageWords() = default;
  explicit StageWords(const Stage& stage);
  /// `before` ends the search with that instruction; null: none.
  bool mention(std::string_view text, const Instruction* before) const;

 private:
  std::string words_;  ///< each ends in a zero byte
  std::vector<std::pair<std::size_t, std::size_t>>
      ends_;  ///< begin of an instruction, end of its words
};

struct StageView {
  const Stage* stage = nullptr;
  std::size_t index = 0;
  GpuImage image;          ///< of the base at the root of its lineage
  bool own_base = false;   ///< FROM names that base itself, no other stage
  bool final = false;      ///< it is the last stage, or one that the last is built on
  bool reachable = false;  ///< the last stage needs it
  std::size_t index_set_from = std::string_view::npos;  ///< of it and those it is built on
  StageWords words;
};

struct FileView {
  const Project* project = nullptr;
  const ProjectFile* file = nullptr;
  const Dockerfile* dockerfile = nullptr;
  std::vector<StageView> stages;
  std::vector<Install> installs;
  bool for_gpu = false;  ///< is_gpu_file()

  std::string_view text(Span span) const { return file->source.slice(span); }
  /// Of Apptainer: one tree without layers, and no syntax of a Dockerfile.
  bool is_definition() const { return file->kind == FileKind::kApptainer; }
  /// What sets a variable for the steps that follow.
  std::string_view setting_word() const { return is_definition() ? "export" : "ENV"; }
  /// The installs of a stage and of those that it is built on.
  std::vector<const Install*> installs_in(std::size_t stage) const;
};

/// Every Dockerfile of the project that has a stage.
std::vector<FileView> views_of(const Project& project);

/// The last stage, and those that another build ends with: "base-cu124" of `FROM base-${VARIANT}`.
std::vector<std::size_t> ending_stages(const FileView& view);

/// A place that gives a variable its value: ENV, ARG, an assignment in front of a command, export,
/// or -DNAME=value of cmake.
struct Setting {
  std::string name, value;
  Span span;           ///< of the value, without its quotes where the text allows
  bool exact = false;  ///< the text at `span` is the value, so it can be replaced
  const Instruction* instruction = nullptr;
};

/// Settings of these names in a stage and in those that it is built on, in the order of the file.
/// Values that are not known are left out.
std::vector<Setting> settings_of(const FileView& view, std::size_t stage,
                                 std::span<const std::string_view> names);

/// Whether a word of a step's commands, or of another instruction, is one that is asked for.
bool mentions(const Instruction& step, const std::function<bool(std::string_view)>& said);

/// True where a word of a command of the stage, or of those that it is built on, contains the text.
/// `before` ends the search; null: none.
bool commands_mention(const FileView& view, std::size_t stage, std::string_view text,
                      const Instruction* before = nullptr);

}  // namespace flense::lint
