#include "cli/run/flag_table.h"

#include <array>

#include "base/ascii.h"

namespace flense::cli {

namespace {

using enum FlagKind;

constexpr std::string_view kBoth = "docker, podman", kDocker = "docker", kPodman = "podman",
                           kApptainer = "apptainer", kAll = "docker, podman, apptainer",
                           kEnroot = "enroot";

constexpr std::string_view kNetworkHint =
    "the network is the host's, with its addresses and names; --network none gives none";
constexpr std::string_view kLimitsHint =
    "--memory, --cpus and --pids-limit are the limits; the batch system's hold as well";
constexpr std::string_view kHealthHint =
    "nobody watches a container: let the batch system or a service manager do it";
constexpr std::string_view kLogHint = "output goes to standard output and error: redirect it";
constexpr std::string_view kPullHint =
    "skopeo fetches: set it up in registries.conf, or by skopeo login";
constexpr std::string_view kIdsHint = "--sub-ids maps the ids of /etc/subuid and /etc/subgid";
constexpr std::string_view kDetachHint =
    "flense run --name NAME … & starts it beside the shell, systemd-run --user as a service; exec "
    "enters it, kill ends it";
constexpr std::string_view kStopHint =
    "signals reach the command as they are sent: kill -NAME, timeout -s NAME";
constexpr std::string_view kPublishHint =
    "the network is the host's: what listens on a port is there, so N:N is accepted; let the "
    "program "
    "listen on the other port. Apptainer's -p is --pid private";
constexpr std::string_view kSharesHint =
    "--cpus and --cpuset-cpus choose processors. Apptainer's -c is --contain";

bool is_no(std::string_view value) {
  return value == "no";
}
bool is_host(std::string_view value) {
  return value == "host";
}
bool is_missing(std::string_view value) {
  return value == "missing" || value == "always" || value == "newer" || value == "ifnotexists";
}
bool is_default(std::string_view value) {
  return value == "default";
}
bool is_zero(std::string_view value) {
  return value == "0" || value == "-1";
}
/// A port that stays what it is, on all addresses.
bool is_same_port(std::string_view value) {
  constexpr std::string_view kEverywhere = "0.0.0.0:";
  if (value.starts_with(kEverywhere)) value.remove_prefix(kEverywhere.size());
  value = value.substr(0, value.find('/'));
  const std::size_t colon = value.find(':');
  return colon != value.npos && value.substr(0, colon) == value.substr(colon + 1);
}

constexpr auto kRunFlags = std::to_array<EngineFlag>({
    // What docker and podman have.
    {"--add-host", "", "NAME:IP", kBoth, kWorks,
     "a line of `/etc/hosts`; `host-gateway` is 127.0.0.1"},
    {"--annotation", "", "NAME=VALUE", kBoth, kWorks, "", "--label"},
    {"--attach", "-a", "STREAM", kBoth, kAccepted, "all three streams are connected"},
    {"--blkio-weight", "", "N", kAll, kAnswered, kLimitsHint},
    {"--cap-add", "", "NAME", kBoth, kWorks,
     "`SYS_PTRACE` everywhere; the eight of `--fake-root` and uid 0 of `--sub-ids` there"},
    {"--cap-drop", "", "NAME", kBoth, kWorks, "`ALL` or one of those that the mode has"},
    {"--cgroup-parent", "", "GROUP", kBoth, kAnswered,
     "start flense in that group: systemd-run --slice"},
    {"--cgroupns",
     "",
     "KIND",
     kBoth,
     kAnswered,
     "the host's is used; --isolate keeps it from making its own",
     {},
     is_host},
    {"--cidfile", "", "FILE", kBoth, kWorks, "the container's name, for `exec`; FILE must be new"},
    {"--cpu-period", "", "N", kBoth, kAnswered, "--cpus N limits processor time"},
    {"--cpu-quota", "", "N", kBoth, kAnswered, "--cpus N limits processor time"},
    {"--cpu-shares", "-c", "N", kAll, kAnswered, kSharesHint},
    {"--cpus", "", "N", kAll, kWorks, "where control groups are delegated"},
    {"--cpuset-cpus", "", "LIST", kAll, kWorks,
     "the command starts on these processors; it may leave them"},
    {"--cpuset-mems", "", "LIST", kAll, kWorks, "memory is taken on these NUMA nodes first"},
    {"--detach", "-d", "", kBoth, kAnswered, kDetachHint},
    {"--detach-keys", "", "KEYS", kBoth, kAccepted, "nothing detaches"},
    {"--device", "", "NAME", kAll, kWorks,
     "a CDI device, a node of `/dev`, `A:B` for another name"},
    {"--device-cgroup-rule", "", "RULE", kBoth, kAnswered, "--device names each node"},
    {"--disable-content-trust", "", "", kDocker, kAccepted,
     "digests are checked, signatures are not"},
    {"--dns", "", "IP", kAll, kWorks, "a nameserver in `/etc/resolv.conf`, instead of the host's"},
    {"--dns-option", "", "WORD", kBoth, kWorks, "an option in `/etc/resolv.conf`"},
    {"--dns-opt", "", "WORD", kBoth, kWorks, "", "--dns-option"},
    {"--dns-search", "", "DOMAIN", kBoth, kWorks, "a search domain in `/etc/resolv.conf`"},
    {"--domainname", "", "NAME", kDocker, kAnswered, "--hostname takes a full name"},
    {"--entrypoint", "", "PROGRAM", kBoth, kWorks, "`\"\"` takes the image's away"},
    {"--env", "-e", "NAME=VALUE", kAll, kWorks,
     "one variable each; Apptainer's `-e` is `--cleanenv`"},
    {"--env-file", "", "FILE", kAll, kWorks, "a variable a line"},
    {"--env-host", "", "", kPodman, kAnswered, "-e NAME takes one variable along"},
    {"--expose", "", "PORT", kBoth, kAccepted, "the network is the host's"},
    {"--gpus", "", "GPUS", kBoth, kWorks, ""},
    {"--group-add", "", "GROUP", kBoth, kWorks, "yours are kept; root may add others"},
    {"--health-cmd", "", "COMMAND", kBoth, kAnswered, kHealthHint},
    {"--health-interval", "", "TIME", kBoth, kAnswered, kHealthHint},
    {"--health-retries", "", "N", kBoth, kAnswered, kHealthHint},
    {"--health-start-period", "", "TIME", kBoth, kAnswered, kHealthHint},
    {"--health-timeout", "", "TIME", kBoth, kAnswered, kHealthHint},
    {"--hooks-dir", "", "DIR", kPodman, kAnswered,
     "devices come by --gpus and --device, as CDI says"},
    {"--hostname", "-h", "NAME", kAll, kWorks, "with a UTS namespace; `--help` is the help"},
    {"--http-proxy", "", "", kPodman, kAnswered, "-e http_proxy -e https_proxy take them along"},
    {"--image-volume", "", "KIND", kPodman, kAnswered,
     "volumes of an image are directories; -v mounts on them"},
    {"--init", "", "", kBoth, kWorks,
     "with a PID namespace: a first process that reaps and passes signals on"},
    {"--interactive", "-i", "", kBoth, kAccepted, "standard input is connected"},
    {"--ip", "", "IP", kBoth, kAnswered, kNetworkHint},
    {"--ip6", "", "IP", kBoth, kAnswered, kNetworkHint},
    {"--ipc", "", "KIND", kAll, kWorks, "`host` (default) or `private`; of Apptainer a switch"},
    {"--isolation",
     "",
     "KIND",
     kDocker,
     kAnswered,
     "--isolate gives a container namespaces of its own",
     {},
     is_default},
    {"--kernel-memory", "", "SIZE", kDocker, kAnswered, kLimitsHint},
    {"--label", "-l", "NAME=VALUE", kBoth, kWorks,
     "an annotation `flense.label.NAME` of the container"},
    {"--label-file", "", "FILE", kBoth, kAnswered, "--label NAME=VALUE for each line"},
    {"--link", "", "NAME", kDocker, kAnswered,
     "containers share the host's network: use localhost, or --add-host"},
    {"--log-driver", "", "KIND", kBoth, kAnswered, kLogHint},
    {"--log-opt", "", "WORD", kBoth, kAnswered, kLogHint},
    {"--mac-address", "", "ADDRESS", kBoth, kAnswered, kNetworkHint},
    {"--memory", "-m", "SIZE", kAll, kWorks, "where control groups are delegated"},
    {"--memory-reservation", "", "SIZE", kAll, kAnswered, kLimitsHint},
    {"--memory-swap", "", "SIZE", kAll, kAnswered, kLimitsHint, {}, is_zero},
    {"--memory-swappiness", "", "N", kBoth, kAnswered, kLimitsHint, {}, is_zero},
    {"--mount", "", "SPEC", kAll, kWorks, "`type=bind` or `type=tmpfs`"},
    {"--name", "", "NAME", kBoth, kWorks, "for `exec` and `shell`"},
    {"--network", "", "KIND", kAll, kWorks, "`host` (default) or `none`"},
    {"--net", "", "KIND", kBoth, kWorks, "of Apptainer a switch", "--network"},
    {"--network-alias", "", "NAME", kBoth, kAnswered, "--add-host NAME:127.0.0.1"},
    {"--no-healthcheck", "", "", kBoth, kAccepted, "there is none"},
    {"--no-hosts", "", "", kPodman, kAnswered,
     "/etc/hosts is the host's; -v FILE:/etc/hosts brings another"},
    {"--oom-kill-disable", "", "", kAll, kAnswered, kLimitsHint},
    {"--oom-score-adj", "", "N", kBoth, kAnswered, "choom -n N -- flense run …"},
    {"--pid", "", "KIND", kAll, kWorks, "`host` (default) or `private`; of Apptainer a switch"},
    {"--pidfile", "", "FILE", kPodman, kAnswered,
     "flense becomes crun with the process id that it has: $!"},
    {"--pids-limit", "", "N", kAll, kWorks, "where control groups are delegated; -1 is no limit"},
    {"--platform", "", "OS/ARCH", kBoth, kWorks, ""},
    {"--arch", "", "ARCH", kPodman, kAnswered, "--platform linux/ARCH"},
    {"--os", "", "OS", kPodman, kAnswered, "--platform OS/ARCH"},
    {"--pod", "", "NAME", kPodman, kAnswered,
     "containers of one user share network, processes and memory already"},
    {"--preserve-fds", "", "N", kPodman, kAnswered,
     "a container gets standard input, output and error, and nothing else"},
    {"--privileged", "", "", kBoth, kAnswered,
     "a container has no more than you have: leave it out, and name devices by --gpus and "
     "--device"},
    {"--publish", "-p", "PORT", kBoth, kAnswered, kPublishHint, {}, is_same_port},
    {"--publish-all", "-P", "", kBoth, kAccepted, "the network is the host's"},
    {"--pull",
     "",
     "WHEN",
     kBoth,
     kAnswered,
     "a registry is asked at each start, for what is missing: never needs an image in a file",
     {},
     is_missing},
    {"--read-only", "", "", kBoth, kAccepted, "the root is read-only; /run is memory"},
    {"--read-only-tmpfs", "", "", kPodman, kAccepted, "/run is memory, /tmp the host's"},
    {"--replace", "", "", kPodman, kAnswered, "end the one that runs: kill its process"},
    {"--restart",
     "",
     "WHEN",
     kBoth,
     kAnswered,
     "a service manager or the batch system starts again: systemd-run, sbatch --requeue",
     {},
     is_no},
    {"--rm", "", "", kBoth, kAccepted, "nothing remains of a container"},
    {"--rmi", "", "", kPodman, kAnswered, "flense cache prune removes what was unpacked"},
    {"--rootfs", "", "", kPodman, kAccepted, "a directory is an image"},
    {"--runtime", "", "NAME", kBoth, kAnswered, "--gpus all gives the GPUs, by the host's crun"},
    {"--secret", "", "NAME", kPodman, kAnswered, "-v FILE:/run/secrets/NAME:ro"},
    {"--security-opt", "", "WORD", kBoth, kWorks,
     "`seccomp=FILE`, `seccomp=unconfined`; `no-new-privileges` always holds"},
    {"--shm-size", "", "SIZE", kBoth, kWorks, "a `/dev/shm` of its own"},
    {"--sig-proxy", "", "", kBoth, kAccepted, "signals reach the command"},
    {"--stop-signal", "", "NAME", kBoth, kAnswered, kStopHint},
    {"--stop-timeout", "", "SECONDS", kBoth, kAnswered, kStopHint},
    {"--storage-opt", "", "WORD", kBoth, kAnswered, "--overlay DIR keeps changes in DIR"},
    {"--sysctl", "", "NAME=VALUE", kBoth, kWorks,
     "of the container's own namespaces: `net.*` with `--network none`, …"},
    {"--systemd",
     "",
     "WHEN",
     kPodman,
     kAnswered,
     "nothing of the host is changed for systemd: name the program to start",
     {},
     is_no},
    {"--timeout", "", "SECONDS", kPodman, kAnswered, "timeout SECONDS flense run …"},
    {"--tls-verify", "", "BOOL", kPodman, kAnswered, kPullHint},
    {"--authfile", "", "FILE", kPodman, kAnswered, "REGISTRY_AUTH_FILE=FILE flense run …"},
    {"--creds", "", "NAME:PASSWORD", kPodman, kAnswered, kPullHint},
    {"--cert-dir", "", "DIR", kPodman, kAnswered, kPullHint},
    {"--tmpfs", "", "DIR[:WORDS]", kBoth, kWorks, "`size=`, `mode=`, `ro`, `exec`"},
    {"--tty", "-t", "", kBoth, kWorks, ""},
    {"--tz", "", "ZONE", kPodman, kAnswered, "-e TZ=ZONE"},
    {"--uidmap", "", "MAP", kPodman, kAnswered, kIdsHint},
    {"--gidmap", "", "MAP", kPodman, kAnswered, kIdsHint},
    {"--subuidname", "", "NAME", kPodman, kAnswered, kIdsHint},
    {"--subgidname", "", "NAME", kPodman, kAnswered, kIdsHint},
    {"--ulimit", "", "NAME=SOFT[:HARD]", kBoth, kWorks,
     "as far as your own hard limit; a message says where that ends"},
    {"--umask", "", "MASK", kPodman, kAnswered, "the mask is 0022: sh -c 'umask MASK; exec …'"},
    {"--unsetenv", "", "NAME", kPodman, kAnswered,
     "-e NAME= empties a variable; env -u NAME takes it away"},
    {"--use-api-socket", "", "", kDocker, kAnswered,
     "-v /var/run/docker.sock:/var/run/docker.sock, if you may use it"},
    {"--user", "-u", "USER", kBoth, kWorks, "your id inside; outside it is still you"},
    {"--userns", "", "KIND", kBoth, kWorks,
     "`host`, `keep-id` (the default does it), `auto` as root; of Apptainer a switch"},
    {"--uts", "", "KIND", kAll, kWorks, "`host` (default) or `private`; of Apptainer a switch"},
    {"--volume", "-v", "SRC:DST", kBoth, kWorks,
     "`ro`, `rslave`, `rshared`, `noexec`; `z`, `Z` change nothing; no named volumes"},
    {"--volume-driver", "", "NAME", kDocker, kAnswered, "-v DIR:DST binds a directory"},
    {"--volumes-from", "", "NAME", kBoth, kAnswered, "-v DIR:DST for each of them"},
    {"--workdir", "-w", "DIR", kBoth, kWorks, "Apptainer's `-w` is `--writable`"},
    // What apptainer has.
    {"--add-caps", "", "NAMES", kApptainer, kWorks, "", "--cap-add"},
    {"--allow-setuid", "", "", kApptainer, kAnswered,
     "set-uid bits do nothing, whoever starts it; --fake-root pretends to be root"},
    {"--app", "", "NAME", kApptainer, kAnswered,
     "--entrypoint /scif/apps/NAME/scif/runscript starts it"},
    {"--apply-cgroups", "", "FILE", kApptainer, kAnswered, kLimitsHint},
    {"--bind", "-B", "SRC:DST,…", kApptainer, kWorks, "several with commas"},
    {"--cdi-dirs", "", "DIR", kApptainer, kWorks, "", "--cdi-spec-dir"},
    {"--cleanenv", "", "", kApptainer, kAccepted,
     "of your variables the batch system's alone pass"},
    {"--compat", "", "", kApptainer, kWorks, "`--containall` and `--writable`"},
    {"--contain", "", "", kApptainer, kWorks, "fresh `/tmp`; neither home nor working directory"},
    {"--containall", "-C", "", kApptainer, kWorks, "`--isolate` with the host's network and name"},
    {"--cwd", "", "DIR", kApptainer, kWorks, "", "--workdir"},
    {"--disable-cache", "", "", kApptainer, kAnswered, "FLENSE_CACHE=DIR puts the cache elsewhere"},
    {"--docker-login", "", "", kApptainer, kAnswered, kPullHint},
    {"--drop-caps", "", "NAMES", kApptainer, kWorks, "", "--cap-drop"},
    {"--fakeroot", "-f", "", kApptainer, kWorks, "", "--fake-root"},
    {"--fusemount", "", "SPEC", kApptainer, kAnswered,
     "mount it on the host, and bind that: -v DIR:DST"},
    {"--home", "-H", "SRC[:DST]", kApptainer, kWorks, "instead of your home"},
    {"--ignore-fakeroot-command", "", "", kApptainer, kAccepted, "none is used"},
    {"--ignore-subuid", "", "", kApptainer, kAccepted, "--sub-ids alone uses it"},
    {"--intel-hpu", "", "", kApptainer, kAnswered, "--device takes a CDI name of that vendor"},
    {"--keep-privs", "", "", kApptainer, kAnswered,
     "root's container has no capability; --fake-root gives eight over its own ids"},
    {"--netns-path", "", "FILE", kApptainer, kAnswered,
     "ip netns exec NAME flense run … keeps that network"},
    {"--network-args", "", "WORDS", kApptainer, kAnswered, kNetworkHint},
    {"--no-eval", "", "", kApptainer, kAccepted, "nothing is evaluated"},
    {"--no-home", "", "", kApptainer, kWorks, ""},
    {"--no-https", "", "", kApptainer, kAnswered, kPullHint},
    {"--no-init", "", "", kApptainer, kAccepted, "there is none without `--init`"},
    {"--no-mount", "", "NAMES", kApptainer, kWorks,
     "`home`, `cwd`, `tmp`; `hostfs` and `bind-paths` are never mounted"},
    {"--no-nv", "", "", kApptainer, kAccepted, "no GPU comes unasked"},
    {"--no-privs", "", "", kApptainer, kAccepted, "there are none"},
    {"--no-rocm", "", "", kApptainer, kAccepted, "no GPU comes unasked"},
    {"--no-umask", "", "", kApptainer, kAccepted, "the mask is 0022"},
    {"--nv", "", "", kApptainer, kWorks, ""},
    {"--nvccli", "", "", kApptainer, kAnswered,
     "--nv or --gpus all: flense finds the driver itself, without nvidia-container-cli"},
    {"--overlay", "-o", "DIR", kApptainer, kWorks,
     "a directory; images of an overlay are not mounted"},
    {"--passphrase", "", "", kApptainer, kAnswered,
     "encrypted images are not read: apptainer decrypts them"},
    {"--pem-path", "", "FILE", kApptainer, kAnswered,
     "encrypted images are not read: apptainer decrypts them"},
    {"--pwd", "", "DIR", kApptainer, kWorks, "", "--workdir"},
    {"--rocm", "", "", kApptainer, kWorks, ""},
    {"--scratch", "-S", "DIR,…", kApptainer, kWorks, "fresh memory at DIR"},
    {"--security", "", "WORD", kApptainer, kAnswered, "--security-opt seccomp=FILE, -u USER"},
    {"--sharens", "", "", kApptainer, kAnswered,
     "flense run --name job …, and for each other rank flense exec job …"},
    {"--underlay", "", "", kApptainer, kAccepted,
     "what the image lacks is made without an overlay that copies"},
    {"--unsquash", "", "", kApptainer, kAccepted, "an image is unpacked once on a machine"},
    {"--writable", "", "", kApptainer, kWorks, "in memory; `--overlay DIR` keeps changes"},
    {"--writable-tmpfs", "", "", kApptainer, kWorks, "", "--writable"},
    // What enroot start has.
    {"--rc", "", "FILE", kEnroot, kAnswered, "--entrypoint PROGRAM, with -v FILE:PROGRAM"},
    {"--rw", "", "", kEnroot, kWorks, "", "--writable"},
});

constexpr std::string_view kJoinHint =
    "what joins a container has what it has: give it to flense run";

constexpr auto kExecFlags = std::to_array<EngineFlag>({
    {"--detach", "-d", "", kBoth, kAnswered, "flense exec NAME … & starts it beside the shell"},
    {"--detach-keys", "", "KEYS", kBoth, kAccepted, "nothing detaches"},
    {"--env", "-e", "NAME=VALUE", kAll, kWorks, ""},
    {"--env-file", "", "FILE", kAll, kWorks, ""},
    {"--interactive", "-i", "", kBoth, kAccepted, "standard input is connected"},
    {"--latest", "-l", "", kPodman, kAnswered,
     "name the container; a beginning of its name will do"},
    {"--preserve-fds", "", "N", kPodman, kAnswered,
     "a command gets standard input, output and error"},
    {"--privileged", "", "", kBoth, kAnswered, kJoinHint},
    {"--tty", "-t", "", kBoth, kWorks, ""},
    {"--user", "-u", "USER", kBoth, kAnswered, kJoinHint},
    {"--workdir", "-w", "DIR", kBoth, kWorks, ""},
    {"--cwd", "", "DIR", kApptainer, kWorks, "", "--workdir"},
    {"--pwd", "", "DIR", kApptainer, kWorks, "", "--workdir"},
});

constexpr auto kShellFlags = std::to_array<EngineFlag>({
    {"--cwd", "", "DIR", kApptainer, kWorks, "", "--workdir"},
    {"--pwd", "", "DIR", kApptainer, kWorks, "", "--workdir"},
    {"--shell", "-s", "PROGRAM", kApptainer, kAnswered, "flense exec -it NAME PROGRAM"},
});

}  // namespace

std::span<const EngineFlag> flags_of_run() {
  return kRunFlags;
}
std::span<const EngineFlag> flags_of_exec() {
  return kExecFlags;
}
std::span<const EngineFlag> flags_of_shell() {
  return kShellFlags;
}

}  // namespace flense::cli
