// Whether the image's own command finds its libraries.
#include <gmock/gmock.h>

#include "needs/testing_needs.h"

namespace flense::needs {
namespace {

using inventory::testing::elf_file;
using inventory::testing::ElfText;
using inventory::testing::Tar;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NeedsTest;
using text::Json;

class NeedsStart : public NeedsTest {
 protected:
  StartNeeds start_of(Tar& tar, const std::string& environment = "A=b") {
    return needs_of(tar, Json::object()
                             .set("Cmd", Json::array().push("/app/app"))
                             .set("Env", Json::array().push(environment)))
        .start;
  }

  /// The program links liba.so, which links libb.so beside it.
  std::vector<MissingLibrary> missing_of(const ElfText& program, const std::string& environment,
                                         const std::string& configured = {}) {
    Tar tar;
    tar.file("app/app", elf_file(program), 0755);
    tar.file("app/lib/liba.so", elf_file({.soname = "liba.so", .needed = {"libb.so"}}));
    tar.file("app/lib/libb.so", elf_file({.soname = "libb.so"}));
    if (!configured.empty()) tar.file("etc/ld.so.conf.d/app.conf", configured);
    return start_of(tar, environment).missing;
  }
};

// ld.so(8): DT_RUNPATH serves what its file itself needs, DT_RPATH the whole chain.
TEST_F(NeedsStart, RunpathIsNotForWhatLibrariesNeed) {
  EXPECT_THAT(
      missing_of({.needed = {"liba.so"}, .runpath = "$ORIGIN/lib"}, "A=b"),
      ElementsAre(MissingLibrary{"libb.so", "app/lib/liba.so", "DT_NEEDED", "app/lib/libb.so"}));
  EXPECT_THAT(missing_of({.needed = {"liba.so"}, .rpath = "$ORIGIN/lib"}, "A=b"), IsEmpty());
  EXPECT_THAT(missing_of({.needed = {"liba.so", "libb.so"}, .runpath = "$ORIGIN/lib"}, "A=b"),
              IsEmpty())
      << "the program's own libraries are loaded before those of its libraries";
}

TEST_F(NeedsStart, AFolderOnNoPathOfTheLoader) {
  const ElfText program = {.needed = {"liba.so"}};
  EXPECT_THAT(missing_of(program, "A=b"),
              ElementsAre(MissingLibrary{"liba.so", "app/app", "DT_NEEDED", "app/lib/liba.so"}));
  EXPECT_THAT(missing_of(program, "LD_LIBRARY_PATH=/opt:/app/lib"), IsEmpty());
  EXPECT_THAT(missing_of(program, "A=b", "/app/lib\n"), IsEmpty());
  EXPECT_THAT(missing_of(program, "LD_LIBRARY_PATH=lib"), IsEmpty())
      << "in which directory it is started nobody knows";
}

TEST_F(NeedsStart, ItsLoaderAndTheDriversLibraries) {
  Tar tar;
  tar.file("app/app",
           elf_file({.needed = {"libcuda.so.1", "libnvidia-encode.so.1"},
                     .interpreter = "/lib64/ld-linux-x86-64.so.2"}),
           0755);
  const StartNeeds start = start_of(tar);
  EXPECT_EQ(start.program, "app/app");
  EXPECT_THAT(start.missing, ElementsAre(MissingLibrary{"/lib64/ld-linux-x86-64.so.2", "app/app",
                                                        "PT_INTERP", ""}));
  EXPECT_THAT(start.driver_libraries, ElementsAre(Sighting{"libcuda.so.1", "app/app", 0},
                                                  Sighting{"libnvidia-encode.so.1", "app/app", 0}));
}

// ld.so(8): LD_LIBRARY_PATH comes before the directories of the system.
TEST_F(NeedsStart, AnOlderCxxLibraryOnTheLibraryPathComesFirst) {
  const auto too_new = [&](const std::string& asked, const std::string& environment) {
    Tar tar;
    tar.file("app/app", elf_file({.needed = {"libstdc++.so.6"}, .versions = {asked}}), 0755);
    tar.file("opt/old/libstdc++.so.6",
             elf_file({.soname = "libstdc++.so.6", .own_versions = {"GLIBCXX_3.4.28"}}));
    tar.file("usr/lib/x86_64-linux-gnu/libstdc++.so.6",
             elf_file({.soname = "libstdc++.so.6", .own_versions = {"GLIBCXX_3.4.30"}}));
    return needs_of(tar, Json::object()
                             .set("Cmd", Json::array().push("/app/app"))
                             .set("Env", Json::array().push(environment)))
        .too_new;
  };
  EXPECT_THAT(too_new("GLIBCXX_3.4.30", "LD_LIBRARY_PATH=/opt/old"),
              ElementsAre(TooNewFile{"app/app", "GLIBCXX_3.4.30", "GLIBCXX_3.4.28",
                                     "opt/old/libstdc++.so.6", true, true}));
  EXPECT_THAT(too_new("GLIBCXX_3.4.28", "LD_LIBRARY_PATH=/opt/old"), IsEmpty());
  EXPECT_THAT(too_new("GLIBCXX_3.4.30", "A=b"), IsEmpty());
}

// The kernel maps segments by its pages: those of arm64 may have 64 KiB.
// glibc ends with "version `GOMP_9.0' not found"; of a library without any versions it warns alone.
TEST_F(NeedsStart, VersionsOfOtherLibraries) {
  const auto too_new = [&](const std::string& asked, const std::vector<std::string>& own) {
    Tar tar;
    tar.file("app/app",
             elf_file({.needed = {"libcudart.so.11.0"},
                       .other_versions = {{"libcudart.so.11.0", asked}}}),
             0755);
    tar.file("usr/lib/libcudart.so.12",
             elf_file({.soname = "libcudart.so.12", .own_versions = own}));
    tar.symlink("usr/lib/libcudart.so.11.0", "libcudart.so.12");
    return needs_of(tar, Json::object().set("Cmd", Json::array().push("/app/app"))).too_new;
  };
  EXPECT_THAT(too_new("libcudart.so.11.0", {"libcudart.so.12"}),
              ElementsAre(TooNewFile{"app/app", "libcudart.so.11.0 with version libcudart.so.11.0",
                                     "a libcudart.so.12 without it", "usr/lib/libcudart.so.12",
                                     true, true}));
  EXPECT_THAT(too_new("libcudart.so.12", {"libcudart.so.12"}), IsEmpty());
  EXPECT_THAT(too_new("libcudart.so.11.0", {}), IsEmpty());
}

TEST_F(NeedsStart, FilesThatLargePagesDoNotMap) {
  Tar tar;
  tar.file("app/app", elf_file({.machine = EM_AARCH64}), 0755);
  tar.file("app/aside.so", elf_file({.machine = EM_AARCH64}));
  tar.file("app/other.so", elf_file({.machine = EM_X86_64}));
  const Needs needs = needs_of(tar, Json::object().set("Cmd", Json::array().push("/app/app")));
  EXPECT_THAT(needs.small_pages, ElementsAre(Sighting{"app/app", "loaded by the start", 0x1000},
                                             Sighting{"app/aside.so", "", 0x1000}));
}

// execve(2): ENOENT for a file and for the interpreter that a script names.
TEST_F(NeedsStart, ACommandThatIsNotThere) {
  Tar none, script, whole, carriage;
  EXPECT_THAT(start_of(none).missing,
              ElementsAre(MissingLibrary{"/app/app", "the command", "execve", {}}));
  script.file("app/app", "#!/bin/bash\n", 0755);
  EXPECT_THAT(start_of(script).missing,
              ElementsAre(MissingLibrary{"/bin/bash", "app/app", "execve", {}}));
  whole.file("app/app", "#!/bin/bash\n", 0755).file("bin/bash", elf_file({}), 0755);
  EXPECT_THAT(start_of(whole).missing, IsEmpty());
  carriage.file("app/app", "#!/bin/bash\r\n", 0755).file("bin/bash", elf_file({}), 0755);
  EXPECT_THAT(start_of(carriage).missing,
              ElementsAre(MissingLibrary{"/bin/bash\r", "app/app", "execve", {}}));
}

// ld.so(8) reads the cache alone: what ld.so.conf names is found once ldconfig has run.
TEST_F(NeedsStart, AFolderThatTheCacheDoesNotHave) {
  const auto uncached_of = [&](const std::string& folder, const std::string& environment) {
    Tar tar;
    tar.file("app/app", elf_file({.needed = {"liba.so"}}), 0755);
    tar.file(folder + "/liba.so", elf_file({.soname = "liba.so"}));
    tar.file("etc/ld.so.conf.d/app.conf", "/app/lib\n/usr/lib\n");
    const StartNeeds start = start_of(tar, environment);
    EXPECT_THAT(start.missing, IsEmpty());
    return start.uncached;
  };
  EXPECT_THAT(uncached_of("app/lib", "A=b"),
              ElementsAre(MissingLibrary{"liba.so", "app/app", "DT_NEEDED", "app/lib/liba.so"}));
  EXPECT_THAT(uncached_of("usr/lib", "A=b"), IsEmpty());
  EXPECT_THAT(uncached_of("app/lib", "LD_LIBRARY_PATH=/app/lib"), IsEmpty());
}

// execve(2): EACCES for a file that nobody may execute; a shell then ends with status 126.
TEST_F(NeedsStart, ACommandThatNobodyMayExecute) {
  Tar tar;
  tar.file("app/app", elf_file({}), 0644);
  EXPECT_THAT(start_of(tar).missing,
              ElementsAre(MissingLibrary{"app/app", "the command", "mode", "app/app"}));
}

// ldso/dynlink.c of musl: the loader is libc itself, under whatever name beginning so.
TEST_F(NeedsStart, NamesThatTheLoaderOfMuslAnswersItself) {
  const auto missing_with = [&](const std::string& loader) {
    Tar tar;
    tar.file("app/app",
             elf_file({.needed = {"libc.so", "libm.so.6", "libz.so.1"}, .interpreter = loader}),
             0755);
    tar.file("lib/" + std::string(loader.substr(loader.rfind('/') + 1)), elf_file({}), 0755);
    std::vector<std::string> out;
    for (const MissingLibrary& one : start_of(tar).missing) out.push_back(one.library);
    return out;
  };
  EXPECT_THAT(missing_with("/lib/ld-musl-x86_64.so.1"), ElementsAre("libz.so.1"));
  EXPECT_THAT(missing_with("/lib/ld-linux-x86-64.so.2"),
              ElementsAre("libc.so", "libm.so.6", "libz.so.1"));
}

}  // namespace
}  // namespace flense::needs
