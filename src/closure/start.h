// What starts the container, and whether its closure can be drawn at all. For the files
// of this folder alone.
#pragma once

#include <string>
#include <vector>

#include "closure/marks.h"

namespace flense::closure {

/// A command as execve() gets it.
struct StartCommand {
  std::string name;  ///< "the entry point", "the health check"
  std::vector<std::string> words;
  bool shell_text = false;  ///< words[0] is a script for /bin/sh -c
};

/// Entry point and command as one, then the health check.
std::vector<StartCommand> start_commands(const image::Image& image);

/// The program that runs in the end, behind init programs and wrappers (tini, env, gosu); the words
/// from it on. Empty when none of them is a program of the image.
std::vector<std::string> effective_command(const ReachContext& context,
                                           const std::vector<std::string>& words);

/// Why nobody can tell what `words`, an effective command, will run: it is a shell or an
/// interpreter that reads from a person, or it only waits for others to come in. Empty: it can be
/// told.
std::string unpredictable(const std::vector<std::string>& words);

/// The image path of a program as the kernel and the shell look for it; empty when it is not there.
std::string start_program(const ReachContext& context, const std::string& word);

}  // namespace flense::closure
