// Edits of the real output of compilers and linkers: libraries are loaded and programs run, before
// and after, and after other tools have rewritten the result. Needs gcc; lld and the tools are
// optional.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/process.h"
#include "elf/edit.h"
#include "elf/editable.h"
#include "elf/references.h"
#include "elf/testing_builder.h"
#include "support/compiled_for.h"

namespace flense::elf {
namespace {

using testing::pack;

constexpr std::uint64_t kRegions = 6;
constexpr std::uint64_t kRegionSize = 40000;
constexpr std::uint64_t kKept = 1000;

/// Regions as assembly, wrappers as C; `check` verifies each region through its wrapper.
std::string source() {
  std::string text = "__asm__(\".section .nv_fatbin,\\\"a\\\",@progbits\\n.balign 8\\n\"\n";
  for (std::uint64_t i = 0; i < kRegions; ++i)
    text += fmt::format("\"fatbin_{}: .fill {}, 1, {}\\n\"\n", i, kRegionSize,
                        'A' + static_cast<int>(i));
  text += "\".previous\\n\");\n#include <stddef.h>\n";
  text +=
      "struct wrapper { unsigned magic, version; const unsigned char* data; const void* extra; "
      "};\n";
  for (std::uint64_t i = 0; i < kRegions; ++i)
    text += fmt::format(
        "extern const unsigned char fatbin_{}[] __attribute__((visibility(\"hidden\")));\n", i);
  text +=
      "static struct wrapper wrappers[] __attribute__((section(\".nvFatBinSegment\"), used)) = {\n";
  for (std::uint64_t i = 0; i < kRegions; ++i)
    text += fmt::format("{{0x466243B1, 1, fatbin_{}, 0}},\n", i);
  text += fmt::format(R"(}};
static const char tail[] = "data behind the device code";
const char* behind(void) {{ return tail; }}
static volatile unsigned char zeros[70000];
static volatile unsigned char data[70000] = {{1, 2, 3, [69999] = 4}};
__attribute__((visibility("default"))) int check(void) {{
  for (int i = 0; i < 70000; ++i) {{
    if (zeros[i] != 0 || data[i] != (i < 3 ? i + 1 : i == 69999 ? 4 : 0)) return 101;
    zeros[i] = 1;
    zeros[i] = 0;
    data[i] = data[i];
  }}
  for (int i = 0; i < {}; ++i)
    for (int j = 0; j < {}; ++j)
      if (wrappers[i].data[j] != 'A' + i) return 1 + i;
  return behind()[0] == 'd' ? 0 : 100;
}}
#ifdef PROGRAM
#include <stdio.h>
#include <elf.h>
#include <sys/auxv.h>
int main(void) {{
  const Elf64_Phdr* headers = (const Elf64_Phdr*)getauxval(AT_PHDR);
  unsigned long loads = 0;
  for (unsigned long i = 0; i < getauxval(AT_PHNUM); ++i) loads += headers[i].p_type == PT_LOAD;
  printf("%d %d\n", check(), loads > 1);
  return check();
}}
#endif
)",
                      kRegions, kKept);
  return text;
}

#ifdef __aarch64__
constexpr std::uint64_t kPage = 65536;         // segments are laid out for the largest
constexpr std::ptrdiff_t kMappingSymbols = 1;  // "$d" at the beginning of data
#else
constexpr std::uint64_t kPage = 4096;
constexpr std::ptrdiff_t kMappingSymbols = 0;
#endif
// What leaves a file is whole pages; headers may take some back.
constexpr std::uint64_t kLeastSaved =
    (kRegions - 1) * (kRegionSize - kKept) / kPage * kPage - 3 * 4096;

class Toolchain : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!find_program(flense::testing::kCompiler))
      GTEST_SKIP() << flense::testing::kCompiler << " is not installed";
    std::string name = (std::filesystem::temp_directory_path() / "flense-elf-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
    std::ofstream(dir_ / "source.c") << source();
    // Debian's lld has a version in its name; gcc looks for ld.lld.
    for (const char* lld : {"ld.lld", "ld.lld-19", "ld.lld-14"}) {
      const auto program = find_program(lld);
      if (!program) continue;
      std::filesystem::create_symlink(*program, dir_ / "ld.lld");
      break;
    }
  }
  void TearDown() override {
    if (!dir_.empty()) std::filesystem::remove_all(dir_);
  }

  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  /// False when the toolchain cannot do this (no lld, no static libc, an unknown option).
  bool compile(const std::string& output, const std::vector<std::string>& options) {
    std::vector<std::string> argv = {
        flense::testing::kCompiler, "-O1", path("source.c"), "-o", path(output),
        "-B" + dir_.string()};
    argv.insert(argv.end(), options.begin(), options.end());
    const auto result = run_process(argv);
    return result && result->status == 0;
  }

  /// Compacts `name` into `name`.edited; the error's message when refused.
  std::string compact(const std::string& name, EditResult* result = nullptr) {
    const auto input = MappedFile::open(path(name));
    EXPECT_TRUE(input);
    const auto file = File::parse(input->bytes(), name);
    if (!file) return render(file.error());
    EditPlan plan;
    plan.drop_debug = true;
    SectionEdit edit;
    while (edit.section < file->sections().size() &&
           file->sections()[edit.section].name != ".nv_fatbin")
      ++edit.section;
    if (edit.section == file->sections().size()) return "no device code";
    const Section& section = file->sections()[edit.section];
    for (std::uint64_t i = 0; i < kRegions; ++i) {
      Piece piece{.old_address = section.address + i * kRegionSize,
                  .old_size = kRegionSize,
                  .new_address = section.address + i * kKept,
                  .new_size = kKept,
                  .parts = {}};
      piece.parts.push_back(
          {.file_offset = section.offset + i * kRegionSize, .size = kKept, .literal = {}});
      edit.pieces.push_back(std::move(piece));
    }
    plan.sections.push_back(std::move(edit));
    StringSink sink;
    const auto done = apply(*file, plan, sink);
    if (!done) return done.error().message;
    if (result != nullptr) *result = *done;
    std::ofstream(path(name + ".edited"), std::ios::binary) << sink.text();
    std::filesystem::permissions(path(name + ".edited"), std::filesystem::perms::owner_all);
    return {};
  }

  /// check() of a shared library; -1 when it does not load. A fresh copy, because dlopen remembers.
  int load_and_check(const std::string& name) {
    const std::string copy = path(fmt::format("copy{}.so", ++copies_));
    std::filesystem::copy_file(path(name), copy);
    void* handle = dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      ADD_FAILURE() << dlerror();
      return -1;
    }
    const auto check = reinterpret_cast<int (*)()>(dlsym(handle, "check"));
    const int status = check == nullptr ? -1 : check();
    dlclose(handle);
    return status;
  }

  std::string run(const std::string& name) {
    const auto result = run_process(flense::testing::start_words(path(name)));
    return result ? fmt::format("{} {}", result->status, result->out) : render(result.error());
  }

  std::filesystem::path dir_;
  int copies_ = 0;
};

struct Variant {
  const char* name;
  std::vector<std::string> options;
};

TEST_F(Toolchain, SharedLibrariesLoadAfterTheEdit) {
  const std::vector<Variant> variants = {
      {"bfd", {"-shared", "-fPIC"}},
      {"one segment", {"-shared", "-fPIC", "-Wl,-z,noseparate-code", "-g"}},
      {"relr", {"-shared", "-fPIC", "-Wl,-z,pack-relative-relocs"}},
      {"2 MiB pages", {"-shared", "-fPIC", "-Wl,-z,max-page-size=0x200000,-z,noseparate-code"}},
      {"lld", {"-shared", "-fPIC", "-fuse-ld=lld"}},
      {"lld relr", {"-shared", "-fPIC", "-fuse-ld=lld", "-Wl,--pack-dyn-relocs=relr"}},
      {"lld merged", {"-shared", "-fPIC", "-fuse-ld=lld", "-Wl,--no-rosegment", "-g"}},
      {"gold", {"-shared", "-fPIC", "-fuse-ld=gold"}},
  };
  unsigned built = 0;
  for (const Variant& variant : variants) {
    SCOPED_TRACE(variant.name);
    const std::string name = fmt::format("lib{}.so", built);
    if (!compile(name, variant.options)) continue;
    ++built;
    ASSERT_EQ(load_and_check(name), 0) << "the unedited library must work";
    EditResult result;
    ASSERT_EQ(compact(name, &result), "");
    EXPECT_EQ(load_and_check(name + ".edited"), 0);
    EXPECT_GT(result.input_size - result.output_size, kLeastSaved);
  }
  EXPECT_GE(built, 3U);
}

/// The scripts by which libraries put device code behind everything else (RAPIDS), and neighbours
/// of that: in writable segments it may stand behind .bss, before it, between data, or in RELRO.
TEST_F(Toolchain, DeviceCodeInWritableSegmentsLeavesTheFile) {
  const auto script = [&](const char* name, const char* where) {
    std::ofstream(path(name)) << "SECTIONS { .nvFatBinSegment : { *(.nvFatBinSegment) }"
                                 " .nv_fatbin : { *(.nv_fatbin) } } INSERT "
                              << where << ";\n";
    return "-Wl,-T," + path(name);
  };
  const std::vector<Variant> places = {
      {"after bss", {script("after_bss.ld", "AFTER .bss")}},
      {"before bss", {script("before_bss.ld", "AFTER .data")}},
      {"before data", {script("before_data.ld", "BEFORE .data")}},
      {"relro", {script("relro.ld", "AFTER .data.rel.ro"), "-Wl,-z,relro,-z,now"}},
      {"64 KiB pages", {script("large.ld", "AFTER .bss"), "-Wl,-z,max-page-size=0x10000"}},
  };
  unsigned built = 0, writable = 0;
  for (const char* linker : {"-fuse-ld=bfd", "-fuse-ld=lld", "-fuse-ld=gold"}) {
    for (const Variant& place : places) {
      SCOPED_TRACE(fmt::format("{} {}", linker, place.name));
      const std::string name = fmt::format("lib{}.so", built);
      std::vector<std::string> options = place.options;
      options.insert(options.end(), {"-shared", "-fPIC", linker});
      if (!compile(name, options)) continue;
      if (load_and_check(name) != 0) continue;
      ++built;
      const auto bytes = MappedFile::open(path(name));
      const auto file = File::parse(bytes->bytes(), name);
      const Section* section = file->find_section(".nv_fatbin");
      for (const Segment& load : file->segments())
        writable += load.type == PT_LOAD && (load.flags & PF_W) != 0 &&
                    section->address - load.address < load.memory_size;
      EditResult result;
      ASSERT_EQ(compact(name, &result), "");
      EXPECT_EQ(result.in_vain, std::vector<std::size_t>());
      EXPECT_GT(result.input_size - result.output_size, kLeastSaved);
      EXPECT_EQ(load_and_check(name + ".edited"), 0);
      for (const std::vector<std::string>& tool :
           {std::vector<std::string>{"eu-strip"},
            {"llvm-strip-19"},
            {"patchelf", "--set-rpath", "/a/path/that/is/long/enough/to/move/the/string/table"}}) {
        if (!find_program(tool[0])) continue;
        SCOPED_TRACE(tool[0]);
        std::vector<std::string> argv = tool;
        argv.push_back(path("tool.so"));
        const auto rewritten = [&](const std::string& from) {
          std::filesystem::copy_file(path(from), path("tool.so"),
                                     std::filesystem::copy_options::overwrite_existing);
          const auto done = run_process(argv);
          return done && done->status == 0;
        };
        if (rewritten(name) && load_and_check("tool.so") == 0) {
          EXPECT_TRUE(rewritten(name + ".edited"));
          EXPECT_EQ(load_and_check("tool.so"), 0);
        }
      }
    }
  }
  EXPECT_GE(built, 4U);
  EXPECT_GE(writable, 4U);
}

TEST_F(Toolchain, ProgramsRunAfterTheEdit) {
  std::ofstream(path("after_bss.ld")) << "SECTIONS { .nvFatBinSegment : { *(.nvFatBinSegment) }"
                                         " .nv_fatbin : { *(.nv_fatbin) } } INSERT AFTER .bss;\n";
  const std::string after_bss = "-Wl,-T," + path("after_bss.ld");
  const std::vector<Variant> variants = {
      {"pie", {"-pie", "-fPIE"}},
      {"pie one segment", {"-pie", "-fPIE", "-Wl,-z,noseparate-code"}},
      {"fixed", {"-no-pie", "-fno-pie"}},
      {"fixed one segment", {"-no-pie", "-fno-pie", "-Wl,-z,noseparate-code"}},
      {"static", {"-static", "-no-pie", "-fno-pie"}},
      {"static one segment", {"-static", "-no-pie", "-fno-pie", "-Wl,-z,noseparate-code"}},
      {"static pie", {"-static-pie", "-fPIE"}},
      {"lld pie", {"-pie", "-fPIE", "-fuse-ld=lld"}},
      {"lld static", {"-static", "-no-pie", "-fuse-ld=lld"}},
      {"writable", {"-pie", "-fPIE", after_bss}},
      {"writable fixed", {"-no-pie", "-fno-pie", after_bss}},
      {"writable static", {"-static", "-no-pie", "-fno-pie", after_bss}},
      {"writable static pie", {"-static-pie", "-fPIE", after_bss}},
      {"2 MiB pages", {"-pie", "-fPIE", "-Wl,-z,max-page-size=0x200000"}},
  };
  unsigned built = 0;
  unsigned edited = 0;
  for (const Variant& variant : variants) {
    SCOPED_TRACE(variant.name);
    const std::string name = fmt::format("program{}", built);
    std::vector<std::string> options = variant.options;
    options.emplace_back("-DPROGRAM");
    if (!compile(name, options)) continue;
    ++built;
    ASSERT_EQ(run(name), "0 0 1\n") << "the unedited program must work";
    const std::string refusal = compact(name);
    if (!refusal.empty()) {
      EXPECT_THAT(refusal, ::testing::HasSubstr("no room for"))
          << "the only reason to leave it alone";
      continue;
    }
    ++edited;
    EXPECT_EQ(run(name + ".edited"), "0 0 1\n");
  }
  EXPECT_GE(built, 3U);
  EXPECT_GE(edited, built / 2);
  RecordProperty("edited", static_cast<int>(edited));
}

TEST_F(Toolchain, OtherToolsCanRewriteTheResult) {
  ASSERT_TRUE(compile("libplain.so", {"-shared", "-fPIC", "-g", "-Wl,-z,noseparate-code"}));
  ASSERT_EQ(compact("libplain.so"), "");
  const std::vector<std::vector<std::string>> tools = {
      {"eu-strip"},
      {"eu-strip", "-g"},
      {"llvm-strip-14"},
      {"llvm-strip-14", "-g"},
      {"llvm-strip-19"},
      {"llvm-strip-19", "-g"},
      {"patchelf", "--set-rpath", "/a/path/that/is/long/enough/to/move/the/string/table"}};
  for (const auto& tool : tools) {
    if (!find_program(tool[0])) continue;
    SCOPED_TRACE(tool[0]);
    std::filesystem::copy_file(path("libplain.so.edited"), path("tool.so"),
                               std::filesystem::copy_options::overwrite_existing);
    std::vector<std::string> argv = tool;
    argv.push_back(path("tool.so"));
    const auto result = run_process(argv);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->status, 0) << result->err;
    EXPECT_EQ(load_and_check("tool.so"), 0);
  }
}

TEST_F(Toolchain, ReadersFindNothingWrong) {
  ASSERT_TRUE(compile("libplain.so", {"-shared", "-fPIC", "-g"}));
  ASSERT_EQ(compact("libplain.so"), "");
  const std::vector<std::vector<std::string>> readers = {{"readelf", "-aW"},
                                                         {"objdump", "-x"},
                                                         {"nm"},
                                                         {"eu-readelf", "-a"},
                                                         {"gdb", "-batch", "-ex", "info files"}};
  for (const auto& reader : readers) {
    if (!find_program(reader[0])) continue;
    SCOPED_TRACE(reader[0]);
    const auto complaints = [&](const std::string& name) {
      std::filesystem::copy_file(path(name), path("read.so"),
                                 std::filesystem::copy_options::overwrite_existing);
      std::vector<std::string> argv = reader;
      argv.push_back(path("read.so"));
      const auto result = run_process(argv);
      return result ? fmt::format("{} {}", result->status, result->err) : render(result.error());
    };
    EXPECT_EQ(complaints("libplain.so.edited"), complaints("libplain.so"));
  }
}

TEST_F(Toolchain, ReferencesOfACompiledLibrary) {
  ASSERT_TRUE(compile("libplain.so", {"-shared", "-fPIC"}));
  const auto input = MappedFile::open(path("libplain.so"));
  ASSERT_TRUE(input);
  const auto file = File::parse(input->bytes(), "libplain.so");
  ASSERT_TRUE(file);
  const Section* section = file->find_section(".nv_fatbin");
  const auto found = find_references(*file, {{section->address, section->address + section->size}});
  ASSERT_TRUE(found);
  EXPECT_EQ(std::ranges::count(*found, ReferenceKind::kRela, &Reference::kind),
            static_cast<std::ptrdiff_t>(kRegions));
  EXPECT_EQ(std::ranges::count(*found, ReferenceKind::kSymbol, &Reference::kind),
            static_cast<std::ptrdiff_t>(kRegions) + kMappingSymbols);
  // The wrappers and the text after the device code are what the code addresses.
  const Section* wrappers = file->find_section(".nvFatBinSegment");
  const auto code =
      find_references(*file, {{wrappers->address, wrappers->address + wrappers->size}});
  ASSERT_TRUE(code);
  EXPECT_GE(std::ranges::count(*code, ReferenceKind::kCode, &Reference::kind), 1);
}

}  // namespace
}  // namespace flense::elf
