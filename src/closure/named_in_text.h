// Texts in the closure: what a script or a source names, and commands of the configuration. For
// the files of this folder alone.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "closure/libraries.h"
#include "closure/marks.h"
#include "closure/python.h"
#include "closure/start.h"

namespace flense::closure {

class ReachWords {
 public:
  ReachWords(const ReachContext& context, ReachMarks& marks, ReachLibraries& libraries,
             ReachPython& python);

  /// A command of the configuration, word by word.
  void follow_command(const StartCommand& command);
  void follow_script(PathId id, Follow follow);
  void follow_source(PathId id, const ReachText& text);

  bool runs_shell() const { return runs_shell_; }
  /// Scripts that run what their text does not say: "/entry.sh line 3: eval".
  const std::vector<std::string>& unclear() const { return unclear_; }
  const std::vector<std::string>& notices() const { return notices_; }

 private:
  /// `runs`: it stands where something is run, so that an everyday word may be a program.
  void follow_word(std::string_view word, std::string_view from, bool runs, const std::string& why,
                   Wanted wanted = Wanted::kByImage);
  bool is_program_name(std::string_view word, bool runs) const;
  /// The program of this name belongs to a distribution that no traced run used.
  bool is_idle_program(std::string_view word) const;
  void follow_shell_text(std::string_view text, const std::string& why);
  bool is_idle(PathId id, const std::string& line, Follow follow) const;
  bool belongs_to_a_distribution(PathId id) const;

  const ReachContext& context_;
  ReachMarks& marks_;
  ReachLibraries& libraries_;
  ReachPython& python_;
  std::set<std::string, std::less<>> variables_;
  std::vector<std::string> unclear_, notices_;
  bool runs_shell_ = false;
};

}  // namespace flense::closure
