// What reads the kinds of files that launch containers. Each fills the workloads of the file, and
// its problems with what it could not read.
#pragma once

#include "lint/project/project.h"

namespace flense::lint {

void read_compose(ProjectFile& file);
void read_kubernetes(ProjectFile& file);
void read_bake_hcl(ProjectFile& file);
void read_bake_json(ProjectFile& file);
void read_quadlet(ProjectFile& file);
void read_systemd(ProjectFile& file);
void read_shell(ProjectFile& file);

}  // namespace flense::lint
