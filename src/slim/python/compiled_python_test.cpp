#include "slim/python/compiled_python.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::slim {
namespace {

using ::testing::HasSubstr;

const closure::PythonSource kSource{"usr/lib/python3.11/os.py", 0x1'0000'0007, 0x1'6000'0001};
const PythonKind kKind{0x0a0d0da7, "cpython-311"};

std::string words(std::initializer_list<std::uint32_t> values) {
  std::string out;
  for (std::uint32_t value : values)
    for (int i = 0; i < 4; ++i, value >>= 8) out += static_cast<char>(value & 0xff);
  return out;
}
/// Times and sizes count by their low 32 bits.
const std::string kHeader = words({0x0a0d0da7, 0, 0x60000001, 7});

std::string answer(std::uint32_t state, const std::string& data) {
  return words({state, static_cast<std::uint32_t>(data.size())}) + data;
}

Result<CompiledSource> read(const std::string& text) {
  ByteReader reader(as_bytes(text), "answer");
  return read_compiled(reader, kKind, kSource);
}

TEST(CompiledPython, AnswersAreRead) {
  const std::string text = answer(0, kHeader + "code");
  const auto compiled = read(text);
  ASSERT_TRUE(compiled);
  EXPECT_EQ(compiled->state, CompileState::kCompiled);
  EXPECT_EQ(as_text(compiled->bytes), kHeader + "code");
  EXPECT_EQ(read(answer(1, ""))->state, CompileState::kCurrent);
  EXPECT_EQ(read(answer(2, ""))->state, CompileState::kFailed);
}

TEST(CompiledPython, WhatImportsWouldNotTakeIsRefused) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {answer(3, ""), "unknown state 3"},
      {answer(1, "x"), "1 bytes without a compiled file"},
      {answer(0, ""), "a compiled file of 0 bytes"},
      {answer(0, kHeader), "a compiled file of 16 bytes"},
      {words({0, 64u << 20 | 1}), "a compiled file of 67108865 bytes"},
      {words({0, 100}) + kHeader, "compiled file"},
      {"\1", "state"},
      {answer(0, words({0x0a0d0da8, 0, 0x60000001, 7}) + "code"), "another interpreter"},
      {answer(0, words({0x0a0d0da7, 1, 0x60000001, 7}) + "code"), "another interpreter"},
      {answer(0, words({0x0a0d0da7, 0, 0x60000002, 7}) + "code"), "another source"},
      {answer(0, words({0x0a0d0da7, 0, 0x60000001, 8}) + "code"), "another source"},
  };
  for (const auto& [text, message] : bad) {
    const auto result = read(text);
    ASSERT_FALSE(result) << message;
    EXPECT_THAT(result.error().message, HasSubstr(message));
    EXPECT_EQ(result.error().code, Code::kBadInput);
  }
}

TEST(CompiledPython, AnInterpreterSaysWhichFilesItReads) {
  const auto kind = parse_python_kind("168627623 cpython-311\n");
  ASSERT_TRUE(kind);
  EXPECT_EQ(kind->magic, 0x0a0d0da7u);
  EXPECT_EQ(kind->tag, "cpython-311");
  for (const char* bad : {"", "\n", "168627623\n", "168627623 \n", "x cpython-311\n", "1 a/../b\n",
                          "1 ..\n", "1 a b\n", "99999999999 a\n", "1 a", "1 a\nb\n"})
    EXPECT_FALSE(parse_python_kind(bad)) << bad;
}

}  // namespace
}  // namespace flense::slim
