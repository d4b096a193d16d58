// Shared by the readers of launch files: YAML values as words with positions, sizes, command lines
// split into words, paths and mounts in short form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lint/project/project.h"

namespace flense::lint {

inline Span span_of(const text::YamlRange& range) {
  return {range.begin, range.end};
}

/// The text as YAML, template expressions taken out first: the tree, never null, and what is wrong
/// with it. Values that a template decides are null and tagged "!template".
FileContent read_yaml(const SourceText& source);

/// A problem at one byte; at the file's last one if the position is past the end.
ParseProblem problem_at(const SourceText& source, std::size_t at, std::string message);

/// The text of a scalar and its place without quotes where it has some; empty for anything else.
Word word_of(const text::YamlNode& node);

/// Splits a command line by the rules of shlex, which Compose, Quadlet and systemd follow in
/// this: blanks, quotes, backslashes. `text` begins at byte `at` of the file.
std::vector<Word> split_words(std::string_view text, std::size_t at);
/// The same for a scalar. Where escapes moved the places, every word has the whole scalar's.
std::vector<Word> split_words(const SourceText& source, const text::YamlNode& node);

/// "64m", "1gb", "512", "1.5g": bytes, as Docker reads them. nullopt for anything else.
std::optional<std::uint64_t> docker_bytes(std::string_view text);
/// "64Mi", "1G", "500M", "2": a Kubernetes quantity in whole units, rounded up ("500m" is 1).
std::optional<std::uint64_t> quantity(std::string_view text);
/// "1Gi", "64 MiB": how people write it.
std::string human_bytes(std::uint64_t bytes);

/// Compose's interpolation: $$, $NAME, ${NAME}, ${NAME:-default}, ${NAME-default}; a variable
/// without a default is unknown.
std::optional<std::string> interpolate(std::string_view text);

/// SOURCE:TARGET[:OPTIONS] of docker, podman and Compose. Colons inside ${…} and of a drive letter
/// separate nothing.
WorkloadMount short_mount(std::string_view text, Span span);

/// Adds what a device mapping or a CDI name asks for: "nvidia.com/gpu=all", "/dev/kfd".
void add_device(Workload& workload, Word device);

/// Fills image_name, when nothing of the name is unknown.
void set_image(Workload& workload, Word image);

}  // namespace flense::lint
