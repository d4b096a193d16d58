// Who may open the nodes of the driver, against who runs in the container.
#include "base/format.h"
#include "compat/facts/facts.h"
#include "compat/rules/rules.h"

namespace flense::compat {

void rule_device_access(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question) || needs_cuda(question) != Answer::kYes) return;
  const host::Text& access = question.host.nvidia.node_access;
  if (!access.value || access.value->size() < 6 || access.value->front() != '0') return;
  const auto opens = [](char digit) { return digit == '6' || digit == '7'; };
  const std::string mode = access.value->substr(0, 4), owners = access.value->substr(5);
  if (opens(mode[3])) return;
  const std::string group = owners.substr(std::min(owners.find(':'), owners.size() - 1) + 1);
  const bool grouped = opens(mode[2]) && group != "root";
  // Of these the user on the host decides; elsewhere the user of the image.
  const bool of_host =
      question.launcher == Launcher::kApptainer || question.launcher == Launcher::kEnroot ||
      question.launcher == Launcher::kFlense || question.launcher == Launcher::kPodman;
  if (!of_host && question.image.user.empty()) return;
  Check check{"visible-devices", Verdict::kWarn, "", {}, "", ""};
  check.message = fmt::format(
      "/dev/nvidia* are open to root{} alone, and {}",
      grouped ? " and group " + group : std::string(),
      of_host
          ? fmt::format("{} runs programs as the user who starts it", to_string(question.launcher))
          : fmt::format("the image runs as {} (no permission: error 100)", question.image.user));
  if (!grouped && question.launcher != Launcher::kPodman) check.verdict = Verdict::kFail;
  check.evidence = {{"host", fmt::format("{}: {}", access.evidence, *access.value)}};
  if (!of_host) check.evidence.push_back({"image", "USER " + question.image.user});
  const std::string open_all =
      "options nvidia NVreg_DeviceFileMode=0666 in /etc/modprobe.d, then load the module again";
  check.fix = !grouped  ? open_all
              : of_host ? fmt::format(
                              "add the users to group {} (podman run --group-add keep-groups), "
                              "or {}",
                              group, open_all)
                        : fmt::format("start with --group-add and the number of group {}, or {}",
                                      group, open_all);
  check.source = "NVIDIA driver README: NVreg_DeviceFileMode, NVreg_DeviceFileGID";
  checks.push_back(std::move(check));
}

}  // namespace flense::compat
