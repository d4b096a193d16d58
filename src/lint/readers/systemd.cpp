// systemd units (systemd.service(5)) whose ExecStart= starts a container with docker or podman.
#include <algorithm>

#include "lint/readers/launch_words.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"
#include "lint/readers/unit_file.h"

namespace flense::lint {

namespace {

/// The command of ExecStart=, without systemd's prefixes; where that is a shell's -c, its script.
Span command_of(const UnitEntry& entry) {
  const std::string_view text = entry.value.text;
  const std::size_t first = std::min(text.find_first_not_of("-@:+!"), text.size());
  const Span whole{entry.value.span.begin + first, entry.value.span.end};
  const std::vector<Word> words = split_words(text.substr(first), whole.begin);
  if (words.size() < 3) return whole;
  const std::string program = words[0].text.substr(words[0].text.rfind('/') + 1);
  if (program != "sh" && program != "bash") return whole;
  for (std::size_t at = 1; at + 1 < words.size(); ++at) {
    if (!words[at].text.starts_with('-') || !words[at].text.ends_with('c')) continue;
    Span script = words[at + 1].span;
    const bool quoted = script.end - script.begin >= 2 &&
                        words[at + 1].text.size() + 2 <= script.end - script.begin;
    return quoted ? Span{script.begin + 1, script.end - 1} : script;
  }
  return whole;
}

}  // namespace

FileContent read_systemd(const SourceText& source) {
  UnitFile unit = parse_unit(source);
  FileContent out;
  out.problems = std::move(unit.problems);
  for (const UnitEntry& entry : unit.entries) {
    if (entry.section != "Service" || entry.key.text != "ExecStart") continue;
    // systemd also allows comments inside a continued line.
    const ShellText text =
        split_shell(source.text(), command_of(entry), {.dockerfile_lines = true});
    for (Workload& workload : launched_by(text.commands, source.path())) {
      workload.kind = WorkloadKind::kSystemd;
      out.workloads.push_back(std::move(workload));
    }
  }
  return out;
}

}  // namespace flense::lint
