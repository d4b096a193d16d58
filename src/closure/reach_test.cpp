#include "closure/reach.h"

#include <gmock/gmock.h>

#include "closure/testing_reach.h"

namespace flense::closure {
namespace {

using inventory::testing::elf_file;
using inventory::testing::Tar;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::elf_with_names;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using testing::ReachTest;
using testing::words;
using text::Json;

constexpr const char* kLoader = "/lib64/ld-linux-x86-64.so.2";

/// A merged /usr with libc, the loader, a shell and two tools.
Tar& system(Tar& tar) {
  return tar.symlink("bin", "usr/bin")
      .symlink("lib64", "usr/lib64")
      .symlink("lib", "usr/lib")
      .file("usr/lib64/ld-linux-x86-64.so.2", elf_file({.soname = "ld-linux-x86-64.so.2"}), 0755)
      .file("usr/lib/libc.so.6", elf_with_names({.soname = "libc.so.6"}, "/bin/sh"), 0755)
      .file("usr/bin/dash", elf_file({.needed = {"libc.so.6"}, .interpreter = kLoader}), 0755)
      .symlink("usr/bin/sh", "dash")
      .file("usr/bin/sed", elf_file({.needed = {"libc.so.6"}, .interpreter = kLoader}), 0755)
      .file("usr/bin/top", elf_file({.needed = {"libproc.so.1"}}), 0755)
      .file("usr/lib/libproc.so.1", elf_file({.soname = "libproc.so.1"}));
}

class ReachElf : public ReachTest {};

TEST_F(ReachElf, LibrariesLinksAndTheLoader) {
  Tar tar;
  system(tar)
      .file("usr/bin/app", elf_file({.needed = {"liba.so.1"}, .interpreter = kLoader}), 0755)
      .symlink("usr/lib/liba.so.1", "liba.so.1.2")
      .file("usr/lib/liba.so.1.2",
            elf_file({.soname = "liba.so.1", .needed = {"libb.so.2"}, .runpath = "/opt/b/lib"}))
      .file("opt/b/lib/libb.so.2", elf_file({.soname = "libb.so.2"}))
      .file("usr/lib/glibc-hwcaps/x86-64-v3/libb.so.2", elf_file({.soname = "libb.so.2"}))
      .file("opt/b/lib/libother.so.2", elf_file({.soname = "libother.so.2"}))
      .file("etc/app.conf", "x")
      .file("srv/data.bin", "data");
  const Reach reach = reached(tar, {"app"});
  EXPECT_THAT(reach.kept, Contains(Pair("usr/bin/app", HasSubstr("command"))));
  EXPECT_THAT(reach.kept, Contains(Pair("usr/lib/liba.so.1.2", "needed by /usr/bin/app")));
  for (const char* path : {"usr/lib/liba.so.1", "opt/b/lib/libb.so.2", "lib64", "bin", "lib",
                           "usr/lib64/ld-linux-x86-64.so.2", "etc/app.conf", "srv/data.bin",
                           "usr/lib/glibc-hwcaps/x86-64-v3/libb.so.2", "usr/bin/dash"})
    EXPECT_THAT(reach.kept, Contains(Key(path)));
  EXPECT_THAT(reach.unreached, ElementsAre("opt/b/lib/libother.so.2", "usr/bin/sed", "usr/bin/top",
                                           "usr/lib/libproc.so.1"));
  EXPECT_THAT(reach.starts, ElementsAre("the command: app"));
}

TEST_F(ReachElf, NamesInDataAndTheTable) {
  Tar tar;
  system(tar)
      .file("usr/bin/app",
            elf_with_names({.needed = {"libcudnn.so.9"}, .interpreter = kLoader},
                           "libplug.so.3 \n/usr/share/app/%s.conf \n/usr/share/doc \n/nowhere/x",
                           {"getaddrinfo"}),
            0755)
      .file("usr/lib/libplug.so.3", elf_file({.soname = "libplug.so.3"}))
      .file("usr/share/app/a.conf", "a")
      .file("usr/share/doc/big.html", "b")
      .file("opt/cudnn/libcudnn.so.9", elf_file({.soname = "libcudnn.so.9"}))
      .file("opt/cudnn/libcudnn_graph.so.9", elf_file({.soname = "libcudnn_graph.so.9"}))
      .file("usr/lib/libnss_dns.so.2", elf_file({.soname = "libnss_dns.so.2"}))
      .file("usr/lib/gconv/UTF-32.so", elf_file({}));
  const Reach reach = reached(tar, {"/usr/bin/app"});
  EXPECT_THAT(reach.kept, Contains(Pair("usr/lib/libplug.so.3", HasSubstr("in the data of /usr"))));
  EXPECT_THAT(reach.kept, Contains(Key("usr/share/app/a.conf")));
  // No known directory has it: every copy stays.
  EXPECT_THAT(reach.kept, Contains(Key("opt/cudnn/libcudnn.so.9")));
  EXPECT_THAT(reach.kept,
              Contains(Pair("opt/cudnn/libcudnn_graph.so.9", HasSubstr("dlopen.json"))));
  EXPECT_THAT(reach.kept, Contains(Pair("usr/lib/libnss_dns.so.2", HasSubstr("getaddrinfo"))));
  EXPECT_THAT(reach.unreached, Contains("usr/share/doc/big.html"));
  EXPECT_THAT(reach.unreached, Contains("usr/lib/gconv/UTF-32.so"));
}

// ONNX Runtime's provider lists libnvinfer; nothing that libnvinfer opens can be read in its data.
TEST_F(ReachElf, WhatTensorRtOpens) {
  const std::string lib = "usr/lib/x86_64-linux-gnu/";
  const std::vector<std::string> opened = {"libnvinfer_builder_resource.so.10.6.0",
                                           "libnvinfer_builder_resource_ptx.so.10.15.1",
                                           "libnvinfer_plugin.so.10",
                                           "libcublas.so.12",
                                           "libcublasLt.so.12",
                                           "libcudnn.so.9",
                                           "libcudnn_ops.so.9",
                                           "libnvrtc.so.12",
                                           "libnvrtc-builtins.so.12.6"};
  Tar tar;
  system(tar)
      .file("usr/bin/app",
            elf_with_names({.needed = {"libnvinfer.so.10"}, .interpreter = kLoader}, ""), 0755)
      .file(lib + "libnvinfer.so.10", elf_file({.soname = "libnvinfer.so.10"}))
      .file(lib + "libcufft.so.11", elf_file({.soname = "libcufft.so.11"}));
  for (const std::string& name : opened) tar.file(lib + name, elf_file({.soname = name}));
  const Reach reach = reached(tar, {"/usr/bin/app"});
  for (const std::string& name : opened)
    EXPECT_THAT(reach.kept, Contains(Pair(lib + name, HasSubstr("dlopen.json"))));
  EXPECT_THAT(reach.unreached, Contains(lib + "libcufft.so.11"));
}

TEST_F(ReachElf, APackageStaysWhole) {
  Tar tar;
  system(tar)
      .file("usr/bin/app", elf_file({.needed = {"liba.so.1"}, .interpreter = kLoader}), 0755)
      .file("usr/lib/liba.so.1", elf_file({.soname = "liba.so.1"}))
      .file("usr/share/liba/table.dat", "t")
      .file("usr/share/doc/liba/copyright", "licence")
      .file("usr/share/other/x", "x")
      .file("usr/share/doc/other/copyright", "licence")
      .file("var/lib/dpkg/info/liba.list",
            "/.\n/lib/liba.so.1\n/usr/share/liba/table.dat\n/usr/share/doc/liba/copyright\n")
      .file("var/lib/dpkg/info/other.list", "/usr/share/other/x\n/usr/share/doc/other/copyright\n");
  const Reach reach = reached(tar, {"app"});
  EXPECT_THAT(reach.kept, Contains(Pair("usr/share/liba/table.dat", HasSubstr("of liba: needed"))));
  EXPECT_THAT(reach.kept, Contains(Key("usr/share/doc/other/copyright")));
  EXPECT_THAT(reach.unreached, Contains("usr/share/other/x"));
  ASSERT_EQ(reach.packages.size(), 1U);
  EXPECT_EQ(reach.packages[0].name, "other");
  EXPECT_TRUE(reach.packages[0].whole);

  ReachOptions minimal;
  minimal.minimal = true;
  const Reach small = reached(tar, {"app"}, minimal);
  EXPECT_THAT(small.unreached, Contains("usr/share/liba/table.dat"));
  EXPECT_THAT(small.unreached, Contains("usr/share/doc/other/copyright"));
  EXPECT_THAT(small.kept, Contains(Key("usr/share/doc/liba/copyright")));
  EXPECT_THAT(small.unreached, Contains("usr/bin/dash")) << "libc only names the shell";
}

class ReachScripts : public ReachTest {};

TEST_F(ReachScripts, HelpersOfTheEntryPoint) {
  Tar tar;
  system(tar)
      .file("entry.sh",
            "#!/bin/sh\n. /opt/start/env.sh\nhere=/x\nfor f in $here/opt/start/start.d/*.sh; do . "
            "$f; done\nDIR=$(helper /usr/share/app)\nexec \"$@\"\n",
            0755)
      .file("opt/start/env.sh", "export A=1\ncheck-gpu || true\n")
      .file("opt/start/start.d/one.sh", "sourced-tool\n")
      .file("usr/local/bin/sourced-tool", elf_file({}), 0755)
      .file("usr/local/bin/helper", "#!/bin/sh\necho ok\n", 0755)
      .file("usr/local/bin/check-gpu", elf_file({}), 0755)
      .file("usr/local/bin/unused", elf_file({}), 0755)
      .file("usr/share/app/data", "d")
      .file("usr/bin/server", elf_file({.needed = {"libc.so.6"}, .interpreter = kLoader}), 0755);
  const auto container = Json::object()
                             .set("Entrypoint", words({"/entry.sh"}))
                             .set("Cmd", words({"server", "--port", "80"}));
  const Reach reach = image::fixture::must(reach_of(tar, container));
  for (const char* path : {"usr/bin/server", "usr/local/bin/helper", "opt/start/env.sh",
                           "usr/local/bin/check-gpu", "usr/share/app/data", "usr/bin/sed",
                           "opt/start/start.d/one.sh", "usr/local/bin/sourced-tool"})
    EXPECT_THAT(reach.kept, Contains(Key(path))) << path;
  EXPECT_THAT(reach.kept, Contains(Pair("usr/local/bin/helper", "named by /entry.sh line 5")));
  EXPECT_THAT(reach.unreached,
              ElementsAre("usr/bin/top", "usr/lib/libproc.so.1", "usr/local/bin/unused"));
}

TEST_F(ReachScripts, StartsThatCannotBeFollowed) {
  Tar tar;
  system(tar)
      .file("eval.sh", "#!/bin/sh\neval \"$START\"\n", 0755)
      .file("run.sh", "#!/bin/sh\nsed\n", 0755)
      .file("odd.x", "#!/usr/bin/odd\n", 0755)
      .file("usr/bin/odd", elf_file({}), 0755)
      .file("usr/bin/python3.11", elf_file({}), 0755)
      .file("usr/bin/sleep", elf_file({}), 0755)
      .file("usr/bin/tini", elf_file({}), 0755)
      .file("data", "not a program", 0755);
  EXPECT_THAT(refusal(tar, {}), HasSubstr("no start command"));
  EXPECT_THAT(refusal(tar, {"sh"}),
              HasSubstr("what people type | name what is started with --also"));
  EXPECT_THAT(refusal(tar, {"python3.11", "-i"}), HasSubstr("what people type"));
  EXPECT_THAT(refusal(tar, {"tini", "--", "sh"}), HasSubstr("what people type"));
  EXPECT_THAT(refusal(tar, {"sleep", "infinity"}), HasSubstr("waits for somebody"));
  EXPECT_THAT(refusal(tar, {"sh", "-c", "exec sleep infinity"}), HasSubstr("waits for somebody"));
  EXPECT_THAT(refusal(tar, {"/eval.sh"}), HasSubstr("/eval.sh line 2: eval"));
  EXPECT_THAT(refusal(tar, {"/odd.x"}), HasSubstr("language of odd"));
  EXPECT_THAT(refusal(tar, {"/data"}), HasSubstr("neither an ELF file"));
  EXPECT_THAT(refusal(tar, {"missing"}), HasSubstr("names no program"));
  EXPECT_EQ(refusal(tar, {"sh", "-c", "sed -n p /etc/x"}), "");

  ReachOptions also;
  also.also = {"top"};
  const Reach reach = reached(tar, {"sh"}, also);
  EXPECT_THAT(reach.kept, Contains(Key("usr/lib/libproc.so.1")));
  EXPECT_THAT(reach.notices, Contains(HasSubstr("only what you named is followed")));
  also.also = {"nothing"};
  EXPECT_THAT(refusal(tar, {"sh"}, also), HasSubstr("--also nothing: the image has no such"));
  ReachOptions traced;
  traced.traced = {"usr/bin/top"};
  EXPECT_THAT(reached(tar, {"sh"}, traced).kept,
              Contains(Pair("usr/bin/top", "opened by the traced run")));
  ReachOptions minimal;
  minimal.minimal = true;
  EXPECT_THAT(refusal(tar, {"/run.sh"}, minimal), HasSubstr("is a script"));
}

TEST_F(ReachScripts, TheHealthCheckCounts) {
  Tar tar;
  system(tar).file("usr/bin/app", elf_file({}), 0755).file("usr/bin/probe", elf_file({}), 0755);
  const auto container =
      Json::object()
          .set("Cmd", words({"app"}))
          .set("Healthcheck",
               Json::object().set("Test", words({"CMD-SHELL", "probe --quick || exit 1"})));
  const Reach reach = image::fixture::must(reach_of(tar, container));
  EXPECT_THAT(reach.kept, Contains(Pair("usr/bin/probe", "named by the health check")));
  EXPECT_THAT(reach.unreached, Not(Contains("usr/bin/sed"))) << "it runs by a shell";
}

TEST_F(ReachScripts, LibrariesOfOtherLanguagesStayWhole) {
  Tar tar;
  system(tar)
      .file("usr/bin/perl", elf_file({}), 0755)
      .file("usr/share/perl5/Any.pm", "1")
      .file("usr/lib/node_modules/x.js", "1")
      .file("srv/run.pl", "#!/usr/bin/perl\nuse Any;\n", 0755);
  const Reach reach = reached(tar, {"/srv/run.pl"});
  EXPECT_THAT(reach.kept, Contains(Pair("usr/share/perl5/Any.pm", HasSubstr("perl"))));
  EXPECT_THAT(reach.unreached, Contains("usr/lib/node_modules/x.js"));
}

class ReachPythonTest : public ReachTest {
 protected:
  static constexpr const char* kSite = "usr/local/lib/python3.11/site-packages/";
  static std::string site(const std::string& path) { return kSite + path; }

  /// A distribution of these files, with a RECORD.
  static Tar& wheel(Tar& tar, const std::string& name,
                    const std::vector<std::pair<std::string, std::string>>& files,
                    const std::string& metadata = {}, const std::string& entry_points = {}) {
    const std::string info = name + "-1.0.dist-info/";
    std::string record = info + "RECORD,,\n" + info + "METADATA,,\n";
    for (const auto& [path, text] : files) {
      path.starts_with("../../../") ? tar.file("usr/local/" + path.substr(9), text, 0755)
                                    : tar.file(site(path), text);
      record += path + ",,\n";
    }
    tar.file(site(info + "METADATA"), "Name: " + name + "\nVersion: 1.0\n" + metadata + "\n");
    if (!entry_points.empty()) {
      tar.file(site(info + "entry_points.txt"), entry_points);
      record += info + "entry_points.txt,,\n";
    }
    return tar.file(site(info + "RECORD"), record);
  }
  static Tar& python(Tar& tar) {
    return system(tar)
        .file("usr/local/bin/python3.11", elf_file({.interpreter = kLoader}), 0755)
        .symlink("usr/local/bin/python3", "python3.11")
        .file("usr/local/lib/python3.11/os.py", "import posix")
        .file("usr/local/lib/python3.11/__pycache__/os.cpython-311.pyc", "c")
        .file("usr/local/lib/python3.11/tkinter/__init__.py", "import _tkinter")
        .file("usr/local/lib/python3.11/test/test_os.py", "import os");
  }
};

TEST_F(ReachPythonTest, RecordsOfCondaStayWithTheirPackages) {
  Tar tar;
  python(tar);
  tar.file(
         "usr/local/conda-meta/python-3.11-0.json",
         R"({"name":"python","version":"3.11","files":["bin/python3.11","lib/python3.11/os.py"]})")
      .file("usr/local/conda-meta/idle-1-0.json",
            R"({"name":"idle","version":"1","files":["lib/libidle.so"]})")
      .file("usr/local/conda-meta/history", "")
      .file("usr/local/lib/libidle.so", "1");
  tar.file("app/main.py", "import os");
  const Reach reach = reached(tar, {"python3", "/app/main.py"});
  for (const char* path : {"python-3.11-0.json", "history"})
    EXPECT_TRUE(reach.kept.contains(std::string("usr/local/conda-meta/") + path)) << path;
  EXPECT_THAT(reach.unreached, Contains("usr/local/conda-meta/idle-1-0.json"));
}

TEST_F(ReachPythonTest, DistributionsByImportsNamesAndRequirements) {
  Tar tar;
  python(tar);
  wheel(tar, "direct", {{"direct/__init__.py", "from lazy import x"}, {"direct/data.bin", "d"}},
        "Requires-Dist: Needed-Dist[fast]>=1\nRequires-Dist: optional; extra == 'all'\n"
        "Requires-Dist: nowhere; extra == 'all'\n");
  wheel(tar, "lazy", {{"lazy/__init__.py", ""}});
  wheel(tar, "needed_dist", {{"needed/__init__.py", ""}},
        "Requires-Dist: speedup; extra == \"fast\"\n");
  wheel(tar, "speedup",
        {{"speedup.cpython-311-x86_64-linux-gnu.so", elf_file({.needed = {"libspeed.so.1"}})}});
  wheel(tar, "optional", {{"optional.py", ""}});
  wheel(tar, "dynamic", {{"dynamic.py", ""}});
  wheel(tar, "PyNamed", {{"named_mod.py", ""}});
  wheel(tar, "plugin", {{"plugin.py", ""}}, "", "[app.plugins]\nx = plugin:f\n");
  wheel(tar, "other_plugin", {{"other_plugin.py", ""}}, "", "[pytest11]\nx = other_plugin:f\n");
  wheel(tar, "unused", {{"unused/__init__.py", ""}, {"unused/big.bin", "12345"}});
  tar.file("usr/lib/libspeed.so.1", elf_file({.soname = "libspeed.so.1"}))
      .file(site("unused/__pycache__/__init__.cpython-311.pyc"), "c")
      .file(site("loose.py"), "")
      .file(site("loose_unused.py"), "")
      .file("app/main.py",
            "#!/usr/local/bin/python3\nimport direct\nimportlib.import_module('dynamic.sub')\n"
            "version('pynamed')\nfor e in entry_points(group='app.plugins'): e.load()\nimport "
            "loose\n",
            0755);
  const Reach reach = reached(tar, {"/app/main.py"});
  for (const char* path : {"direct/data.bin", "direct-1.0.dist-info/RECORD", "lazy/__init__.py",
                           "needed/__init__.py", "speedup.cpython-311-x86_64-linux-gnu.so",
                           "dynamic.py", "named_mod.py", "plugin.py", "loose.py"})
    EXPECT_THAT(reach.kept, Contains(Key(site(path)))) << path;
  EXPECT_THAT(reach.kept, Contains(Key("usr/lib/libspeed.so.1")));
  EXPECT_THAT(reach.kept, Contains(Key("usr/local/lib/python3.11/os.py")));
  EXPECT_THAT(reach.kept, Contains(Key("usr/local/lib/python3.11/__pycache__/os.cpython-311.pyc")));
  EXPECT_THAT(reach.kept, Contains(Pair(site("direct/data.bin"),
                                        "of direct 1.0: imported by /app/main.py line 2")));
  for (const char* path :
       {"optional.py", "other_plugin.py", "unused/big.bin", "unused-1.0.dist-info/METADATA",
        "unused/__pycache__/__init__.cpython-311.pyc", "loose_unused.py"})
    EXPECT_THAT(reach.unreached, Contains(site(path))) << path;
  EXPECT_THAT(reach.unreached, Contains("usr/local/lib/python3.11/tkinter/__init__.py"));
  EXPECT_THAT(reach.unreached, Contains("usr/local/lib/python3.11/test/test_os.py"));
}

TEST_F(ReachPythonTest, AnExtraThatIsThereAsAWholeWasAskedFor) {
  Tar tar;
  python(tar);
  wheel(tar, "flow", {{"flow.py", "x = 1"}},
        "Requires-Dist: blas; extra == 'and-gpu'\nRequires-Dist: fft; extra == 'and-gpu'\n"
        "Requires-Dist: winblas; sys_platform == 'win32' and extra == 'and-gpu'\n"
        "Requires-Dist: checker; extra == 'dev'\nRequires-Dist: nowhere; extra == 'dev'\n");
  wheel(tar, "blas", {{"blas/libblas.so.1", elf_file({})}});
  wheel(tar, "fft", {{"fft/libfft.so.1", elf_file({})}});
  wheel(tar, "checker", {{"checker.py", ""}});
  tar.file("app/main.py", "#!/usr/local/bin/python3\nimport flow\n", 0755);
  const Reach reach = reached(tar, {"/app/main.py"});
  EXPECT_THAT(reach.kept, Contains(Pair(site("blas/libblas.so.1"), HasSubstr("required by flow"))));
  EXPECT_THAT(reach.kept, Contains(Key(site("fft/libfft.so.1"))));
  EXPECT_THAT(reach.unreached, Contains(site("checker.py")));
}

TEST_F(ReachElf, XlaPutsTheNamesOfItsLibrariesTogether) {
  Tar tar;
  system(tar)
      .file("usr/bin/app", elf_file({.needed = {"libtensorflow_cc.so.2"}, .interpreter = kLoader}),
            0755)
      .file("usr/lib/libtensorflow_cc.so.2", elf_file({.soname = "libtensorflow_cc.so.2"}))
      .file("usr/local/cuda/lib64/libcusolver.so.11", elf_file({.soname = "libcusolver.so.11"}))
      .file("usr/local/cuda/lib64/libnppc.so.12", elf_file({.soname = "libnppc.so.12"}))
      .file("usr/local/cuda/bin/ptxas", elf_file({}), 0755);
  const Reach reach = reached(tar, {"app"});
  EXPECT_THAT(reach.kept, Contains(Key("usr/local/cuda/lib64/libcusolver.so.11")));
  EXPECT_THAT(reach.kept, Contains(Key("usr/local/cuda/bin/ptxas")));
  EXPECT_THAT(reach.unreached, Contains("usr/local/cuda/lib64/libnppc.so.12"));
  EXPECT_THAT(reach.notices, Contains(HasSubstr("libnppc.so.12"))) << "no run without a GPU tells";
}

TEST_F(ReachPythonTest, ATraceDecidesWhatPackagesWantOfEachOther) {
  Tar tar;
  python(tar);
  wheel(tar, "direct",
        {{"direct/__init__.py",
          "def late():\n  import jit\n  run(['jitc'])\nKNOWN = ['libjit.so', 'libshared.so']"},
         {"direct/core.cpython-311-x86_64-linux-gnu.so", elf_file({.needed = {"libfast.so.1"}})}},
        "Requires-Dist: jit\nRequires-Dist: used\nRequires-Dist: libs\nRequires-Dist: loose\n");
  wheel(tar, "jit",
        {{"jit/__init__.py", "x = 1"},
         {"jit/libjit.so", elf_file({})},
         {"jit/libshared.so", elf_file({})},
         {"../../../bin/jitc", "#!/usr/local/bin/python3\nimport jit\n"}});
  wheel(tar, "used", {{"used/__init__.py", "x = 1"}});
  wheel(tar, "loose", {{"loose.py", "x = 1"}});
  wheel(tar, "libs",
        {{"libs/__init__.py", ""},
         {"libs/lib/libs.so.1", elf_file({})},
         {"libs/lib/libshared.so", elf_file({})}});
  wheel(tar, "native", {{"native/__init__.py", "x = 1"}, {"native/data", "d"}});
  wheel(tar, "mine", {{"mine/__init__.py", "x = 1"}});
  const auto compiled = [](const std::string& folder, const std::string& name) {
    return site(folder + "__pycache__/" + name + ".cpython-311.pyc");
  };
  tar.file(compiled("direct/", "__init__"), "c")
      .file(compiled("jit/", "__init__"), "c")
      .file(compiled("", "loose"), "c")
      .file("usr/lib/libfast.so.1", elf_file({.soname = "libfast.so.1"}))
      .file("app/main.py", "#!/usr/local/bin/python3\nimport direct\ndef f(): import mine\n", 0755);
  ReachOptions options;
  // Of jit a program that lists what is installed has read the metadata, and a look for the module
  // has ended at its source; of `used`, which has no compiled file, the source is the code.
  options.traced = {"app/main.py",
                    compiled("direct/", "__init__"),
                    site("direct/__init__.py"),
                    site("jit-1.0.dist-info/METADATA"),
                    site("jit/__init__.py"),
                    site("jit"),
                    site("used/__init__.py"),
                    compiled("", "loose")};
  const Reach all = reached(tar, {"/app/main.py"}, options);
  EXPECT_THAT(all.kept, Contains(Key(site("jit/libjit.so")))) << "a trace only adds by itself";
  EXPECT_THAT(all.kept, Contains(Key("usr/local/bin/jitc")));
  EXPECT_THAT(all.notices, Not(Contains(HasSubstr("no traced run used"))));

  options.trace_decides = true;
  const Reach reach = reached(tar, {"/app/main.py"}, options);
  for (const char* path :
       {"jit/libjit.so", "jit/libshared.so", "jit/__init__.py", "jit-1.0.dist-info/METADATA"})
    EXPECT_THAT(reach.unreached, Contains(site(path))) << path;
  EXPECT_THAT(reach.unreached, Contains("usr/local/bin/jitc"));
  for (const char* path : {"used/__init__.py", "loose.py", "libs/lib/libs.so.1"})
    EXPECT_THAT(reach.kept, Contains(Key(site(path)))) << path;
  EXPECT_THAT(reach.kept,
              Contains(Pair(site("mine/__init__.py"), HasSubstr("/app/main.py line 3"))));
  EXPECT_THAT(reach.notices, Contains(HasSubstr("no traced run used: jit 1.0")));

  // Of what stays although it did not run nothing is known, so that all it wants stays.
  Tar served;
  python(served);
  wheel(served, "server",
        {{"server/__init__.py", "import late"},
         {"../../../bin/serve", "#!/usr/local/bin/python3\nimport server\n"}},
        "Requires-Dist: needed\n");
  wheel(served, "late", {{"late.py", "x = 1"}});
  wheel(served, "needed", {{"needed.py", "x = 1"}});
  options.traced = {"usr/local/bin/python3"};
  const Reach started = reached(served, {"serve"}, options);
  EXPECT_THAT(started.kept, Contains(Key(site("late.py"))));
  EXPECT_THAT(started.kept, Contains(Key(site("needed.py"))));

  // A library that something kept loads brings its distribution, whatever the trace says.
  Tar loaded;
  python(loaded);
  wheel(loaded, "direct",
        {{"direct.py", "import native"},
         {"direct.cpython-311-x86_64-linux-gnu.so",
          elf_file({.needed = {"libnative.so.1"}, .runpath = "$ORIGIN/native"})}});
  wheel(loaded, "native",
        {{"native/__init__.py", "x = 1"},
         {"native/data", "d"},
         {"native/libnative.so.1", elf_file({.soname = "libnative.so.1"})}});
  loaded.file("app/main.py", "#!/usr/local/bin/python3\nimport direct\n", 0755);
  options.traced = {site("direct.py")};
  EXPECT_THAT(reached(loaded, {"/app/main.py"}, options).kept, Contains(Key(site("native/data"))));
}

TEST_F(ReachPythonTest, NamespacesAreSharedAndTakenApart) {
  Tar tar;
  python(tar);
  wheel(tar, "acme_core", {{"acme/core/__init__.py", ""}});
  wheel(tar, "acme_extra", {{"acme/extra/__init__.py", ""}});
  tar.file("app/core.py", "import acme.core.x\n").file("app/all.py", "import acme\n");
  Tar only;
  python(only);
  wheel(only, "acme_core", {{"acme/core/__init__.py", ""}});
  wheel(only, "acme_extra", {{"acme/extra/__init__.py", ""}});
  only.file("app/core.py", "import acme.core.x\n");
  const Reach one = reached(only, {"python3", "/app/core.py"});
  EXPECT_THAT(one.kept, Contains(Key(site("acme/core/__init__.py"))));
  EXPECT_THAT(one.unreached, Contains(site("acme/extra/__init__.py")));
  // Both lie in /app and stay, so both are read.
  const Reach all = reached(tar, {"python3", "/app/all.py"});
  EXPECT_THAT(all.kept, Contains(Key(site("acme/extra/__init__.py"))));
}

TEST_F(ReachPythonTest, EnvironmentsModulesAndPathFiles) {
  Tar tar;
  python(tar);
  const std::string venv = "opt/venv/lib/python3.11/site-packages/";
  tar.file("opt/venv/pyvenv.cfg", "home = /usr/local/bin\n")
      .symlink("opt/venv/bin/python", "/usr/local/bin/python3")
      .file("opt/venv/bin/serve", "#!/opt/venv/bin/python\nfrom server import main\n", 0755)
      .file(venv + "server.py", "import tkinter\n")
      .file(venv + "server-1.0.dist-info/METADATA", "Name: server\n\n")
      .file(venv + "server-1.0.dist-info/RECORD", "server.py,,\n../../../bin/serve,,\n")
      .file(venv + "hook.pth", "import shim\n/opt/src/editable\n")
      .file(venv + "shim.py", "")
      .file(venv + "gone.py", "")
      .file("opt/src/editable/mod.py", "")
      .file("opt/src/other/mod.py", "");
  const auto container = Json::object()
                             .set("Cmd", words({"serve", "server:main"}))
                             .set("Env", Json::array().push("PATH=/opt/venv/bin:/usr/bin:/bin"));
  const Reach reach = image::fixture::must(reach_of(tar, container));
  for (const std::string& path :
       {std::string("opt/venv/pyvenv.cfg"), std::string("opt/venv/bin/python"), venv + "server.py",
        venv + "shim.py", venv + "hook.pth", std::string("opt/src/editable/mod.py"),
        std::string("usr/local/lib/python3.11/os.py"),
        std::string("usr/local/lib/python3.11/tkinter/__init__.py")})
    EXPECT_THAT(reach.kept, Contains(Key(path))) << path;
  EXPECT_THAT(reach.unreached, Contains(venv + "gone.py"));
  EXPECT_THAT(reach.unreached, Contains("opt/src/other/mod.py"));
}

}  // namespace
}  // namespace flense::closure
