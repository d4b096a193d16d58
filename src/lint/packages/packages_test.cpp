#include "lint/packages/packages.h"

#include <gtest/gtest.h>

#include "base/format.h"
#include "lint/packages/marker.h"
#include "lint/packages/requirement_text.h"

namespace flense::lint {
namespace {

std::string shown(const PackageRequest& request, const SourceText& source) {
  std::string out = request.name;
  for (const std::string& extra : request.extras) out += "[" + extra + "]";
  out += " " + request.specifier + " " + request.version;
  if (!request.url.empty()) out += " @" + request.url;
  if (!request.index.empty()) out += " <" + request.index;
  return out + " | " + std::string(source.slice(request.span));
}

using Reader = PackageList (*)(const SourceText&, std::vector<ParseProblem>&);

struct ReadText {
  std::vector<std::string> packages, indexes, files, problems;
};

ReadText read(Reader reader, std::string text) {
  const SourceText source("file", std::move(text));
  std::vector<ParseProblem> problems;
  const PackageList list = reader(source, problems);
  ReadText out;
  for (const PackageRequest& request : list.packages)
    out.packages.push_back(shown(request, source));
  for (const Word& word : list.indexes)
    out.indexes.push_back(word.text + " | " + std::string(source.slice(word.span)));
  for (const Word& word : list.requirement_files)
    out.files.push_back(word.text + " | " + std::string(source.slice(word.span)));
  for (const ParseProblem& problem : problems) out.problems.push_back(problem.message);
  return out;
}

using Texts = std::vector<std::string>;

TEST(RequirementText, Requirements) {
  const auto torch =
      parse_requirement("Torch [Opt, other_one] == 2.6.0+cu124 ; python_version > '3'");
  ASSERT_TRUE(torch);
  EXPECT_EQ(torch->name, "torch");
  EXPECT_EQ(torch->extras, (Texts{"opt", "other-one"}));
  EXPECT_EQ(torch->specifier, "==2.6.0+cu124");
  EXPECT_EQ(torch->version, "2.6.0+cu124");
  EXPECT_EQ(parse_requirement("a.b_C--d")->name, "a-b-c-d");
  EXPECT_EQ(parse_requirement("x (>=2,<3)")->specifier, ">=2,<3");
  EXPECT_EQ(parse_requirement("x==2.6.*")->version, "2.6");
  EXPECT_EQ(parse_requirement("x==2.*")->version, "");
  EXPECT_EQ(parse_requirement("x==2")->version, "2");
  EXPECT_EQ(parse_requirement("x @ https://a.b/x.whl ; os_name == 'nt'")->marker,
            "os_name == 'nt'");
  EXPECT_EQ(parse_requirement("x==${V}")->version, "");
  EXPECT_EQ(parse_requirement("x>=1,==1.5")->version, "1.5");
  EXPECT_EQ(parse_requirement("x @ https://a/b.whl ; python_version > '3'")->url,
            "https://a/b.whl");
  for (const char* none : {"", "-x", "[a]", "=1", "x[", "x 1.0", "==2"})
    EXPECT_FALSE(parse_requirement(none)) << none;
}

TEST(RequirementText, CondaSpecs) {
  EXPECT_EQ(parse_conda_spec("pytorch::PyTorch=2.5.1=py3.11_cuda12.4*")->version, "2.5.1");
  EXPECT_EQ(parse_conda_spec("pytorch::PyTorch=2.5.1")->name, "pytorch");
  EXPECT_EQ(parse_conda_spec("cudatoolkit=11.8")->version, "11.8");
  EXPECT_EQ(parse_conda_spec("cudatoolkit==11.8.0")->version, "11.8.0");
  EXPECT_EQ(parse_conda_spec("python 3.11")->version, "3.11");
  EXPECT_EQ(parse_conda_spec("cuda-version>=12,<13")->version, "");
  EXPECT_EQ(parse_conda_spec("cuda-version >=12,<13")->specifier, ">=12,<13");
  EXPECT_EQ(parse_conda_spec("cuda-version=12.*")->version, "12");
  EXPECT_EQ(parse_conda_spec("cuda-toolkit[version='12.4']")->version, "12.4");
  EXPECT_EQ(parse_conda_spec("cuda-toolkit[version=\">=12\"]")->version, "");
  EXPECT_FALSE(parse_conda_spec(""));
  EXPECT_TRUE(parse_conda_spec("a[version="));
}

TEST(RequirementText, Markers) {
  EXPECT_TRUE(is_for_linux(""));
  EXPECT_TRUE(is_for_linux("python_version < '3.12'"));
  EXPECT_TRUE(is_for_linux("sys_platform == 'linux'"));
  EXPECT_TRUE(is_for_linux("sys_platform != \"darwin\""));
  EXPECT_TRUE(is_for_linux("sys_platform == 'darwin' or sys_platform == 'linux'"));
  EXPECT_FALSE(is_for_linux("sys_platform == 'darwin'"));
  EXPECT_FALSE(is_for_linux("platform_system=='Windows' and python_version > '3'"));
  EXPECT_FALSE(is_for_linux("sys_platform != 'linux'"));
  EXPECT_FALSE(is_for_linux("os_name == 'nt'"));
  EXPECT_TRUE(is_for_linux("sys_platform =="));
}

TEST(Requirements, LinesOptionsAndHashes) {
  const ReadText got = read(read_requirements,
                            "# a comment\n"
                            "--index-url https://download.pytorch.org/whl/cu124\n"
                            "-i https://a/simple  # why\n"
                            "--extra-index-url=https://b/simple\n"
                            "-fhttps://c/links\n"
                            "-r base.txt\n"
                            "-c constraints.txt\n"
                            "--no-binary :all:\n"
                            "torch==2.6.0+cu124 \\\n"
                            "    --hash=sha256:aa \\\n"
                            "    --hash=sha256:bb\n"
                            "numpy >= 1.26 , < 3 ; python_version < '3.13'  # pinned later\n"
                            "pywin32; sys_platform == 'win32'\n"
                            "\r\n"
                            "uvicorn[standard]==0.30\r\n"
                            "x @ https://a/x.whl#sha256=1\n"
                            "git+https://github.com/Dao-AILab/flash-attention.git@v2\n"
                            "./local[dev]\n"
                            "dependencies/AutoGPTQ\n");
  EXPECT_EQ(got.packages,
            (Texts{"torch ==2.6.0+cu124 2.6.0+cu124 | torch==2.6.0+cu124",
                   "numpy >=1.26,<3  | numpy >= 1.26 , < 3",
                   "uvicorn[standard] ==0.30 0.30 | uvicorn[standard]==0.30",
                   "x   @https://a/x.whl#sha256=1 | x @ https://a/x.whl#sha256=1",
                   "flash-attention   @git+https://github.com/Dao-AILab/flash-attention.git@v2 | "
                   "git+https://github.com/Dao-AILab/flash-attention.git@v2"}));
  EXPECT_EQ(
      got.indexes,
      (Texts{"https://download.pytorch.org/whl/cu124 | https://download.pytorch.org/whl/cu124",
             "https://a/simple | https://a/simple", "https://b/simple | https://b/simple",
             "https://c/links | https://c/links"}));
  EXPECT_EQ(got.files, (Texts{"base.txt | base.txt", "./local/pyproject.toml | ./local[dev]",
                              "dependencies/AutoGPTQ/pyproject.toml | dependencies/AutoGPTQ"}));
  EXPECT_EQ(got.problems, Texts{});
}

TEST(Requirements, WhatIsWrongIsSaidOnce) {
  const ReadText got = read(read_requirements, "torch 2.6\n-r\nnumpy\n");
  EXPECT_EQ(got.packages, (Texts{"numpy   | numpy"}));
  EXPECT_EQ(got.problems, (Texts{"'torch 2.6' is not a requirement", "-r has no value"}));
}

TEST(Pyproject, StandardTables) {
  const ReadText got =
      read(read_pyproject,
           "[project]\n"
           "name = \"torch\"\n"
           "dependencies = [\n"
           "  \"torch==2.6.0\", # here\n"
           "  'numpy>=2',\n"
           "  \"pywin32 ; sys_platform == 'win32'\",\n"
           "]\n"
           "[project.optional-dependencies]\n"
           "gpu = [\"cupy-cuda12x\"]\n"
           "[dependency-groups]\n"
           "dev = [\"pytest\", {include-group = \"lint\"}]\n"
           "[tool.uv.sources]\n"
           "torch = [\n"
           "  { index = \"pytorch-cpu\", marker = \"sys_platform != 'linux'\" },\n"
           "  { index = \"pytorch-cu124\", marker = \"sys_platform == 'linux'\" },\n"
           "]\n"
           "[[tool.uv.index]]\n"
           "name = \"pytorch-cu124\"\n"
           "url = \"https://download.pytorch.org/whl/cu124\"\n"
           "explicit = true\n"
           "[[tool.uv.index]]\n"
           "name = \"pytorch-cpu\"\n"
           "url = \"https://download.pytorch.org/whl/cpu\"\n");
  EXPECT_EQ(got.packages,
            (Texts{"torch ==2.6.0 2.6.0 <https://download.pytorch.org/whl/cu124 | torch==2.6.0",
                   "numpy >=2  | numpy>=2", "cupy-cuda12x   | cupy-cuda12x", "pytest   | pytest"}));
  EXPECT_EQ(got.indexes.size(), 2u);
  EXPECT_EQ(got.problems, Texts{});
}

TEST(Pyproject, Poetry) {
  const ReadText got = read(read_pyproject,
                            "[tool.poetry]\nname = \"x\"\n"
                            "[tool.poetry.dependencies]\n"
                            "python = \"^3.11\"\n"
                            "torch = {version = \"2.6.0\", source = \"pytorch\"}  # gpu\n"
                            "numpy = \"^2.0\"\n"
                            "[tool.poetry.group.dev.dependencies]\n"
                            "pytest = \"*\"\n"
                            "[[tool.poetry.source]]\n"
                            "name = \"pytorch\"\n"
                            "url = \"https://download.pytorch.org/whl/cu126\"\n");
  EXPECT_EQ(got.packages,
            (Texts{"numpy ^2.0  | numpy = \"^2.0\"",
                   "torch 2.6.0 2.6.0 <https://download.pytorch.org/whl/cu126 | torch = {version = "
                   "\"2.6.0\", source = \"pytorch\"}  # gpu",
                   "pytest *  | pytest = \"*\""}));
}

TEST(Pyproject, BrokenIsAProblemWithItsLine) {
  const SourceText source("pyproject.toml", "[project]\nname = \n");
  std::vector<ParseProblem> problems;
  EXPECT_TRUE(read_pyproject(source, problems).packages.empty());
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(source.position(problems[0].span.begin).line, 2u);
}

TEST(UvLock, PackagesWithRegistries) {
  const ReadText got = read(read_uv_lock,
                            "version = 1\n\n[[package]]\nname = \"app\"\nversion = \"0.1\"\n"
                            "source = { editable = \".\" }\n\n[[package]]\nname = \"torch\"\n"
                            "version = \"2.6.0+cu124\"\n"
                            "source = { registry = \"https://download.pytorch.org/whl/cu124\" }\n"
                            "wheels = [\n    { url = \"https://x/torch.whl\" },\n]\n");
  EXPECT_EQ(got.packages, (Texts{"torch ==2.6.0+cu124 2.6.0+cu124 "
                                 "<https://download.pytorch.org/whl/cu124 | name = \"torch\""}));
}

TEST(CondaEnvironment, DependenciesAndPip) {
  const ReadText got = read(read_conda_environment,
                            "name: gpu\nchannels:\n  - pytorch\n  - nvidia  # theirs\n"
                            "dependencies:\n  - python=3.11\n  - pytorch-cuda=12.1\n"
                            "  - \"cuda-version>=12,<13\"\n  - pip\n  - pip:\n"
                            "    - --extra-index-url https://download.pytorch.org/whl/cu121\n"
                            "    - torch==2.4.0\n    - -r requirements.txt\n");
  EXPECT_EQ(got.packages,
            (Texts{"python =3.11 3.11 | python=3.11", "pytorch-cuda =12.1 12.1 | pytorch-cuda=12.1",
                   "cuda-version >=12,<13  | cuda-version>=12,<13", "pip   | pip",
                   "torch ==2.4.0 2.4.0 | torch==2.4.0"}));
  EXPECT_EQ(got.indexes, (Texts{"pytorch | pytorch", "nvidia | nvidia",
                                "https://download.pytorch.org/whl/cu121 | --extra-index-url "
                                "https://download.pytorch.org/whl/cu121"}));
  EXPECT_EQ(got.files, (Texts{"requirements.txt | -r requirements.txt"}));
  EXPECT_EQ(read(read_conda_environment, "dependencies: [\n").problems.size(), 1u);
}

TEST(PackageReaders, LongInputIsLinear) {
  std::string toml = "[project]\ndependencies = [\n", lock, yaml = "dependencies:\n", text;
  for (int at = 0; at < 5000; ++at) {
    toml += fmt::format("  \"a\\u002d{}\",\n", at);
    lock += fmt::format("[[package]]\nname = \"p{}\"\nversion = \"1\"\n", at);
    yaml += fmt::format("  - \"a\\x2d{}\"\n", at);
    text += "\\\n";
  }
  EXPECT_EQ(read(read_pyproject, toml + "]\n").packages.size(), 5000u);
  EXPECT_EQ(read(read_uv_lock, lock).packages.size(), 5000u);
  EXPECT_EQ(read(read_conda_environment, yaml).packages.size(), 5000u);
  EXPECT_EQ(read(read_requirements, text).packages.size(), 0u);
  EXPECT_EQ(read(read_requirements, std::string(1 << 20, '\\')).packages.size(), 0u);
}

}  // namespace
}  // namespace flense::lint
