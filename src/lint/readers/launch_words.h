// Command lines that start containers: docker, nerdctl, podman, apptainer, singularity, and srun or
// sbatch with pyxis.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lint/project/project.h"
#include "lint/project/workload.h"
#include "lint/shell/shell.h"

namespace flense::lint {

/// A word of a command line, with the known variables replaced.
struct LaunchWord {
  Word word;
  bool unknown = false;  ///< a variable's value is not known: the text is as written
};

/// An unquoted variable that holds blanks is several words.
std::vector<LaunchWord> launch_words(const ShellCommand& command, const Environment& environment);

struct OptionNames {
  std::string_view flags;       ///< letters of options without a value
  std::string_view long_flags;  ///< " --a --b ": long ones without a value
};

struct LaunchOption {
  std::string name;  ///< "-v", "--volume"
  Word value;        ///< empty text: none, or not written
  bool has_value = false;
};

class LaunchOptions {
 public:
  LaunchOptions(const std::vector<LaunchWord>& words, std::size_t first, OptionNames names)
      : words_(words), at_(first), names_(names) {}

  /// The next option; nullopt at the first word that is not an option.
  std::optional<LaunchOption> next();
  /// Index of the first word after the options.
  std::size_t at() const { return at_; }
  /// A variable of unknown value stood where an option may.
  bool met_unknown() const { return unknown_; }

 private:
  std::optional<LaunchOption> long_option(const Word& word);
  std::optional<LaunchOption> letters(const Word& word);
  const Word& value();

  const std::vector<LaunchWord>& words_;
  std::size_t at_;
  OptionNames names_;
  std::size_t letter_ = 0;  ///< inside a group such as -it
  bool unknown_ = false;
};

/// "a,b" with the places of its parts where the text stands in the file as it is.
std::vector<Word> split_commas(const Word& word);
Variable variable_of(const Word& word);
void add_gpus(Workload& workload, const Word& value);
/// --mount of docker and podman: type=bind,source=…,target=….
WorkloadMount mount_of(const Word& word);
/// The rest of a command line as words.
std::vector<Word> words_from(const std::vector<LaunchWord>& words, std::size_t first);

// Each reads the command line after its program, words[at], and adds what it starts.
void read_docker(const std::vector<LaunchWord>& words, std::size_t at, Workload base,
                 std::vector<Workload>& out);
void read_apptainer_command(const std::vector<LaunchWord>& words, std::size_t at, Workload base,
                            std::vector<Workload>& out);
/// The index of the program that srun starts; a workload is added where pyxis makes a container.
std::size_t read_srun(const std::vector<LaunchWord>& words, std::size_t at, Workload base,
                      std::vector<Workload>& out);

/// What `#SBATCH` lines ask for, for the jobs of the script.
struct BatchOptions {
  Workload workload;  ///< with the image of --container-image, where there is one
};
BatchOptions read_batch_options(const SourceText& source, const Environment& environment);

/// Of docker pull and docker build, and of apptainer pull and build; `base` has the place.
void read_docker_names(const std::vector<LaunchWord>& words, std::size_t at, const Workload& base,
                       CommandNames& out);
void read_apptainer_names(const std::vector<LaunchWord>& words, std::size_t at, CommandNames& out);
/// Adds an image whose name is known.
void add_named_image(CommandNames& out, const Word& word);

/// Adds what the commands start and name.
void read_commands(const std::vector<ShellCommand>& commands, const std::string& path,
                   FileContent& out);

/// What the commands start, in their order. Variables that the commands themselves assign are
/// replaced where their value is known; `environment` holds what is known before.
std::vector<Workload> launched_by(const std::vector<ShellCommand>& commands,
                                  const std::string& path, Environment environment = {});

}  // namespace flense::lint
