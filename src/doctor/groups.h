// The groups of steps in the order of the walk, one file each.
#pragma once

#include "doctor/scene.h"

namespace flense::doctor {

void steps_machine(const Scene& scene, std::vector<Step>& steps);
void steps_injection(const Scene& scene, std::vector<Step>& steps);
void steps_nvidia_module(const Scene& scene, std::vector<Step>& steps);
void steps_nvidia_nodes(const Scene& scene, std::vector<Step>& steps);
void steps_platform(const Scene& scene, std::vector<Step>& steps);
void steps_library(const Scene& scene, std::vector<Step>& steps);
void steps_visible(const Scene& scene, std::vector<Step>& steps);
void steps_amd(const Scene& scene, std::vector<Step>& steps);
void steps_services(const Scene& scene, std::vector<Step>& steps);
void steps_fabric(const Scene& scene, std::vector<Step>& steps);
void steps_slim_image(const Scene& scene, std::vector<Step>& steps);
void steps_engines(const Scene& scene, std::vector<Step>& steps);
void steps_frameworks(const Scene& scene, std::vector<Step>& steps);

}  // namespace flense::doctor
