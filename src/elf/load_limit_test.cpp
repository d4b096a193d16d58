// A library with as many load segments as an edit may give it, loaded where stack is scarce: the
// loader keeps its list of segments on the stack of the thread that calls dlopen.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/process.h"
#include "elf/edit.h"
#include "elf/format.h"
#include "support/temp_dir.h"

namespace flense::elf {
namespace {

constexpr std::uint64_t kPart = 0x10000;
constexpr std::uint64_t kParts = 200;

/// Parts that begin with their own number. Those with an odd number may go.
std::string library_source() {
  std::string text =
      "__asm__(\".section .nv_fatbin,\\\"a\\\",@progbits\\n.balign 4096\\npages:\\n\"\n";
  for (std::uint64_t i = 0; i < kParts; ++i)
    text += fmt::format("\".long {}\\n.fill {}, 1, 7\\n\"\n", i, kPart - 4);
  return text + fmt::format(R"("\n.previous\n");
extern const unsigned char pages[] __attribute__((visibility("hidden")));
__attribute__((visibility("default"))) int check(void) {{
  for (int i = 0; i < {}; i += 2)
    if (*(const int*)(pages + i * {}L) != i || pages[i * {}L + {}] != 7) return 1;
  return 0;
}}
)",
                            kParts, kPart, kPart, kPart - 1);
}

constexpr const char* kLoader = R"(
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static const char* path;
static void* load(void* unused) {
  (void)unused;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  int (*check)(void) = library ? (int (*)(void))dlsym(library, "check") : NULL;
  return check && check() == 0 ? "loaded" : NULL;
}
int main(int argc, char** argv) {
  if (argc != 3) return 2;
  path = argv[1];
  pthread_attr_t attributes;
  pthread_t thread;
  void* result = NULL;
  if (pthread_attr_init(&attributes)) return 3;
  if (pthread_attr_setstacksize(&attributes, (size_t)atoi(argv[2]) * 1024)) return 4;
  if (pthread_create(&thread, &attributes, load, NULL)) return 5;
  if (pthread_join(thread, &result)) return 6;
  if (!result) puts(dlerror());
  return result ? 0 : 1;
}
)";

TEST(LoadLimit, LoadsOnAThreadWith32KiBOfStack) {
  if (!find_program("cc")) GTEST_SKIP() << "cc is not installed";
  const flense::testing::TempDir dir;
  const auto path = [&](const char* name) { return (dir / name).string(); };
  std::ofstream(path("library.c")) << library_source();
  std::ofstream(path("loader.c")) << kLoader;
  const auto run = [](const std::vector<std::string>& argv) {
    const auto result = run_process(argv);
    return result ? fmt::format("{} {}{}", result->status, result->out, result->err)
                  : render(result.error());
  };
  ASSERT_EQ(run({"cc", "-O1", "-shared", "-fPIC", "-Wl,-z,noseparate-code", path("library.c"), "-o",
                 path("plain.so")}),
            "0 ");
  ASSERT_EQ(run({"cc", "-O1", path("loader.c"), "-o", path("loader"), "-pthread", "-ldl"}), "0 ");

  const auto input = MappedFile::open(path("plain.so"));
  ASSERT_TRUE(input);
  const auto file = File::parse(input->bytes(), "plain.so");
  ASSERT_TRUE(file);
  const Section* parts = file->find_section(".nv_fatbin");
  ASSERT_NE(parts, nullptr);
  ASSERT_EQ(parts->address % 0x1000, 0U);
  SectionEdit edit;
  edit.section = static_cast<std::size_t>(parts - file->sections().data());
  for (std::uint64_t i = 0; i < kParts; i += 2)
    edit.pieces.push_back({parts->address + i * kPart,
                           kPart,
                           parts->address + i * kPart,
                           kPart,
                           {{parts->offset + i * kPart, kPart}}});
  const EditPlan plan{.sections = {edit}};
  StringSink sink;
  const auto result = apply(*file, plan, sink);
  ASSERT_TRUE(result) << render(result.error());
  ASSERT_EQ(result->load_segments, 64U) << "more cuts were asked for than fit";
  std::ofstream(path("edited.so"), std::ios::binary) << sink.text();

  EXPECT_EQ(run({path("loader"), path("plain.so"), "32"}), "0 ");
  EXPECT_EQ(run({path("loader"), path("edited.so"), "32"}), "0 ");
}

}  // namespace
}  // namespace flense::elf
