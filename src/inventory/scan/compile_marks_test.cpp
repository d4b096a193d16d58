#include "inventory/scan/compile_marks.h"

#include <gtest/gtest.h>

#include "inventory/scan/mentions.h"
#include "inventory/scan/testing_files.h"

namespace flense::inventory {
namespace {

unsigned marks_of(const elf::testing::Builder& builder) {
  const std::string bytes = builder.build();
  const auto file = elf::File::parse(as_bytes(bytes), "libx.so");
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  return compile_marks(*file, {});
}

/// A library with this text in its data, at a place that is no multiple of a block.
unsigned with_data(const std::string& text, std::uint64_t flags = SHF_ALLOC) {
  elf::testing::Builder builder = testing::elf_builder({.soname = "libx.so"});
  builder.add({.name = ".rodata",
               .flags = flags,
               .address = 0x3000,
               .bytes = std::string(1013, 'r') + text + std::string(700, '\0'),
               .alignment = 8});
  return marks_of(builder);
}

TEST(CompileMarks, WhatAFileCallsStandsInItsStringsOrItsData) {
  EXPECT_EQ(with_data("puts"), 0U);
  EXPECT_EQ(with_data("nvrtcCompileProgram"), kCallsNvrtc);
  EXPECT_EQ(with_data("hiprtcCompileProgram and nvrtcCompileProgram"), kCallsNvrtc | kCallsHiprtc);
  EXPECT_EQ(with_data("myrtcCompileProgram"), 0U);
  EXPECT_EQ(with_data("nvrtcGetErrorString"), 0U);
  // The name of an imported function is in .dynstr, as the name of a needed library is.
  EXPECT_EQ(marks_of(testing::elf_builder({.soname = "a", .needed = {"nvrtcCompileProgram"}})),
            kCallsNvrtc);
}

TEST(CompileMarks, ACompilerIsToldByItsMessages) {
  EXPECT_EQ(with_data("#include expects \"FILENAME\" or <FILENAME>"), kHoldsFrontEnd);
  EXPECT_EQ(with_data("\"FILENAME\""), 0U);
  EXPECT_EQ(with_data("nvrtc: decode function returned null"), kCallsNvrtc);
  EXPECT_EQ(with_data("\"FILENAME\" or <FILENAME>", 0), 0U) << "debug data, which no program reads";
}

TEST(CompileMarks, ExtensionsThatStartNvcc) {
  EXPECT_EQ(with_data("/dvs/nvcc/x.c and bin/nvcc"), kStartsNvcc);
  EXPECT_EQ(with_data("/dvs/build/nvcc/x.c"), 0U) << "where a library was built";
}

TEST(CompileMarks, PythonModules) {
  const auto marks = [](const char* text) { return unsigned{compile_marks_of_python(text)}; };
  EXPECT_EQ(marks("nvrtc.nvrtcCompileProgram(p, 0, [])"), kCallsNvrtc);
  EXPECT_EQ(marks("torch.cuda._compile_kernel(source, 'k')"), kCallsNvrtc);
  EXPECT_EQ(marks("call(['gcc', '-shared', source])"), kStartsCompiler);
  EXPECT_EQ(marks("call(f'{home}/bin/nvcc -I{include} {source}')"), kStartsNvcc);
  EXPECT_EQ(marks("cc = os.environ['CXX'] + ' -fPIC'"), kStartsCompiler);
  EXPECT_EQ(marks("call('cmake --build . --config Release')"), kStartsCompiler);
  EXPECT_EQ(marks("call([\"cmake\", \"--build\", folder])"), kStartsCompiler);
  EXPECT_EQ(marks("distutils.ccompiler.new_compiler()"), kStartsCompiler);
  // It asks which compiler there is, and compiles nothing.
  EXPECT_EQ(marks("call(['nvcc', '--version'])"), 0U);
  EXPECT_EQ(marks("parser.add_argument('-I')"), 0U);
  EXPECT_EQ(marks("# NON-INFRINGEMENT\ndevice('gcc')"), 0U);
  EXPECT_EQ(marks("include = ' -I' if device['cc'] > 8 else ''"), 0U) << "a compute capability";
  EXPECT_EQ(marks("'gccx' '-shared'"), 0U);
  EXPECT_EQ(marks("gcc -shared"), 0U) << "no string of Python";
}

TEST(CompileMarks, WordsAreFoundAtEveryPlace) {
  for (std::size_t before = 0; before < 600; ++before) {
    const std::string text = std::string(before, 'n') + "needle" + std::string(before % 7, 'n');
    EXPECT_EQ(find_rare(text, "needle", 0), before);
    EXPECT_EQ(find_rare(text, "needle", before + 1), std::string::npos);
    EXPECT_EQ(find_rare(std::string(before, 'n') + "needl", "needle", 0), std::string::npos);
  }
}

}  // namespace
}  // namespace flense::inventory
