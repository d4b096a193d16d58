#include <gtest/gtest.h>

#include "lint/readers/readers.h"

namespace flense::lint {
namespace {

std::vector<std::string> bases_in(const std::string& name, std::string text) {
  ProjectFile file;
  file.kind = kind_of(name, text);
  file.source = SourceText(name, std::move(text));
  static_cast<FileContent&>(file) = read_content(file.kind, file.source);
  std::vector<std::string> out;
  for (const auto& one : embedded_in(file)) {
    EXPECT_EQ(one->source.text().size(), file.source.text().size());
    out.push_back(one->dockerfile->stages.front().base.text);
  }
  return out;
}

using Bases = std::vector<std::string>;

TEST(Embedded, WhatAScriptWritesAndWhatItBuilds) {
  EXPECT_EQ(bases_in("a.sh",
                     "cat > gpu.Dockerfile <<'EOF'\nFROM a:1\nEOF\n"
                     "cat > notes.txt <<EOF\nFROM b:1\nEOF\n"
                     "docker build -t x -f - . <<-EOF\nFROM c:1\nEOF\n"
                     "# cat > Dockerfile <<EOF\n"),
            (Bases{"a:1", "c:1"}));
}

TEST(Embedded, NoneThatTheShellChanges) {
  EXPECT_EQ(bases_in("a.sh", "cat > Dockerfile <<EOF\nFROM a:1\nENV A=\\$B\nEOF\n"), Bases{});
  EXPECT_EQ(bases_in("a.sh", "cat > Dockerfile <<'EOF'\nFROM a:1\nENV A=\\$B\nEOF\n"),
            (Bases{"a:1"}));
}

// Each without an end is sought through the rest of the file.
TEST(Embedded, EndlessOnesAreSoughtAFewTimes) {
  const std::string one = "cat > Dockerfile <<EOF\nFROM a:1\nEOF\n";
  const auto behind = [&](int count) {
    std::string text;
    for (int at = 0; at < count; ++at) text += "cat > Dockerfile <<A" + std::to_string(at) + "\n";
    return bases_in("a.sh", text + one).size();
  };
  EXPECT_EQ(behind(5), 1U);
  EXPECT_EQ(behind(1000), 0U);
}

}  // namespace
}  // namespace flense::lint
