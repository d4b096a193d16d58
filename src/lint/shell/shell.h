// Commands of a shell text, as far as a linter needs them: words with their positions, assignments,
// redirections, what joins commands. POSIX XCU chapter 2, and what bash adds, without executing
// anything: substitutions are kept in words, and the commands inside them are listed too; control
// words (if, then, do, {, !, …) are skipped, but `for`, `select` and `case` are kept as commands.
// Never fails: what cannot be read ends the list, and is reported.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lint/source/source.h"

namespace flense::lint {

/// Values of variables; nullopt: set, value unknown.
using Environment = std::map<std::string, std::optional<std::string>, std::less<>>;

struct ShellWord {
  std::string text;  ///< quotes and escapes removed; $NAME, ${…} and $(…) as they are written
  Span span;         ///< with its quotes
  bool quoted = false;
  bool dynamic = false;  ///< holds an expansion or a substitution outside single quotes
};

struct ShellAssignment {
  std::string name;
  ShellWord value;
};

struct ShellRedirection {
  std::string op;  ///< ">", ">>", "<", "2>", "<<", "&>"
  ShellWord target;
};

struct ShellCommand {
  std::vector<ShellAssignment> assignments;  ///< in front of the words; alone: of the shell itself
  std::vector<ShellWord> words;              ///< the program and its arguments; may be empty
  std::vector<ShellRedirection> redirections;
  std::string joined_by;  ///< what follows: "&&", "||", ";", "|", "&", "\n", "" at the end
  Span span;
  unsigned depth = 0;    ///< of ( … ), { … ; }, if, for, while, case, $( … ), sh -c '…' around it
  char within = 0;       ///< the quote around the text of sh -c; '?': of JSON, or several
  bool negated = false;  ///< behind a `!`, as the first of its pipe
  // What stands around it: exit, or return, ends that alone.
  bool in_subshell = false;  ///< ( … ), $( … ), a document that another shell reads
  bool in_function = false;
};

struct ShellDialect {
  char continuation = '\\';       ///< '`' after a Dockerfile's escape directive
  bool dockerfile_lines = false;  ///< a comment or an empty line inside a continuation is skipped
  std::size_t indent = 0;  ///< blanks in front of each line that the shell does not get: YAML's
};

struct ShellText {
  std::vector<ShellCommand> commands;  ///< in the order of the text, nested ones too
  bool truncated = false;              ///< ended inside a quote or a substitution, or too deep
};

/// The commands in [span] of a file.
ShellText split_shell(std::string_view file, Span span, const ShellDialect& dialect = {});

/// $NAME, ${NAME}, ${NAME:-word}, ${NAME:+word} (and without the colon) replaced; nullopt where a
/// value is unknown or the form is another. A name that is in no table counts as unset for the
/// forms with a word, and as unknown for the others.
std::optional<std::string> expand(std::string_view text, const Environment& environment);

/// Whether a text holds $NAME or ${NAME…} of this name.
bool uses_variable(std::string_view text, std::string_view name);

/// The program's name without its folder; leading `sudo`, `env`, `exec`, `time`, `nice` and
/// `command` with their options are stepped over. `first` is the index of that word.
struct Program {
  std::string name;  ///< empty: none
  std::size_t first = 0;
};
Program program_of(const ShellCommand& command);

/// sh, bash, dash, ash, zsh, ksh, with or without a folder.
bool is_shell(std::string_view program);

/// Where the last command is `sh -c '…'`, the commands of that text are appended.
void add_shell_argument(std::string_view file, std::vector<ShellCommand>& commands);

}  // namespace flense::lint
