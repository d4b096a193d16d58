// The kinds of files: how each is recognised, and which reader handles it.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "lint/project/project.h"

namespace flense::lint {

std::string_view to_string(FileKind kind);
/// By name, and by content where the name is a common one (YAML, JSON, `-`).
FileKind kind_of(std::string_view path, std::string_view text);
/// What could not be read is among the problems. `source` must outlive the result.
FileContent read_content(FileKind kind, const SourceText& source);

/// The Dockerfiles within a script, a workflow or a Compose file: what a here-document writes to a
/// file of that name or hands to `docker build -f -`, and dockerfile_inline.
std::vector<std::unique_ptr<ProjectFile>> embedded_in(const ProjectFile& file);

FileContent read_compose(const SourceText& source);
FileContent read_kubernetes(const SourceText& source);
FileContent read_bake_hcl(const SourceText& source);
FileContent read_bake_json(const SourceText& source);
FileContent read_quadlet(const SourceText& source);
FileContent read_systemd(const SourceText& source);
FileContent read_shell(const SourceText& source);
FileContent read_makefile(const SourceText& source);
/// The commands of a Makefile's recipes, each in a shell of its own. Their places are in the file;
/// their words are as the shell gets them.
std::vector<std::vector<ShellCommand>> recipes_of(const SourceText& source);
/// What each shell of a script or a Makefile gets; of other files nothing.
std::vector<std::vector<ShellCommand>> scripts_of(const ProjectFile& file);
/// What each shell of a workflow gets, where expressions stand as variables; of other files
/// nothing.
std::vector<std::vector<ShellCommand>> scripts_of_workflow(const ProjectFile& file);
/// .env: lines NAME=value, as Compose and docker's --env-file take them.
FileContent read_variables(const SourceText& source);
FileContent read_devcontainer(const SourceText& source);
/// Problems of the file itself are its service's to tell.
FileContent read_workflow(const SourceText& source);

}  // namespace flense::lint
