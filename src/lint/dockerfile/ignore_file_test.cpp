#include "lint/dockerfile/ignore_file.h"

#include <gtest/gtest.h>

namespace flense::lint {
namespace {

bool ignores(std::string text, std::string_view path) {
  const SourceText source(".dockerignore", std::move(text));
  const IgnoreFile file = read_ignore_file(source);
  EXPECT_TRUE(file.problems.empty());
  return file.ignores(path);
}

struct Case {
  const char* pattern;
  const char* path;
  bool ignored;
};

// The cases of moby/patternmatcher's own tests.
TEST(IgnoreFile, PatternsOfMoby) {
  constexpr Case kCases[] = {
      {"**", "file", true},
      {"**", "file/", true},
      {"**/", "file", true},
      {"**/", "file/", true},
      {"**", "/", true},
      {"**/", "/", true},
      {"**", "dir/file", true},
      {"**/", "dir/file", true},
      {"**", "dir/file/", true},
      {"**/", "dir/file/", true},
      {"**/**", "dir/file", true},
      {"**/**", "dir/file/", true},
      {"dir/**", "dir/file", true},
      {"dir/**", "dir/file/", true},
      {"dir/**", "dir/dir2/file", true},
      {"dir/**", "dir/dir2/file/", true},
      {"**/dir", "dir", true},
      {"**/dir", "dir/file", true},
      {"**/dir2/*", "dir/dir2/file", true},
      {"**/dir2/*", "dir/dir2/file/", true},
      {"**/dir2/**", "dir/dir2/dir3/file", true},
      {"**/dir2/**", "dir/dir2/dir3/file/", true},
      {"**file", "file", true},
      {"**file", "dir/file", true},
      {"**/file", "dir/file", true},
      {"**file", "dir/dir/file", true},
      {"**/file", "dir/dir/file", true},
      {"**/file*", "dir/dir/file", true},
      {"**/file*", "dir/dir/file.txt", true},
      {"**/file*txt", "dir/dir/file.txt", true},
      {"**/file*.txt", "dir/dir/file.txt", true},
      {"**/file*.txt*", "dir/dir/file.txt", true},
      {"**/**/*.txt", "dir/dir/file.txt", true},
      {"**/**/*.txt2", "dir/dir/file.txt", false},
      {"**/*.txt", "file.txt", true},
      {"**/**/*.txt", "file.txt", true},
      {"a**/*.txt", "a/file.txt", true},
      {"a**/*.txt", "a/dir/file.txt", true},
      {"a**/*.txt", "a/dir/dir/file.txt", true},
      {"a/*.txt", "a/dir/file.txt", false},
      {"a/*.txt", "a/file.txt", true},
      {"a/*.txt**", "a/file.txt", true},
      {"a[b-d]e", "ae", false},
      {"a[b-d]e", "ace", true},
      {"a[b-d]e", "aae", false},
      {"a[^b-d]e", "aze", true},
      {".*", ".foo", true},
      {".*", "foo", false},
      {"abc.def", "abcdef", false},
      {"abc.def", "abc.def", true},
      {"abc.def", "abcZdef", false},
      {"abc?def", "abcZdef", true},
      {"abc?def", "abcdef", false},
      {"a\\\\", "a\\", true},
      {"**/foo/bar", "foo/bar", true},
      {"**/foo/bar", "dir/foo/bar", true},
      {"**/foo/bar", "dir/dir2/foo/bar", true},
      {"abc/**", "abc", false},
      {"abc/**", "abc/def", true},
      {"abc/**", "abc/def/ghi", true},
      {"**/.foo", ".foo", true},
      {"**/.foo", "bar.foo", false},
      {"a(b)c/def", "a(b)c/def", true},
      {"a(b)c/def", "a(b)c/xyz", false},
      {"a.|)$(}+{bc", "a.|)$(}+{bc", true},
      {"dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
       "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", true},
      {"dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", true},
      {"a\\*b", "a*b", true},
      {"abc", "abc", true},
      {"*", "abc", true},
      {"*c", "abc", true},
      {"a*", "a", true},
      {"a*", "abc", true},
      {"a*", "ab/c", true},
      {"a*/b", "abc/b", true},
      {"a*/b", "a/c/b", false},
      {"a*b*c*d*e*/f", "axbxcxdxe/f", true},
      {"a*b*c*d*e*/f", "axbxcxdxexxx/f", true},
      {"a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false},
      {"a*b*c*d*e*/f", "axbxcxdxexxx/fff", false},
      {"a*b?c*x", "abxbbxdbxebxczzx", true},
      {"a*b?c*x", "abxbbxdbxebxczzy", false},
      {"ab[c]", "abc", true},
      {"ab[b-d]", "abc", true},
      {"ab[e-g]", "abc", false},
      {"ab[^c]", "abc", false},
      {"ab[^b-d]", "abc", false},
      {"ab[^e-g]", "abc", true},
      {"a\\*b", "ab", false},
      {"a?b", "a☺b", true},
      {"a[^a]b", "a☺b", true},
      {"a???b", "a☺b", false},
      {"a[^a][^a][^a]b", "a☺b", false},
      {"[a-ζ]*", "α", true},
      {"*[a-ζ]", "A", false},
      {"a?b", "a/b", false},
      {"a*b", "a/b", false},
      {"[\\]a]", "]", true},
      {"[\\-]", "-", true},
      {"[x\\-]", "x", true},
      {"[x\\-]", "-", true},
      {"[x\\-]", "z", false},
      {"[\\-x]", "x", true},
      {"[\\-x]", "-", true},
      {"[\\-x]", "a", false},
      {"*x", "xxx", true},
  };
  for (const Case& one : kCases) {
    const std::string path = one.path;
    IgnoreFile file;
    file.patterns.emplace_back(one.pattern, false, Span{});
    EXPECT_EQ(file.ignores(path), one.ignored) << one.pattern << " and " << one.path;
  }
}

TEST(IgnoreFile, PatternsThatMobyRefuses) {
  for (const char* pattern :
       {"[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[", "[^", "[^bc", "a["}) {
    const SourceText source(".dockerignore", pattern);
    EXPECT_EQ(read_ignore_file(source).problems.size(), 1U) << pattern;
  }
}

TEST(IgnoreFile, TheLastPatternThatFitsDecides) {
  EXPECT_FALSE(ignores("**\n!util/docker/web\n", "util/docker/web/foo"));
  EXPECT_TRUE(ignores("**\n!util/docker/web\nutil/docker/web/foo\n", "util/docker/web/foo"));
  EXPECT_FALSE(
      ignores("**\n!dist/*.whl\n", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl"));
  EXPECT_FALSE(ignores("*.md\n!README.md\n", "README.md"));
  EXPECT_TRUE(ignores("!README.md\n*.md\n", "README.md"));
}

TEST(IgnoreFile, LinesOfTheFile) {
  const char* text =
      "\xEF\xBB\xBF# a comment\n\n  /data/ \r\n./a/../wandb\n # no comment\n! keep \n*.pt\n";
  EXPECT_TRUE(ignores(text, "data/x/y.bin"));
  EXPECT_TRUE(ignores(text, "wandb"));
  EXPECT_TRUE(ignores(text, "# no comment"));
  EXPECT_TRUE(ignores(text, "model.pt"));
  EXPECT_FALSE(ignores(text, "models/model.pt"));
  EXPECT_FALSE(ignores(text, "src/main.py"));
  const SourceText source(".dockerignore", text);
  const IgnoreFile file = read_ignore_file(source);
  EXPECT_TRUE(file.has_exceptions());
  EXPECT_EQ(source.slice(file.patterns.front().span()), "/data/");
}

TEST(IgnoreFile, HostileInput) {
  std::string stars = "*a";
  for (int at = 0; at < 1000; ++at) stars += "*a";
  EXPECT_FALSE(ignores(stars + "\n", std::string(4000, 'b')));
  EXPECT_FALSE(ignores("**/a/**/b/**/c\n", std::string(4000, '/')));
  const SourceText longest(".dockerignore", std::string(5000, 'a') + "\n!\n");
  EXPECT_EQ(read_ignore_file(longest).problems.size(), 2U);
}

}  // namespace
}  // namespace flense::lint
