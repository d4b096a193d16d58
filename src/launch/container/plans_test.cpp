// Decisions of a launch as values: the words that were typed, what runs, what is mounted, the OCI
// configuration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "launch/container/crun.h"
#include "launch/container/image_settings.h"
#include "launch/container/mount_plan.h"
#include "launch/container/mount_targets.h"
#include "launch/container/oci_config.h"
#include "launch/container/process_plan.h"
#include "launch/container/run_options.h"

namespace flense::launch {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

template <class T>
T must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << render(result.error());
    std::abort();
  }
  return std::move(*result);
}

TEST(Volumes, AsDockerAndApptainerWriteThem) {
  EXPECT_EQ(must(parse_volume("/a:/b", "/w")),
            (MountRequest{MountRequest::Kind::kBind, "/a", "/b", false, {}}));
  EXPECT_EQ(must(parse_volume("/a:/b:ro", "/w")).read_only, true);
  EXPECT_EQ(must(parse_volume("/a:/b:rw,z", "/w")).read_only, false);
  EXPECT_EQ(must(parse_volume("/a", "/w")).target, "/a");
  EXPECT_EQ(must(parse_volume("./data:/b/../c/", "/w")).source, "/w/data");
  EXPECT_EQ(must(parse_volume("./data:/b/../c/", "/w")).target, "/c");
  for (const char* bad :
       {"name:/b", "/a:b", "/a:/", "/a:/..", "/a:/b:sometimes", "/a:/b:ro:x", ""}) {
    const auto parsed = parse_volume(bad, "/w");
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Code::kUsage) << bad;
  }
}

TEST(Mounts, AsDockerWritesThem) {
  EXPECT_EQ(must(parse_mount("type=bind,src=/a,dst=/b,readonly", "/w")),
            (MountRequest{MountRequest::Kind::kBind, "/a", "/b", true, {}}));
  EXPECT_EQ(must(parse_mount("source=/a,target=/b", "/w")).kind, MountRequest::Kind::kBind);
  const MountRequest memory = must(parse_mount("type=tmpfs,dst=/scratch,size=1MiB", "/w"));
  EXPECT_EQ(memory.kind, MountRequest::Kind::kTmpfs);
  EXPECT_EQ(memory.size, 1u << 20);
  for (const char* bad :
       {"type=volume,dst=/b", "type=bind,dst=/b", "src=/a", "src=/a,dst=/b,what=1"})
    EXPECT_FALSE(parse_mount(bad, "/w")) << bad;
}

TEST(Variables, FromTheLineTheFileAndTheHost) {
  const auto host = [](std::string_view name) -> std::optional<std::string> {
    return name == "TOKEN" ? std::optional<std::string>("t=1") : std::nullopt;
  };
  EXPECT_EQ(must(parse_variable("A=b=c", host)), "A=b=c");
  EXPECT_EQ(must(parse_variable("TOKEN", host)), "TOKEN=t=1");
  EXPECT_EQ(must(parse_variable("NONE", host)), std::nullopt);
  EXPECT_FALSE(parse_variable("=b", host));
  EXPECT_FALSE(parse_variable(std::string_view("A=b\0c", 5), host));
  EXPECT_FALSE(parse_env_file(std::string_view("A=b\0c\n", 6), "f", host));
  EXPECT_THAT(must(parse_env_file("# x\n\nA=1\r\nTOKEN\nNONE\nB= 2", "f", host)),
              ElementsAre("A=1", "TOKEN=t=1", "B= 2"));
  EXPECT_THAT(must(parse_env_file("export A=1\nexport TOKEN\nexported=2", "f", host)),
              ElementsAre("A=1", "TOKEN=t=1", "exported=2"));
  const auto bad = parse_env_file("A=1\n=2\n", "f", host);
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().context, Contains("reading f:2"));
}

TEST(Names, OfContainers) {
  EXPECT_TRUE(check_name("job_1.a-b"));
  for (const char* bad : {"", ".", "..", "-a", "a/b", "a b"}) EXPECT_FALSE(check_name(bad)) << bad;
  EXPECT_FALSE(check_name(std::string(129, 'a')));
}

TEST(Settings, OfAnImage) {
  const auto read = [](const char* text) {
    return image_settings(must(text::parse_json(text, "config")));
  };
  const ImageSettings all = must(read(
      R"({"config":{"Env":["A=1"],"Entrypoint":["/e"],"Cmd":["c"],"WorkingDir":"/w","User":"u"}})"));
  EXPECT_THAT(all.env, ElementsAre("A=1"));
  EXPECT_THAT(all.entrypoint, ElementsAre("/e"));
  EXPECT_EQ(all.working_directory, "/w");
  EXPECT_TRUE(must(image_settings(text::Json())).command.empty());
  EXPECT_TRUE(must(read(R"({"config":{"Cmd":null}})")).command.empty());
  EXPECT_FALSE(read(R"({"config":{"Env":[1]}})"));
  EXPECT_FALSE(read(R"({"config":{"Cmd":["a\u0000b"]}})"));
  EXPECT_FALSE(read(R"({"config":{"Entrypoint":"/bin/sh -c x"}})"));
  EXPECT_FALSE(read(R"({"config":{"User":"/proc/self/fd/5"}})"));
}

struct Process {
  RunOptions options;
  ImageSettings image{
      {"PATH=/bin", "A=image", "LD_PRELOAD=/evil.so"}, {"/entry"}, {"cmd"}, "/app", "app"};
  Caller caller{{"me", 1001, 1002, "/home/me", "/bin/sh"}, "us", "/home/me/work", {}, {}};
  bool bound = true;
  std::vector<std::string> host{"SLURM_PROCID=3", "SECRET=1", "TERM=vt100"}, devices;
  std::string passwd = "app:x:33:44::/:/bin/sh\n";

  Result<ProcessPlan> plan() const {
    return plan_process({options, image, caller, passwd, "", bound, host, devices});
  }
};

TEST(ProcessPlan, AsTheImageSays) {
  const ProcessPlan plan = must(Process().plan());
  EXPECT_THAT(plan.args, ElementsAre("/entry", "cmd"));
  EXPECT_EQ(plan.cwd, "/app");
  EXPECT_EQ(plan.user.uid, 1001U);
  EXPECT_EQ(plan.user.gid, 1002U);
  EXPECT_THAT(plan.env.items(), ElementsAre("PATH=/bin", "A=image", "LD_PRELOAD=/evil.so",
                                            "SLURM_PROCID=3", "HOME=/home/me", "USER=me"));
}

TEST(ProcessPlan, TheUsersWordAbove) {
  Process process;
  process.options.command = {"other"};
  process.options.env = {"A=mine", "HOME=/elsewhere"};
  process.options.workdir = "/x";
  ProcessPlan plan = must(process.plan());
  EXPECT_THAT(plan.args, ElementsAre("/entry", "other"));
  EXPECT_EQ(plan.cwd, "/x");
  EXPECT_EQ(plan.env.get("A"), "mine");
  EXPECT_EQ(plan.env.get("HOME"), "/elsewhere");

  process.options.entrypoint = "/bin/sh";
  process.options.command = {};
  EXPECT_THAT(must(process.plan()).args, ElementsAre("/bin/sh"));
  process.options.user = "app";
  EXPECT_EQ(must(process.plan()).user.gid, 44U);
  process.options.user = "nobody";
  EXPECT_FALSE(process.plan());
}

TEST(ProcessPlan, IsolatedNothingOfTheHost) {
  Process process;
  process.options.isolate = true;
  const ProcessPlan plan = must(process.plan());
  EXPECT_EQ(plan.env.get("SLURM_PROCID"), std::nullopt);
  EXPECT_EQ(plan.env.get("HOME"), "/tmp");
}

TEST(ProcessPlan, WithoutWordsOfTheImage) {
  Process process;
  process.image = {};
  const auto none = process.plan();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::kUsage);
  process.options.command = {"true"};
  EXPECT_EQ(must(process.plan()).cwd, "/home/me/work");
  process.bound = false;
  EXPECT_EQ(must(process.plan()).cwd, "/");
  EXPECT_THAT(must(process.plan()).env.items(), Contains(HasSubstr("PATH=/usr/local/sbin")));
}

TEST(ProcessPlan, TheLaterWordStands) {
  Process process;
  process.image.env = {"PATH=/image", "A=image", "B=image", "C=image", "SLURM_PROCID=image"};
  process.options.env = {"A=options", "B=options", "SLURM_PROCID=options"};
  process.devices = {"A=devices", "D=devices"};
  EXPECT_THAT(must(process.plan()).env.items(),
              ElementsAre("PATH=/image", "A=devices", "B=options", "C=image",
                          "SLURM_PROCID=options", "HOME=/home/me", "USER=me", "D=devices"));
}

TEST(ProcessPlan, TheHomeOfWhoItIsInTheRange) {
  Process process;
  process.options.sub_ids = true;
  process.passwd = "app:x:33:44::/srv:/bin/sh\n";
  EXPECT_EQ(must(process.plan()).env.get("HOME"), "/srv");
  process.image.env.emplace_back("HOME=/image");
  EXPECT_EQ(must(process.plan()).env.get("HOME"), "/image");
}

struct Mounting {
  RunOptions options;
  Caller caller{{"me", 1001, 1002, "/home/me", "/bin/sh"}, "us", "/scratch/job", {}, {}};
  std::map<std::string, FileKind, std::less<>> host{
      {"/dev/shm", FileKind::kDirectory}, {"/tmp", FileKind::kDirectory},
      {"/var/tmp", FileKind::kDirectory}, {"/home/me", FileKind::kDirectory},
      {"/etc/hosts", FileKind::kFile},    {"/scratch/job", FileKind::kDirectory},
      {"/data", FileKind::kDirectory},    {"/data/file", FileKind::kFile}};
  std::map<std::string, FileKind, std::less<>> image{{"/", FileKind::kDirectory},
                                                     {"/home", FileKind::kDirectory},
                                                     {"/opt", FileKind::kDirectory},
                                                     {"/etc/hosts", FileKind::kFile}};
  std::set<std::string, std::less<>> empty{"/home"};

  static FileKind kind(const std::map<std::string, FileKind, std::less<>>& of,
                       std::string_view path) {
    const auto at = of.find(path);
    return at == of.end() ? FileKind::kMissing : at->second;
  }
  PathKinds look() const {
    return {[this](std::string_view path) { return kind(host, path); },
            [this](std::string_view path) { return kind(image, path); },
            [this](std::string_view path) { return empty.contains(path); }};
  }
  Result<MountPlan> plan() const {
    const PathKinds at = look();
    return plan_mounts({options, caller, at});
  }
  static const OciMount* at(const MountPlan& plan, std::string_view destination) {
    for (const OciMount& mount : plan.mounts)
      if (mount.destination == destination) return &mount;
    return nullptr;
  }
};

TEST(MountPlan, TheCallersPlacesByDefault) {
  const Mounting mounting;
  const MountPlan plan = must(mounting.plan());
  for (const char* place : {"/tmp", "/var/tmp", "/home/me", "/scratch/job", "/dev/shm"}) {
    ASSERT_NE(Mounting::at(plan, place), nullptr) << place;
    EXPECT_EQ(*Mounting::at(plan, place), (OciMount{place, "bind", place, {"rbind", "rw"}}));
  }
  EXPECT_THAT(Mounting::at(plan, "/sys")->options, Contains("rro"));
  const PathKinds look = mounting.look();
  MountInput old{mounting.options, mounting.caller, look};
  old.recursive_read_only = false;
  EXPECT_THAT(Mounting::at(must(plan_mounts(old)), "/sys")->options, Contains("ro"));
  EXPECT_EQ(Mounting::at(plan, "/dev")->type, "tmpfs");
  EXPECT_TRUE(plan.directory_bound);
}

TEST(MountPlan, AnImagesOwnDirectoryIsNotHidden) {
  Mounting mounting;
  mounting.image["/scratch/job"] = FileKind::kDirectory;
  const MountPlan plan = must(mounting.plan());
  EXPECT_EQ(Mounting::at(plan, "/scratch/job"), nullptr);
  EXPECT_FALSE(plan.directory_bound);
  EXPECT_THAT(plan.reasons, Contains(HasSubstr("the image has its own /scratch/job")));
  mounting.image["/home/me"] = FileKind::kFile;
  EXPECT_EQ(Mounting::at(must(mounting.plan()), "/home/me"), nullptr);
}

TEST(MountPlan, IsolatedNothingOfTheHost) {
  Mounting mounting;
  mounting.options.isolate = mounting.options.own_processes = mounting.options.own_ipc = true;
  mounting.options.host_network = false;
  for (const OciMount& mount : must(mounting.plan()).mounts)
    EXPECT_TRUE(mount.type != "bind" || mount.destination == "/sys") << mount.destination;
}

TEST(MountPlan, RequestsReplaceDefaultsAndParentsComeFirst) {
  Mounting mounting;
  mounting.options.mounts = {{MountRequest::Kind::kBind, "/data", "/tmp", true, {}},
                             {MountRequest::Kind::kBind, "/data", "/home", false, {}},
                             {MountRequest::Kind::kTmpfs, "", "/x", false, 4096}};
  const MountPlan plan = must(mounting.plan());
  EXPECT_THAT(Mounting::at(plan, "/tmp")->options, ElementsAre("rbind", "ro"));
  EXPECT_LT(Mounting::at(plan, "/home"), Mounting::at(plan, "/home/me"));
  EXPECT_THAT(Mounting::at(plan, "/x")->options, Contains("size=4096"));
  mounting.options.mounts = {{MountRequest::Kind::kBind, "/nowhere", "/x", false, {}}};
  EXPECT_FALSE(mounting.plan());
  mounting.options.mounts = {{MountRequest::Kind::kBind, "/data", "/proc/1", false, {}}};
  EXPECT_FALSE(mounting.plan());
}

TEST(MountPlan, DevicesReplaceAndWhatIsOursIsCovered) {
  Mounting mounting;
  mounting.options.mounts = {{MountRequest::Kind::kBind, "/data", "/mnt/deep/er", true, {}}};
  const PathKinds look = mounting.look();
  MountInput input{mounting.options, mounting.caller, look};
  input.devices = {{"/data", "/mnt", "bind", {"rbind", "ro"}},
                   {"/data", "/tmp", "bind", {"ro"}},
                   {"/data", "/none", "none", {"rbind"}}};
  input.own = {"/data/cache/roots", "/elsewhere"};
  const MountPlan plan = must(plan_mounts(input));
  EXPECT_LT(Mounting::at(plan, "/mnt"), Mounting::at(plan, "/mnt/deep/er"));
  EXPECT_EQ(*Mounting::at(plan, "/tmp"), (OciMount{"/tmp", "bind", "/data", {"ro"}}));
  std::vector<std::string> covers;
  for (const OciMount& mount : plan.mounts)
    if (mount.options.back() == "size=4k") covers.push_back(mount.destination);
  EXPECT_THAT(covers,
              testing::UnorderedElementsAre("/mnt/cache/roots", "/tmp/cache/roots",
                                            "/none/cache/roots", "/mnt/deep/er/cache/roots"));
}

TEST(MountTargets, MadeWithoutTouchingTheRoot) {
  const Mounting mounting;
  const auto bind = [](const char* from, const char* to) {
    return OciMount{to, "bind", from, {"rbind", "rw"}};
  };
  const TargetPlan plan = must(plan_targets(
      {bind("/data", "/opt"), bind("/data", "/home/me"), bind("/data", "/home/you"),
       bind("/data", "/opt/new/deep"), bind("/data/file", "/srv/conf"), bind("/data", "/data")},
      mounting.look()));
  std::vector<std::string> order;
  for (const OciMount& mount : plan.mounts) order.push_back(mount.type + " " + mount.destination);
  EXPECT_THAT(order, ElementsAre("bind /opt", "tmpfs /home", "bind /home/me", "bind /home/you",
                                 "bind /opt/new/deep", "bind /srv/conf", "bind /data"));
  EXPECT_THAT(plan.missing,
              ElementsAre(MissingTarget{"srv/conf", false}, MissingTarget{"data", true}));
}

TEST(MountTargets, RefusesWhatCannotBeMountedOn) {
  const Mounting mounting;
  const auto refused = [&](const char* from, const char* to) {
    const auto plan = plan_targets({OciMount{to, "bind", from, {}}}, mounting.look());
    return plan ? std::string() : plan.error().message;
  };
  EXPECT_THAT(refused("/data", "/etc/hosts"), HasSubstr("has a file there"));
  EXPECT_THAT(refused("/data/file", "/opt"), HasSubstr("has a directory there"));
  EXPECT_THAT(refused("/data", "/etc/hosts/x"), HasSubstr("has a file above it there"));
}

TEST(OciConfig, NothingMoreThanAsked) {
  OciInput input;
  input.root = "/r";
  input.args = {"a", "b"};
  input.env.set("A=1");
  input.user = {1001, 1002};
  input.mounts = {{"/d", "bind", "/s", {"rbind", "ro"}}};
  EXPECT_EQ(
      text::dump_json(must(oci_config(input))),
      R"({"ociVersion":"1.0.0","process":{"terminal":false,"user":{"uid":1001,"gid":1002},)"
      R"("args":["a","b"],"env":["A=1"],"cwd":"/","capabilities":{"bounding":[],"effective":[],)"
      R"("inheritable":[],"permitted":[],"ambient":[]},"noNewPrivileges":true},)"
      R"("root":{"path":"/r","readonly":true},)"
      R"("mounts":[{"destination":"/d","type":"bind","source":"/s","options":["rbind","ro"]}],)"
      R"("linux":{"namespaces":[{"type":"mount"},{"type":"user"}],)"
      R"("uidMappings":[{"containerID":1001,"hostID":0,"size":1}],)"
      R"("gidMappings":[{"containerID":1002,"hostID":0,"size":1}],)"
      R"("maskedPaths":["/proc/acpi","/proc/asound","/proc/kcore","/proc/keys",)"
      R"("/proc/latency_stats","/proc/sched_debug","/proc/scsi","/proc/timer_list",)"
      R"("/proc/timer_stats","/sys/devices/virtual/powercap","/sys/firmware"],)"
      R"("readonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys",)"
      R"("/proc/sysrq-trigger"]}})");
}

TEST(OciConfig, LimitsNamespacesFakeRoot) {
  OciInput input;
  input.memory = 1u << 20;
  input.cpus = 1.5;
  input.cgroup_path = "/user/x";
  input.namespaces = {"pid", "network"};
  input.capabilities = {"CAP_KILL"};
  const text::Json config = must(oci_config(input));
  EXPECT_EQ(config["linux"]["resources"]["memory"]["limit"].unsigned_or(0), 1u << 20);
  EXPECT_EQ(config["linux"]["resources"]["cpu"]["quota"].unsigned_or(0), 150'000U);
  EXPECT_EQ(config["linux"]["cgroupsPath"].text(), "/user/x");
  EXPECT_EQ(config["linux"]["namespaces"].items().size(), 4U);
  EXPECT_TRUE(config["linux"]["seccomp"].is_null());
  EXPECT_TRUE(config["annotations"].is_null());
  input.filter = text::Json::object().set("defaultAction", "SCMP_ACT_ERRNO");
  input.compiled_filter = "AAAA";
  const text::Json filtered = must(oci_config(input));
  EXPECT_EQ(filtered["linux"]["seccomp"]["defaultAction"].text(), "SCMP_ACT_ERRNO");
  EXPECT_EQ(filtered["annotations"]["run.oci.seccomp_bpf_data"].text(), "AAAA");
  input.uids = input.gids = 1001;
  input.user = {0, 0};
  const text::Json ranged = must(oci_config(input));
  // An extent of the inner namespace is in one of the outer's: the caller's id, or the range.
  EXPECT_EQ(text::dump_json(ranged["linux"]["uidMappings"]),
            R"([{"containerID":0,"hostID":0,"size":1},{"containerID":1,"hostID":1,"size":1000}])");
  EXPECT_FALSE(ranged["process"]["capabilities"]["effective"].items().empty());
  EXPECT_EQ(ranged["annotations"]["run.oci.keep_original_groups"].text(), "1");
  // The image's groups instead of the caller's.
  input.groups = {44, 45};
  const text::Json grouped = must(oci_config(input));
  EXPECT_TRUE(grouped["annotations"]["run.oci.keep_original_groups"].is_null());
  EXPECT_EQ(text::dump_json(grouped["process"]["user"]["additionalGids"]), "[44,45]");
  input.capabilities.clear();
  EXPECT_TRUE(must(oci_config(input))["process"]["capabilities"]["effective"].items().empty());
  EXPECT_FALSE(config["process"]["capabilities"]["bounding"].items().empty());
}

TEST(Crun, VersionsAsItPrintsThem) {
  EXPECT_EQ(parse_crun_version("crun version 1.8.1"), (Version{1, 8, 1}));
  EXPECT_EQ(parse_crun_version("crun version 1.28"), (Version{1, 28, 0}));
  EXPECT_EQ(parse_crun_version("crun version 1.14.4.0.0.2-abc\ncommit: x"), (Version{1, 14, 4}));
  EXPECT_EQ(parse_crun_version("runc version 1.1"), std::nullopt);
  EXPECT_EQ(parse_crun_version("crun version UNKNOWN"), std::nullopt);
}

}  // namespace
}  // namespace flense::launch
