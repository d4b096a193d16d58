// The paths that the commands of a step name, and what a name says of the size behind it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lint/facts/build_steps.h"
#include "lint/facts/written_paths.h"

namespace flense::lint {

class SentFiles;

/// What is worth a finding where the size is known.
constexpr std::uint64_t kWorth = 10'000'000;

/// An instruction above a step.
inline bool is_before(const Instruction* one, const Step& step) {
  return one != step.instruction && one->span.begin < step.instruction->span.begin;
}
/// Whether the step installs or unpacks something itself, whose owner it may then set.
bool makes_files(const Instruction& run);
/// Bytes of the context that COPY put at `path`; 0: none, or not known.
std::uint64_t copied_bytes(const SentFiles& sent, const Written& copy, const std::string& path);

/// A path of a command as an absolute one, patterns at its end taken off; empty: not known.
std::string path_of(const Step& step, std::string_view word, const std::string& directory);

/// Runs through the commands of a RUN, which begins in `directory`, with the one that `cd` set.
template <typename Take>
void each_command_from(std::string directory, const Step& step, Take&& take) {
  for (const StepCommand& command : commands_of(*step.instruction)) {
    if (command.program == "cd") {
      directory = command.arguments.empty() || command.shell->depth > 0
                      ? std::string()
                      : path_of(step, command.arguments.front().text, directory);
      continue;
    }
    take(command, directory);
  }
}
template <typename Take>
void each_command(const Step& step, Take&& take) {
  each_command_from(step.directory, step, take);
}

/// Scripts, keys and package lists: kilobytes.
bool is_small_name(std::string_view path);
/// What is fetched to be unpacked or installed: an archive, a package, an installer.
bool is_archive(std::string_view path);
/// What a step is known to fill with much: an environment, a model, a toolkit. `bytes`: 0 where
/// they are not known.
bool is_much(const Written& one, std::uint64_t bytes);
/// Whether a COPY may bring a directory, by the names: a file of one's own has a dot in it.
bool may_copy_directory(const Instruction& step);
/// A file of a model, by its name.
bool is_weights(std::string_view path);

}  // namespace flense::lint
