#include "cdi/install/refresh_units.h"

#include "base/format.h"

namespace flense::cdi {

namespace {

/// One word of a command line in a unit: quoted, without what systemd would expand.
std::string quoted(const std::string& word) {
  std::string out = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '%' || c == '$') out += c;
    out += c;
  }
  return out + "\"";
}

}  // namespace

RefreshUnits refresh_units(const std::string& program, const std::vector<Refreshed>& specs,
                           bool user, const std::string& config_home) {
  constexpr std::string_view kName = "flense-cdi-refresh";
  const std::string folder = user ? config_home + "/systemd/user" : "/etc/systemd/system";
  const std::string wanted = user ? "default.target" : "multi-user.target";
  const auto unit = [&](std::string_view suffix) {
    return fmt::format("{}/{}.{}", folder, kName, suffix);
  };
  std::string commands;
  for (const Refreshed& spec : specs)
    commands += fmt::format(
        "ExecStart={} cdi generate --mode {}{} --output {}\n", quoted(program), spec.mode,
        spec.vendor.empty() ? "" : " --vendor " + quoted(spec.vendor), quoted(spec.file));
  RefreshUnits out;
  // An unchanged specification is not rewritten, so that engines do not read it again.
  out.files.emplace_back(unit("service"), fmt::format(R"([Unit]
Description=Make the CDI specification of this machine's GPUs anew
ConditionPathExists=|/proc/driver/nvidia/version
ConditionPathExists=|/dev/kfd
ConditionPathExists=|/dev/dxg

[Service]
Type=oneshot
{}
[Install]
WantedBy={}
)",
                                                      commands, wanted));
  out.files.emplace_back(unit("path"), fmt::format(R"([Unit]
Description=Watch for device nodes of GPU drivers

[Path]
PathChanged=/dev/nvidiactl
PathChanged=/dev/nvidia-uvm
PathChanged=/dev/kfd
Unit={}.service

[Install]
WantedBy={}
)",
                                                   kName, wanted));
  out.files.emplace_back(unit("timer"), fmt::format(R"([Unit]
Description=Look for changed MIG instances, of which the kernel sends no event

[Timer]
OnBootSec=1min
OnUnitInactiveSec=1min
AccuracySec=10s
Unit={}.service

[Install]
WantedBy=timers.target
)",
                                                    kName));
  const auto enable = [&](const std::string& target, std::string_view suffix) {
    out.links.emplace_back(fmt::format("{}/{}.wants/{}.{}", folder, target, kName, suffix),
                           fmt::format("../{}.{}", kName, suffix));
  };
  enable(wanted, "service");
  enable(wanted, "path");
  enable("timers.target", "timer");
  if (!user)
    out.files.emplace_back(
        fmt::format("/etc/udev/rules.d/71-{}.rules", kName),
        fmt::format(R"(# A driver was loaded: the majors of its nodes may be others than before.
ACTION=="add", SUBSYSTEM=="module", KERNEL=="nvidia|nvidia_uvm|amdgpu", TAG+="systemd", ENV{{SYSTEMD_WANTS}}+="{}.service"
)",
                    kName));
  return out;
}

}  // namespace flense::cdi
