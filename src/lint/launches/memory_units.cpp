// Kubernetes' sizes with the unit "m", which is a thousandth: "100m" of memory is a tenth of a
// byte.
#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/workload_facts.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using text::YamlNode;

/// "100m" means "100M" or "100Mi"; "64000000000m" is what a program writes of 64 MB.
bool is_slip(std::string_view text) {
  return text.size() > 1 && text.size() < 8 && text.ends_with('m') && text.front() != '0' &&
         text.find_first_not_of("0123456789.") == text.size() - 1;
}

void tell(const ProjectFile& file, const YamlNode& size, std::string_view name,
          std::string_view outcome, FindingSink& sink) {
  if (!size.is_scalar() || !is_slip(size.text)) return;
  const std::string number = size.text.substr(0, size.text.size() - 1);
  Finding& found =
      sink.add("kubernetes-memory-unit", file, span_of(size.at),
               fmt::format("{} is {}, and m is a thousandth: {}", name, size.text, outcome));
  found.evidence = {"Kubernetes documentation, Resource Management: the units of memory"};
  found.fix = fmt::format("write {}Mi", number);
}

void judge_container(const ProjectFile& file, const YamlNode& container, FindingSink& sink) {
  for (const std::string_view name : {"memory", "ephemeral-storage"}) {
    const YamlNode& resources = container["resources"];
    tell(file, resources["requests"][name], fmt::format("the request for {}", name),
         "the pod reserves a byte, and may be placed where no memory is left", sink);
    tell(file, resources["limits"][name], fmt::format("the limit of {}", name),
         "the container gets a byte, and does not start", sink);
  }
}

}  // namespace

void judge_memory_units(const Project& project, const std::vector<FileView>& /*views*/,
                        FindingSink& sink) {
  for (const auto& file : project.files)
    for (const Workload& workload : file->workloads)
      if (workload.kind == WorkloadKind::kKubernetes && workload.node != nullptr &&
          !workload.gpus.empty())
        judge_container(*file, *workload.node, sink);
}

}  // namespace flense::lint
