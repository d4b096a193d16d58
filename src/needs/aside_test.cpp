// Libraries that are in the image and of no use: aside of the loader's path, for another processor.
#include <elf.h>
#include <gmock/gmock.h>

#include <functional>

#include "needs/testing_needs.h"

namespace flense::needs {
namespace {

using inventory::testing::elf_file;
using inventory::testing::Tar;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NeedsTest;
using ::testing::SizeIs;
using text::Json;

class NeedsAside : public NeedsTest {};

std::string site(const std::string& path) {
  return "opt/venv/lib/python3.11/site-packages/" + path;
}

// An extension module that has no search path of its own.
TEST_F(NeedsAside, AnExtensionWhoseLibraryLiesAside) {
  const std::string user = site("x/_ext.cpython-311-x86_64-linux-gnu.so");
  const std::string aside = "opt/y/libown.so.2.1", library = "libown.so.2";
  const auto missing_of = [&](const std::string& runpath, const std::string& environment,
                              const std::function<void(Tar&)>& add) {
    Tar tar;
    tar.file(user, elf_file({.needed = {library}, .runpath = runpath}));
    tar.file(aside, elf_file({.soname = library})).symlink("opt/y/" + library, "libown.so.2.1");
    add(tar);
    return needs_of(tar, Json::object().set("Env", Json::array().push(environment)))
        .missing_libraries;
  };
  const auto nothing = [](Tar&) {};
  EXPECT_THAT(missing_of("", "A=b", nothing),
              ElementsAre(MissingLibrary{library, user, "DT_NEEDED", aside}));
  EXPECT_THAT(missing_of("", "LD_LIBRARY_PATH=/opt/y", nothing), IsEmpty());
  EXPECT_THAT(missing_of("/opt/y", "A=b", nothing), IsEmpty());
  EXPECT_THAT(
      missing_of("", "A=b", [](Tar& tar) { tar.file("etc/ld.so.conf.d/y.conf", "/opt/y\n"); }),
      IsEmpty());
  EXPECT_THAT(missing_of("", "A=b",
                         [&](Tar& tar) {
                           tar.file(site("y/lib/" + library), elf_file({.soname = library}));
                         }),
              IsEmpty())
      << "a package loads it from there";
  EXPECT_THAT(missing_of("", "A=b",
                         [&](Tar& tar) {
                           tar.file(site("x/_first.cpython-311-x86_64-linux-gnu.so"),
                                    elf_file({.needed = {library}, .runpath = "/opt/y"}));
                         }),
              IsEmpty())
      << "it may be imported first";
}

// A Python of Conda looks in its own folder for what its modules need.
TEST_F(NeedsAside, AnExtensionOfAPythonWithASearchPath) {
  for (const std::string rpath : {"", "$ORIGIN/../lib"}) {
    Tar tar;
    tar.file("opt/conda/bin/python3.11", elf_file({.rpath = rpath}));
    tar.file("opt/conda/lib/python3.11/site-packages/x/_ext.so",
             elf_file({.needed = {"libown.so.2"}}));
    tar.file("opt/conda/lib/libown.so.2", elf_file({.soname = "libown.so.2"}));
    EXPECT_THAT(needs_of(tar).missing_libraries, SizeIs(rpath.empty() ? 1u : 0u));
  }
}

TEST_F(NeedsAside, ALibraryForAnotherProcessor) {
  Tar tar;
  tar.file("usr/bin/one", elf_file({}));
  tar.file("usr/lib/liba.so.1", elf_file({.needed = {"libcudart.so.12"}}));
  tar.file("usr/lib/libcudart.so.12.4",
           elf_file({.soname = "libcudart.so.12", .machine = EM_AARCH64}));
  EXPECT_THAT(needs_of(tar).missing_libraries,
              ElementsAre(MissingLibrary{
                  "libcudart.so.12", "usr/lib/liba.so.1", "DT_NEEDED", {}, {}, "aarch64"}));
}

TEST_F(NeedsAside, AProgramForAnotherProcessor) {
  Tar tar;
  tar.file("usr/bin/one", elf_file({})).file("usr/bin/two", elf_file({.needed = {"libx.so"}}));
  tar.file("app/prog",
           elf_file({.interpreter = "/lib/ld-linux-aarch64.so.1", .machine = EM_AARCH64}), 0755);
  const auto start =
      needs_of(tar, Json::object().set("Cmd", Json::array().push("/app/prog"))).start;
  EXPECT_THAT(start.missing,
              ElementsAre(MissingLibrary{"app/prog", "the command", "execve", {}, {}, "aarch64"}));
}

}  // namespace
}  // namespace flense::needs
