#include "lint/packages/asked.h"

#include <gtest/gtest.h>

#include "lint/shell/shell.h"

namespace flense::lint {

namespace {

using Texts = std::vector<std::string>;

/// The names that a command takes of a file.
Texts taken(std::string line, const PackageList& file, const PackageList* beside = nullptr) {
  const SourceText source("run.sh", std::move(line));
  const auto commands = split_shell(source.text(), {0, source.text().size()}).commands;
  const auto lists = package_commands(source, commands, {});
  Texts out;
  for (const PackageList& list : lists)
    for (const PackageRequest& request : taken_by(list, file, beside, "3.12").packages)
      out.push_back(request.name);
  return out;
}

PackageList pyproject(std::string text) {
  std::vector<ParseProblem> problems;
  return read_pyproject(SourceText("pyproject.toml", std::move(text)), problems);
}

PackageList lock(std::string text) {
  std::vector<ParseProblem> problems;
  return read_uv_lock(SourceText("uv.lock", std::move(text)), problems);
}

constexpr const char* kProject = R"([project]
name = "my-app"
dependencies = ["base", "old; python_version < '3.12'"]
[project.optional-dependencies]
gpu = ["torch"]
web = ["fastapi"]
all = ["my_app[gpu,web]"]
[dependency-groups]
dev = ["pytest", {include-group = "lint"}]
lint = ["ruff"]
docs = ["sphinx"]
)";

TEST(Asked, ExtrasOfAProject) {
  const PackageList file = pyproject(kProject);
  EXPECT_EQ(taken("pip install .", file), (Texts{"base"}));
  EXPECT_EQ(taken("pip install -e '.[gpu]'", file), (Texts{"base", "torch"}));
  EXPECT_EQ(taken("pip install .[gpu,web]", file), (Texts{"base", "torch", "fastapi"}));
  EXPECT_EQ(taken("pip install '.[all]'", file), (Texts{"base", "my-app", "torch", "fastapi"}));
  EXPECT_EQ(taken("pip install --no-deps .[gpu]", file), Texts{});
  EXPECT_EQ(taken("uv pip install -r pyproject.toml --extra web", file),
            (Texts{"base", "fastapi"}));
}

TEST(Asked, Groups) {
  const PackageList file = pyproject(kProject);
  EXPECT_EQ(taken("uv sync", file), (Texts{"base", "pytest", "ruff"}));
  EXPECT_EQ(taken("uv sync --no-dev --group docs", file), (Texts{"base", "sphinx"}));
  EXPECT_EQ(taken("uv sync --only-group docs", file), (Texts{"sphinx"}));
  EXPECT_EQ(taken("uv export --no-dev --extra gpu -o requirements.txt", file),
            (Texts{"base", "torch"}));
  EXPECT_EQ(taken("uv sync --all-extras --no-dev", file),
            (Texts{"base", "my-app", "torch", "fastapi"}));
}

TEST(Asked, Poetry) {
  const PackageList file = pyproject(R"([tool.poetry]
name = "app"
[tool.poetry.dependencies]
base = "^1"
torch = {version = "^2", optional = true}
[tool.poetry.extras]
gpu = ["torch"]
[tool.poetry.group.dev.dependencies]
pytest = "*"
[tool.poetry.group.docs]
optional = true
[tool.poetry.group.docs.dependencies]
sphinx = "*"
)");
  EXPECT_EQ(taken("poetry install --only main", file), (Texts{"base"}));
  EXPECT_EQ(taken("poetry install -E gpu --without dev", file), (Texts{"base", "torch"}));
  EXPECT_EQ(taken("poetry install --with docs", file), (Texts{"base", "pytest", "sphinx"}));
}

TEST(Asked, ALockIsFollowed) {
  const PackageList file = lock(R"(version = 1
[[package]]
name = "app"
version = "1"
source = {editable = "."}
dependencies = [{name = "a"}]
[package.optional-dependencies]
gpu = [{name = "b", extra = ["fast"]}, {name = "win", marker = "sys_platform == 'win32'"}]
[package.dev-dependencies]
dev = [{name = "pytest"}]
[[package]]
name = "a"
version = "1"
source = {registry = "https://pypi.org/simple"}
dependencies = [{name = "c", version = "2"}]
[[package]]
name = "b"
version = "1"
source = {registry = "https://pypi.org/simple"}
[package.optional-dependencies]
fast = [{name = "d"}]
[[package]]
name = "c"
version = "1"
source = {registry = "https://pypi.org/simple"}
[[package]]
name = "c"
version = "2"
source = {registry = "https://pypi.org/simple"}
dependencies = [{name = "a"}]
[[package]]
name = "d"
version = "1"
source = {registry = "https://pypi.org/simple"}
[[package]]
name = "pytest"
version = "1"
source = {registry = "https://pypi.org/simple"}
[[package]]
name = "win"
version = "1"
source = {registry = "https://pypi.org/simple"}
)");
  EXPECT_EQ(taken("uv sync --no-dev", file), (Texts{"a", "c"}));
  EXPECT_EQ(taken("uv sync --frozen --no-dev --extra gpu", file), (Texts{"a", "b", "c", "d"}));
  EXPECT_EQ(taken("uv sync", file), (Texts{"a", "c", "pytest"}));
  const PackageList beside = pyproject("[tool.uv]\ndefault-groups = []\n");
  EXPECT_EQ(taken("uv sync", file, &beside), (Texts{"a", "c"}));
}

TEST(Asked, AMemberOfAWorkspace) {
  const PackageList file = lock(R"(version = 1
[[package]]
name = "app"
version = "1"
source = {virtual = "."}
dependencies = [{name = "a"}]
[[package]]
name = "my-worker"
version = "1"
source = {editable = "worker"}
dependencies = [{name = "b"}]
[[package]]
name = "a"
version = "1"
source = {registry = "x"}
[[package]]
name = "b"
version = "1"
source = {registry = "x"}
)");
  EXPECT_EQ(taken("uv sync --package my_worker", file), (Texts{"b"}));
  EXPECT_EQ(taken("uv sync", file), (Texts{"a"}));
  EXPECT_EQ(taken("uv sync --all-packages", file), (Texts{"a", "b"}));
}

TEST(Asked, ALockWithoutItsProjectIsTakenWhole) {
  const PackageList file = lock(
      "version = 1\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = {registry = \"x\"}\n");
  EXPECT_EQ(taken("uv sync --extra gpu", file), (Texts{"a"}));
}

}  // namespace

}  // namespace flense::lint
