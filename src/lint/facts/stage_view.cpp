#include "lint/facts/stage_view.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "base/parallel.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/torch_installs.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// The place of a value within a word: inside its quotes.
void place_value(const FileView& view, Span word, Setting& out) {
  out.span = word;
  const std::string_view raw = view.text(word);
  const std::size_t at = out.value.empty() ? raw.npos : raw.rfind(out.value);
  if (at == raw.npos) return;
  out.span = {word.begin + at, word.begin + at + out.value.size()};
  out.exact = true;
}

class Settings {
 public:
  Settings(const FileView& view, std::span<const std::string_view> names, std::vector<Setting>& out)
      : view_(view), names_(names), out_(out) {}

  void take(const Instruction& instruction) {
    static const Environment kNone;
    const Environment& environment = instruction.environment ? *instruction.environment : kNone;
    if (instruction.keyword == Keyword::kEnv || instruction.keyword == Keyword::kArg)
      for (const KeyValue& pair : instruction.pairs)
        if (pair.value) {
          if (is_one_of(pair.key.text, names_))
            add(pair.key.text, pair.value->text, pair.value->span, instruction, environment);
          if (pair.key.text == "CMAKE_ARGS")
            take_options(pair.value->text, pair.value->span, instruction);
        }
    for (const ShellCommand& command : instruction.commands) {
      for (const ShellAssignment& set : command.assignments) {
        if (is_one_of(set.name, names_))
          add(set.name, set.value.text, set.value.span, instruction, environment);
        if (set.name == "CMAKE_ARGS") take_options(set.value.text, set.value.span, instruction);
      }
      bool defines = false;  // behind "-D", which OpenCV's guides write apart
      for (const ShellWord& word : command.words) {
        std::string_view text = word.text;
        const bool behind = std::exchange(defines, text == "-D");
        if (text.starts_with("CMAKE_ARGS=")) take_options(text.substr(11), word.span, instruction);
        if (text.starts_with("-D")) {
          text.remove_prefix(2);
        } else if (!behind && !is_one_of(command.words.front().text, {"export", "env", "make"}) &&
                   !text.starts_with("CMAKE_")) {
          continue;  // build.sh --cmake_extra_defines CMAKE_…=…
        }
        const std::size_t equal = text.find('=');
        if (equal == std::string_view::npos) continue;
        // -DNAME:STRING=value
        const std::string_view name = text.substr(0, std::min(text.find(':'), equal));
        if (is_one_of(name, names_))
          add(std::string(name), std::string(text.substr(equal + 1)), word.span, instruction,
              environment);
      }
    }
  }

 private:
  /// -DNAME=value among options of CMake that a variable holds; without those of other variables,
  /// which a branch may ask about.
  void take_options(std::string_view options, Span span, const Instruction& instruction) {
    for (std::string_view option : parts_of(options, " \t\n")) {
      const std::size_t equal = option.find('=');
      if (!option.starts_with("-D") || equal == option.npos || option.contains('$')) continue;
      const std::string_view name = option.substr(2, std::min(option.find(':'), equal) - 2);
      std::string_view value = option.substr(equal + 1);
      while (!value.empty() && (value.front() == '"' || value.front() == '\''))
        value.remove_prefix(1);
      while (!value.empty() && (value.back() == '"' || value.back() == '\''))
        value.remove_suffix(1);
      if (!is_one_of(name, names_)) continue;
      Setting made;
      made.name = name;
      made.value = value;
      made.span = span;
      made.instruction = &instruction;
      const std::string_view raw = view_.text(span);
      if (const std::size_t at = raw.find(option); at != raw.npos) {
        const std::size_t place = raw.find(value, at + equal + 1);
        made.span = {span.begin + place, span.begin + place + value.size()};
        made.exact = true;
      }
      out_.push_back(std::move(made));
    }
  }

  void add(const std::string& name, const std::string& value, Span span,
           const Instruction& instruction, const Environment& environment) {
    Setting made;
    made.name = name;
    made.instruction = &instruction;
    made.value = value;
    place_value(view_, span, made);
    if (value.find('$') != std::string::npos) {
      const auto known = expand(value, environment);
      if (!known) return;
      made.value = *known;
      made.exact = false;
    }
    out_.push_back(std::move(made));
  }

  const FileView& view_;
  std::span<const std::string_view> names_;
  std::vector<Setting>& out_;
};

/// -DGGML_CUDA=ON, -DAMDGPU_TARGETS=…: CMake compiles for GPUs here.
bool compiles_for_gpu(const FileView& view, const knowledge::Knowledge& known) {
  const auto is_switch = [&](std::string_view text) {
    if (!text.starts_with("-D")) return false;
    text.remove_prefix(2);
    const std::string_view name = text.substr(0, text.find_first_of(":="));
    const std::string value = to_lower(text.substr(std::min(text.find('='), text.size())));
    if (is_one_of(name, {"CMAKE_CUDA_ARCHITECTURES", "CMAKE_HIP_ARCHITECTURES", "AMDGPU_TARGETS"}))
      return true;
    return is_one_of(value, {"=on", "=1", "=true", "=yes"}) &&
           (is_one_of(name, {"GGML_HIP", "GGML_HIPBLAS"}) ||
            compiles_for_cmake_architectures(known, name));
  };
  return std::ranges::any_of(view.dockerfile->stages, [&](const Stage& stage) {
    return std::ranges::any_of(stage.instructions, [&](const Instruction& step) {
      return std::ranges::any_of(step.commands, [&](const ShellCommand& command) {
        return std::ranges::any_of(command.words,
                                   [&](const ShellWord& word) { return is_switch(word.text); });
      });
    });
  });
}

/// "Dockerfile.rocm", "cuda.Dockerfile".
bool is_named_for_gpu(std::string_view path) {
  return has_part(file_name(path), "._-", {"cuda", "gpu", "rocm", "hip", "nvidia"});
}

bool names_gpu(const FileView& view) {
  if (is_for_other_device(file_name(view.file->source.path())) ||
      is_for_other_device(view.stages.back().image.repository) ||
      (!view.stages.back().image.vendor.known() &&
       is_for_other_device(view.file->source.project_path())))
    return false;
  for (const StageView& stage : view.stages)
    if (stage.image.vendor.known()) return true;
  for (const Install& install : view.installs)
    for (const PackageList* list : lists_of(install))
      for (const PackageRequest& request : list->packages)
        if (is_gpu_package(request.name) || brings_torch(request.name)) return true;
  return is_named_for_gpu(view.file->source.path()) ||
         compiles_for_gpu(view, *view.project->knowledge);
}

}  // namespace

std::vector<const Install*> FileView::installs_in(std::size_t stage) const {
  std::vector<bool> below(stages.size());
  for (const std::size_t one : dockerfile->lineage(stage)) below[one] = true;
  std::vector<const Install*> out;
  for (const Install& install : installs)
    if (below[install.stage]) out.push_back(&install);
  return out;
}

std::vector<FileView> views_of(const Project& project) {
  // No real build has more; each stage looks at those below it.
  constexpr std::size_t kMostStages = 200;
  const ListFiles lists = list_files_of(project);
  std::vector<FileView> out;
  for (const auto* files : {&project.files, &project.embedded})
    for (const auto& file : *files)
      if (file->dockerfile && !file->dockerfile->stages.empty() &&
          file->dockerfile->stages.size() <= kMostStages)
        out.push_back({&project, file.get(), &*file->dockerfile, {}, {}});
  parallel_for(out.size(), [&](std::size_t number) {
    FileView& view = out[number];
    const std::size_t last = view.dockerfile->stages.size() - 1;
    const auto final_lineage = view.dockerfile->lineage(last);
    const auto reachable = view.dockerfile->reachable();
    for (std::size_t at = 0; at <= last; ++at) {
      StageView stage;
      stage.stage = &view.dockerfile->stages[at];
      stage.index = at;
      stage.own_base = !stage.stage->parent;
      stage.image = image_of_stage(*view.dockerfile, at, project.knowledge->images);
      stage.final = std::ranges::find(final_lineage, at) != final_lineage.end();
      stage.reachable = at < reachable.size() && reachable[at];
      stage.index_set_from = index_set_from(*stage.stage);
      stage.words = StageWords(*stage.stage);
      if (const auto parent = stage.stage->parent; parent && *parent < at)
        stage.index_set_from = std::min(stage.index_set_from, view.stages[*parent].index_set_from);
      view.stages.push_back(std::move(stage));
    }
    view.installs = installs_of(view, lists);
    view.for_gpu = names_gpu(view);
  });
  return out;
}

std::vector<Setting> settings_of(const FileView& view, std::size_t stage,
                                 std::span<const std::string_view> names) {
  std::vector<Setting> out;
  Settings settings(view, names, out);
  for (const Instruction& instruction : view.dockerfile->globals) settings.take(instruction);
  auto lineage = view.dockerfile->lineage(stage);
  std::ranges::reverse(lineage);
  for (const std::size_t one : lineage)
    for (const Instruction& instruction : view.dockerfile->stages[one].instructions)
      settings.take(instruction);
  return out;
}

bool mentions(const Instruction& step, const std::function<bool(std::string_view)>& said) {
  for (const ShellCommand& command : step.commands)
    if (std::ranges::any_of(command.words,
                            [&](const ShellWord& word) { return said(word.text); }) ||
        std::ranges::any_of(command.redirections,
                            [&](const ShellRedirection& one) { return said(one.target.text); }))
      return true;
  return step.keyword != Keyword::kRun &&
         std::ranges::any_of(step.words, [&](const Word& word) { return said(word.text); });
}

bool commands_mention(const FileView& view, std::size_t stage, std::string_view text,
                      const Instruction* before) {
  return std::ranges::any_of(view.dockerfile->lineage(stage), [&](std::size_t one) {
    return view.stages[one].words.mention(text, before);
  });
}

StageWords::StageWords(const Stage& stage) {
  for (const Instruction& step : stage.instructions) {
    mentions(step, [&](std::string_view word) {
      words_ += word;
      words_ += '\0';
      return false;
    });
    ends_.emplace_back(step.span.begin, words_.size());
  }
}

bool StageWords::mention(std::string_view text, const Instruction* before) const {
  std::string_view words = words_;
  // The instruction itself counts: it may add a source and install from it.
  if (before != nullptr) {
    const auto end = std::ranges::upper_bound(ends_, before->span.begin, {},
                                              &std::pair<std::size_t, std::size_t>::first);
    words = words.substr(0, end == ends_.begin() ? 0 : std::prev(end)->second);
  }
  return words.contains(text);
}

std::vector<std::size_t> ending_stages(const FileView& view) {
  constexpr std::size_t kMostVariants = 20;  // each is judged with all that it is built on
  const std::size_t last = view.stages.size() - 1;
  std::vector<std::size_t> out{last};
  const std::string_view from = view.text(view.stages[last].stage->base.span);
  const std::size_t begin = from.find("${"), end = from.rfind('}');
  if (begin == from.npos || end == from.npos || end < begin) return out;
  const std::string_view head = from.substr(0, begin), tail = from.substr(end + 1);
  if (head.size() + tail.size() < 2) return out;
  // What others copy from is a builder.
  std::vector<bool> copied(view.stages.size());
  for (const StageView& stage : view.stages)
    for (const Instruction& copy : stage.stage->instructions)
      if (const auto from = view.dockerfile->copied_from(copy); from && *from < copied.size())
        copied[*from] = true;
  const auto lineage = view.dockerfile->lineage(last);
  for (const StageView& stage : view.stages) {
    const std::string& name = stage.stage->name;
    if (out.size() <= kMostVariants && !copied[stage.index] &&
        name.size() > head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail) &&
        std::ranges::find(lineage, stage.index) == lineage.end())
      out.push_back(stage.index);
  }
  return out;
}

}  // namespace flense::lint
