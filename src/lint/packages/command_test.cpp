#include <gtest/gtest.h>

#include "lint/packages/packages.h"

namespace flense::lint {
namespace {

/// "pip install: torch ==2.6.0 2.6.0 | …; index …; file …; options", a line for each command.
std::string shown(const std::string& text, const Environment& environment = {}) {
  const SourceText source("Dockerfile", text);
  const auto commands = split_shell(text, {0, text.size()}).commands;
  std::string out;
  for (const PackageList& list : package_commands(source, commands, environment)) {
    out += list.program + " " + list.verb + (list.installs ? ":" : " (does not install):");
    for (const PackageRequest& request : list.packages) {
      out += " " + request.name + request.specifier;
      for (const std::string& extra : request.extras) out += "[" + extra + "]";
      if (!request.version.empty()) out += "=" + request.version;
      if (!request.url.empty()) out += "@" + request.url;
      EXPECT_FALSE(source.slice(request.span).empty()) << text;
    }
    for (const Word& word : list.indexes) out += " <" + word.text;
    for (const Word& word : list.requirement_files) out += " -r" + word.text;
    for (const std::string& option : list.options) out += " {" + option + "}";
    out += "\n";
  }
  return out;
}

TEST(PackageCommands, Pip) {
  EXPECT_EQ(shown("pip install torch==2.6.0 'numpy<3' uvicorn[standard]"),
            "pip install: torch==2.6.0=2.6.0 numpy<3 uvicorn[standard]\n");
  EXPECT_EQ(shown("pip3.11 --no-cache-dir install -q -U torch"),
            "pip install: torch {--no-cache-dir} {-q} {-U}\n");
  EXPECT_EQ(shown("sudo -H python3 -m pip install --index-url=https://a/cu124 torch"),
            "pip install: torch <https://a/cu124 {--index-url=https://a/cu124}\n");
  EXPECT_EQ(shown("python -u -m pip download -d /w torch"),
            "pip download (does not install): torch {-d=/w}\n");
  EXPECT_EQ(shown("pip install -rreq.txt -r other.txt -c limits.txt -e ./lib[dev] . "),
            "pip install: -rreq.txt -rother.txt -r./lib/pyproject.toml -r./pyproject.toml "
            "{-r=req.txt} {-r=other.txt} {-c=limits.txt} {-e=./lib[dev]}\n");
  EXPECT_EQ(shown("pip uninstall -y torch; pip list; python app.py -m pip; pipx install torch"),
            "");
  EXPECT_EQ(shown("pip install https://x/torch-2.6.0%2Bcu124-cp312-cp312-linux_x86_64.whl"),
            "pip install: torch=2.6.0+cu124@https://x/"
            "torch-2.6.0%2Bcu124-cp312-cp312-linux_x86_64.whl\n");
  EXPECT_EQ(shown("pip install 'flash-attn @ git+https://g/f.git' git+https://g/apex.git@v1#egg=a"),
            "pip install: flash-attn@git+https://g/f.git apex@git+https://g/apex.git@v1#egg=a\n");
}

TEST(PackageCommands, VariablesOfTheTextAndOfTheEnvironment) {
  EXPECT_EQ(shown("pip install torch==$V", {{"V", "2.6.0"}}), "pip install: torch==2.6.0=2.6.0\n");
  EXPECT_EQ(shown("pip install torch==$V", {{"V", std::nullopt}}), "pip install: torch==$V\n");
  EXPECT_EQ(shown("pip install 'torch==$V'", {{"V", "2.6.0"}}), "pip install: torch==$V\n");
  EXPECT_EQ(shown("V=2.6.0 && pip install torch==${V}"), "pip install: torch==2.6.0=2.6.0\n");
  EXPECT_EQ(shown("export V=2.6.0\npip install torch==$V"), "pip install: torch==2.6.0=2.6.0\n");
  EXPECT_EQ(shown("if true; then V=2.6.0; fi; pip install torch==$V", {{"V", "1"}}),
            "pip install: torch==$V\n")
      << "nobody knows whether it was carried out";
  EXPECT_EQ(shown("pip install $PACKAGES", {{"PACKAGES", "torch numpy"}}),
            "pip install: torch numpy\n");
  EXPECT_EQ(shown("PIP_INDEX_URL=https://a pip install torch"), "pip install: torch <https://a\n");
  EXPECT_EQ(shown("pip install torch", {{"PIP_EXTRA_INDEX_URL", "https://b"}}),
            "pip install: torch <https://b\n");
}

TEST(PackageCommands, Uv) {
  EXPECT_EQ(shown("uv pip install --system --torch-backend=cu124 torch"),
            "uv install: torch {--system} {--torch-backend=cu124}\n");
  EXPECT_EQ(shown("uv pip install --index pytorch=https://a/cu124 torch"),
            "uv install: torch <https://a/cu124 {--index=pytorch=https://a/cu124}\n");
  EXPECT_EQ(shown("uv add torch"), "uv add: torch\n");
  EXPECT_EQ(shown("uv sync --frozen --no-dev"),
            "uv sync: -rpyproject.toml {--frozen} {--no-dev}\n");
  EXPECT_EQ(shown("uv pip sync requirements.txt"), "uv sync: -rrequirements.txt\n");
  EXPECT_EQ(shown("uv run pip install torch"), "pip install: torch\n");
  EXPECT_EQ(shown("uv venv /opt/venv; uv"), "");
}

TEST(PackageCommands, Conda) {
  EXPECT_EQ(shown("conda install -y -c pytorch -c nvidia pytorch=2.5.1 pytorch-cuda=12.1"),
            "conda install: pytorch=2.5.1=2.5.1 pytorch-cuda=12.1=12.1 <pytorch <nvidia {-y} "
            "{-c=pytorch} {-c=nvidia}\n");
  EXPECT_EQ(shown("mamba env create -n gpu -f env.yml"),
            "mamba env create: -renv.yml {-n=gpu} {-f=env.yml}\n");
  EXPECT_EQ(shown("conda env create"), "conda env create: -renvironment.yml\n");
  EXPECT_EQ(shown("micromamba install -yn base -f /tmp/env.yaml"),
            "micromamba install: -r/tmp/env.yaml {-y} {-n=base} {-f=/tmp/env.yaml}\n");
  EXPECT_EQ(shown("conda run --no-capture-output -n gpu pip install torch"),
            "pip install: torch\n");
  EXPECT_EQ(shown("conda clean -afy; conda env list; conda run"), "");
}

TEST(PackageCommands, Poetry) {
  EXPECT_EQ(shown("poetry add torch@^2.6 numpy 'x[e]==1' --source pytorch"),
            "poetry add: torch^2.6 numpy x==1[e]=1 {--source=pytorch}\n");
  EXPECT_EQ(shown("poetry install --no-root"), "poetry install: -rpyproject.toml {--no-root}\n");
}

TEST(PackageCommands, Distributions) {
  EXPECT_EQ(shown("apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -yqq "
                  "--no-install-recommends libcudnn9-cuda-12=9.1.0.70-1 libc6:arm64 x/jammy "
                  "libnccl2=2.2* ./a.deb"),
            "apt-get install: libcudnn9-cuda-12=9.1.0.70-1=9.1.0.70-1 libc6 x libnccl2=2.2*=2.2 "
            "a.deb@./a.deb {-y} {-q} {-q} {--no-install-recommends}\n");
  EXPECT_EQ(shown("apt-get -o Acquire::Retries=3 -y install gcc"),
            "apt-get install: gcc {-o=Acquire::Retries=3} {-y}\n");
  EXPECT_EQ(shown("dnf install -y cuda-toolkit-12-4 libcudnn8-8.9.7.29-1.cuda12.2"),
            "dnf install: cuda-toolkit-12-4 libcudnn8=8.9.7.29-1.cuda12.2=8.9.7.29-1.cuda12.2 "
            "{-y}\n");
  EXPECT_EQ(shown("apk add --no-cache -t build gcc~=13 python3=3.12.1-r0"),
            "apk add: gcc~=13 python3=3.12.1-r0=3.12.1-r0 {--no-cache} {-t=build}\n");
  EXPECT_EQ(shown("apt-get remove x; apt-get install; yum update; apk del x"), "");
}

TEST(PackageCommands, NestedShells) {
  EXPECT_EQ(shown("bash -lc \"pip install torch==2.6.0\""), "pip install: torch==2.6.0=2.6.0\n");
  EXPECT_EQ(shown("(pip install a && { pip install b; })"), "pip install: a\npip install: b\n");
}

TEST(PackageCommands, PlacesAreTheWords) {
  const std::string text = "pip install --index-url=https://a/cu124 'torch==2.6.0' numpy";
  const SourceText source("Dockerfile", text);
  const auto lists =
      package_commands(source, split_shell(text, {0, text.size()}).commands, Environment());
  ASSERT_EQ(lists.size(), 1u);
  EXPECT_EQ(source.slice(lists[0].packages[0].span), "'torch==2.6.0'");
  EXPECT_EQ(source.slice(lists[0].packages[1].span), "numpy");
  EXPECT_EQ(source.slice(lists[0].indexes[0].span), "https://a/cu124");
  EXPECT_EQ(source.slice(lists[0].span), text);
}

}  // namespace
}  // namespace flense::lint
