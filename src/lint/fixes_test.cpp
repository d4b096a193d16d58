// What findings say is to be written: names that exist, of this place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/format.h"
#include "lint/lint.h"

namespace flense::lint {

namespace {

class Fixes : public ::testing::Test {
 protected:
  /// The first finding of a rule, message and fix; empty: none.
  std::string said(const std::string& rule, std::string dockerfile,
                   std::vector<Context> contexts = {}) {
    const Project project =
        read_project({{"Dockerfile", std::move(dockerfile)}}, std::move(contexts), {}, knowledge_);
    Policy policy;
    policy.pedantic = true;
    for (const Finding& one : lint(project, rules_, policy).findings)
      if (one.rule == rule) return one.message + " | " + one.fix;
    return {};
  }

  knowledge::Knowledge knowledge_ = *knowledge::Knowledge::load();
  knowledge::LintRules rules_ = *knowledge::LintRules::load();
};

TEST_F(Fixes, ASmallerBaseIsATagThatExists) {
  const std::string torch = "RUN pip install torch==2.3.0\n";
  const std::string unknown = "FROM nvidia/cuda:12.1-cudnn8-runtime-ubuntu22.04\n" + torch;
  EXPECT_EQ(said("base-cuda-unused", unknown), "");
  EXPECT_TRUE(said("cuda-tag-unknown", unknown)
                  .ends_with("| write 12.1.1; nvidia/cuda:12.1.1-base-ubuntu22.04 suffices here"));
  EXPECT_TRUE(said("base-cuda-unused", "FROM nvidia/cuda:12.4.0-runtime-ubuntu22.04\n" + torch)
                  .contains("begin with nvidia/cuda:12.4.1-base-ubuntu22.04,"));
}

TEST_F(Fixes, WhatTheShellWritesIsNamed) {
  const std::string from = "FROM python:3.12-slim\n";
  EXPECT_TRUE(said("specifier-redirected", from + "RUN pip install tensorflow[and-cuda]>=2.13.0\n")
                  .contains("writes a file '=2.13.0'"));
  EXPECT_TRUE(said("specifier-redirected", from + "RUN pip install a>=1.0 b>=2.0\n")
                  .contains("writes files such as '=1.0'"));
  EXPECT_TRUE(said("specifier-redirected", from + "RUN pip install 'a' numpy<2 b>=1.0\n")
                  .contains("read a file '2', which is not there: nothing is installed"));
}

TEST_F(Fixes, QuotesAroundACommandAreNotEnded) {
  const auto edits = [&](const char* path, std::string text) {
    const Project project = read_project({{path, std::move(text)}}, {}, {}, knowledge_);
    std::size_t out = 0;
    for (const Finding& one : lint(project, rules_, {}).findings)
      if (one.rule == "specifier-redirected") out += 1 + 10 * one.edits.size();
    return out;
  };
  const std::string job = "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n";
  const char* workflow = ".github/workflows/ci.yml";
  EXPECT_EQ(edits(workflow, job + "      - run: pip install torch>=2.0\n"), 11u);
  EXPECT_EQ(edits(workflow, job + "      - run: \"pip install torch>=2.0\"\n"), 1u);
  EXPECT_EQ(edits(workflow, job + "      - run: \"bash -c 'pip install torch>=2.0'\"\n"), 1u);
  // What stands apart would stay a redirection.
  EXPECT_EQ(edits("Dockerfile", "FROM python:3.12\nRUN pip install numpy>=1.2 <2\n"), 1u);
}

TEST_F(Fixes, AListThatCMakeAloneReadsIsWritten) {
  const std::string from = "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\n";
  EXPECT_TRUE(said("cuda-architectures",
                   from + "ARG CMAKE_CUDA_ARCHITECTURES=\"80 86\"\nRUN cmake "
                          "-DCMAKE_CUDA_ARCHITECTURES=${CMAKE_CUDA_ARCHITECTURES} .\n")
                  .ends_with("| write \"80;86\""));
}

TEST_F(Fixes, OneCauseIsToldOnce) {
  const auto rules = [&](std::string dockerfile) {
    std::string out;
    const Project project =
        read_project({{"Dockerfile", std::move(dockerfile)}}, {}, {}, knowledge_);
    for (const Finding& one : lint(project, rules_, {}).findings) out += one.rule + " ";
    return out;
  };
  EXPECT_EQ(rules("FROM continuumio/miniconda3:25.1.1-2\nRUN conda install -y pytorch-gpu=2.6.0\n"
                  "RUN conda clean -afy\n"),
            "conda-not-cleaned ");
  EXPECT_EQ(rules("FROM nvidia/cuda:12.8.2-base-ubuntu22.04\n"
                  "RUN pip install --no-cache-dir torch==2.7.0\n"
                  "RUN pip install --no-cache-dir torchvision\n"),
            "torch-installed-twice ");
}

TEST_F(Fixes, AStageIsMounted) {
  EXPECT_TRUE(said("removed-in-later-layer",
                   "FROM python:3.12-slim AS build\nRUN pip wheel -w /wheels torch\n"
                   "FROM python:3.12-slim\nCOPY --from=build /wheels /tmp/wheels\n"
                   "RUN pip install /tmp/wheels/*\nRUN rm -rf /tmp/wheels\n")
                  .contains("--mount=type=bind,from=build,source=/wheels,target=/tmp/wheels"));
}

TEST_F(Fixes, ASecretOfTheProgramIsNoBuildSecret) {
  const std::string from = "FROM python:3.12-slim\n";
  const std::string database =
      said("secret-in-build-variable", from + "ENV DATABASE_URL=postgresql://a:b@db.x:5432/c\n");
  EXPECT_TRUE(database.contains("--env-file"));
  EXPECT_FALSE(database.contains("type=secret"));
  EXPECT_TRUE(said("secret-in-build-variable", from + "ARG PIP_INDEX_URL=https://a:b@pypi.x/s\n")
                  .contains("type=secret"));
}

TEST_F(Fixes, CapabilitiesThatAreWrittenStay) {
  EXPECT_TRUE(said("driver-capability-missing",
                   "FROM nvidia/cuda:12.8.1-base-ubuntu24.04\n"
                   "ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,video MUJOCO_GL=egl\n")
                  .ends_with("NVIDIA_DRIVER_CAPABILITIES=compute,utility,video,graphics"));
}

TEST_F(Fixes, AnothersKeyringIsNotNamed) {
  EXPECT_FALSE(said("package-signature-off",
                    "FROM rockylinux:9\nRUN printf \"baseurl=https://repos.example.com/r/\\n"
                    "gpgcheck=0\" > /etc/yum.repos.d/sdk.repo\n")
                   .contains("cuda-keyring"));
}

TEST_F(Fixes, AWholeTagWhereItsCudnnIsSpeltOtherwise) {
  EXPECT_TRUE(said("cuda-tag-unknown", "FROM nvidia/cuda:12.4-cudnn9-runtime-ubuntu22.04\n")
                  .contains("write nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04"));
  EXPECT_TRUE(said("cuda-tag-unknown", "FROM nvidia/cuda:12.5-cudnn-runtime-ubuntu24.04\n")
                  .contains("write nvidia/cuda:12.5.1-cudnn-runtime-ubuntu22.04"));
  EXPECT_TRUE(
      said("cuda-tag-unknown", "FROM nvidia/cuda:12.4.1-cudnn8-runtime-ubuntu24.04\n")
          .ends_with("| take ubuntu22.04, which has it, or CUDA 12.6.3, the first with support on "
                     "ubuntu24.04"));
  // 12.8.2 has none.
  EXPECT_TRUE(said("cuda-tag-unknown", "FROM nvidia/cuda:12.8-cudnn-devel-ubuntu22.04\n")
                  .ends_with("| write 12.8.1"));
}

TEST_F(Fixes, ARetiredTagsSuccessorIsThere) {
  const auto fix = [&](std::string_view rule, std::string_view tag) {
    const std::string text = said(std::string(rule), "FROM nvidia/cuda:" + std::string(tag) + "\n");
    return text.substr(std::min(text.find("| "), text.size()));
  };
  EXPECT_EQ(fix("cuda-tag-unsupported", "11.1.1-cudnn8-runtime-ubuntu18.04"),
            "| keep a copy of it in a registry of your own, or move to "
            "nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu18.04, or, ported to ubuntu22.04, to "
            "nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu22.04; packages, wheels and paths of CUDA "
            "11.1 change with it");
  EXPECT_EQ(
      fix("cuda-tag-unsupported", "11.4.1-devel-rockylinux8"),
      "| move to nvidia/cuda:11.4.3-devel-rockylinux8, the last of CUDA 11.4 and still there");
  // 11.4 has no image on a distribution of the family that is alive, and an update on its own.
  EXPECT_EQ(fix("cuda-tag-unsupported", "11.4.1-devel-ubuntu20.04"),
            "| move to nvidia/cuda:11.4.3-devel-ubuntu20.04, or, ported to ubuntu22.04, to "
            "nvidia/cuda:11.8.0-devel-ubuntu22.04");
  EXPECT_EQ(fix("cuda-tag-deleted", "11.4.2-devel-ubuntu20.04"),
            "| move to nvidia/cuda:11.4.3-devel-ubuntu20.04, or, ported to ubuntu22.04, to "
            "nvidia/cuda:11.8.0-devel-ubuntu22.04");
  EXPECT_EQ(fix("cuda-tag-unsupported", "12.1.0-cudnn8-devel-ubuntu22.04"),
            "| move to nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04, the last of CUDA 12.1 and "
            "still there");
  EXPECT_EQ(
      fix("cuda-tag-unsupported", "12.3.1-cudnn8-runtime-centos7"),
      "| keep a copy of it in a registry of your own, or move to "
      "nvidia/cuda:12.3.2-cudnn9-runtime-rockylinux8, the last of CUDA 12.3 and still there; it "
      "changes cudnn8 to cudnn9, centos7 to rockylinux8; the last with cuDNN 8 is "
      "nvidia/cuda:12.2.2-cudnn8-runtime-rockylinux8");
  EXPECT_THAT(
      fix("cuda-tag-deleted", "10.2-cudnn7-devel-ubuntu18.04"),
      ::testing::HasSubstr("port the program to nvidia/cuda:11.8.0-cudnn8-devel-ubuntu22.04,"));
  EXPECT_THAT(fix("cuda-tag-deleted", "10.1-base"),
              ::testing::HasSubstr("port the program to nvidia/cuda:11.8.0-base-ubuntu22.04,"));
  // 12.4.1 is not there on it.
  EXPECT_THAT(fix("cuda-tag-unsupported", "12.4.0-devel-ubi7"),
              ::testing::HasSubstr(", or move to nvidia/cuda:12.4.1-devel-ubi8,"));
  // Without a flavour it was devel's.
  EXPECT_THAT(fix("cuda-tag-deleted", "7.5"), ::testing::HasSubstr("-devel-"));
}

TEST_F(Fixes, AnAptCacheIsKeptByTheBaseToo) {
  const std::string run =
      "RUN --mount=type=cache,target=/var/cache/apt apt-get update && apt-get install -y curl && "
      "apt-get clean\n";
  EXPECT_TRUE(said("apt-cache-emptied", "FROM python:3.10-bookworm\n" + run)
                  .contains("rm -f /etc/apt/apt.conf.d/docker-clean"));
}

TEST_F(Fixes, WeightsInTheContextAreNotIgnoredBlindly) {
  const std::string fix =
      said("dockerignore-coverage", "FROM nvidia/cuda:12.8.1-base-ubuntu24.04\nCOPY . /app\n",
           {{".", {{".git/objects/a.pack", 130'000'000}, {"m.pt", 200'000'000}}}});
  EXPECT_TRUE(fix.ends_with(
      "write into .dockerignore: .git; and of **/*.pt, what the program does not load; mount the "
      "rest"));
}

TEST_F(Fixes, ABaseHasAUserOfItsOwn) {
  EXPECT_TRUE(
      said("package-cache-in-layer", "FROM jupyter/base-notebook:latest\nRUN pip install torch\n")
          .contains("target=/home/jovyan/.cache/pip,uid=…,gid=… (the numbers of jovyan)"));
}

TEST_F(Fixes, LinesOfWindowsStaySo) {
  const Project project =
      read_project({{"Dockerfile",
                     "ARG V=2.7.0\r\nFROM nvidia/cuda:12.8.1-runtime-ubuntu24.04\r\nRUN pip "
                     "install torch==$V\r\n"}},
                   {}, {}, knowledge_);
  Policy policy;
  policy.only = {"arg-not-in-stage"};
  const SourceText& source = project.files.front()->source;
  EXPECT_EQ(apply_fixes(source, lint(project, rules_, policy).findings, true).text,
            "ARG V=2.7.0\r\nFROM nvidia/cuda:12.8.1-runtime-ubuntu24.04\r\nARG V\r\n"
            "RUN pip install torch==$V\r\n");
}

TEST_F(Fixes, WhatTheUserMadeIsTheUsers) {
  EXPECT_TRUE(said("chown-in-own-layer",
                   "FROM python:3.12-slim\nUSER ann\nRUN python -m venv /home/ann/.venv\n"
                   "RUN pip install -t /home/ann/.venv torch && git clone https://h/r.git "
                   "/home/ann/r\nUSER root\nRUN chown -R ann /home/ann\n")
                  .contains("delete it: ann made the files"));
  for (const std::string step :
       {"chown -R bob", "chown -R ann:web", "chmod -R 755", "chgrp -R ann"})
    EXPECT_FALSE(said("chown-in-own-layer",
                      "FROM python:3.12-slim\nUSER ann\nRUN git clone https://h/r.git /home/ann/r\n"
                      "USER root\nRUN " +
                          step + " /home/ann\n")
                     .contains("delete it"))
        << step;
}

TEST_F(Fixes, TheTorchThatPythonAndTheBaseShare) {
  for (const auto& [base, torch] :
       {std::pair{"11.8.0-runtime-ubuntu20.04",
                  "torch==2.4.* of https://download.pytorch.org/whl/cu118"},
        std::pair{"12.4.1-runtime-ubuntu22.04",
                  "torch==2.14.* of https://download.pytorch.org/whl/cu126"}})
    EXPECT_TRUE(said("gpu-wheel-unpinned",
                     fmt::format("FROM nvidia/cuda:{}\nRUN pip install torch\n", base))
                    .contains(torch))
        << base;
}

TEST_F(Fixes, APythonThatGetsAnOldTorchIsToldOfNoNewerOne) {
  const std::string text = said("gpu-wheel-unpinned",
                                "FROM nvidia/cuda:10.2-cudnn7-devel-ubuntu18.04\n"
                                "RUN pip3 install torch\n");
  EXPECT_TRUE(text.contains("leaves its version open")) << text;
  EXPECT_FALSE(text.contains("1.12")) << text;
}

TEST_F(Fixes, TorchBesideOthersGetsACommandOfItsOwn) {
  const std::string cpu = "FROM ubuntu:24.04\nENV DEVICE=cpu\nRUN pip install ";
  EXPECT_TRUE(said("torch-index-implicit", cpu + "torch==2.6.0 torchvision numpy\n")
                  .contains("in a command of its own: pip install torch==2.6.0 torchvision "
                            "--index-url"));
  EXPECT_TRUE(said("torch-index-implicit", cpu + "torch==2.6.0\n").contains("say which"));
  EXPECT_TRUE(said("torch-index-implicit", cpu + "torch==2.6.0\n").contains("several GB"));
  EXPECT_TRUE(said("torch-index-implicit", cpu + "torch==1.10.2\n").contains("more than 1 GB"));
}

TEST_F(Fixes, AMountThatAnotherStepFillsIsNotSaidToBeEmpty) {
  const std::string base = "FROM nvidia/cuda:12.8.1-base-ubuntu24.04\n";
  const std::string mount = "RUN --mount=type=cache,target=/root/.cache/pip pip install ";
  EXPECT_TRUE(said("cache-mount-unused", base + mount + "--no-cache-dir torch==2.6.0\n")
                  .contains("stays empty"));
  EXPECT_TRUE(said("cache-mount-unused",
                   base + mount + "numpy==2.1.0\n" + mount + "--no-cache-dir torch==2.6.0\n")
                  .contains("which another step fills"));
}

TEST_F(Fixes, RootsHomeIsRoots) {
  EXPECT_TRUE(said("package-cache-in-layer",
                   "FROM nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04\n"
                   "RUN useradd -m -d /home/user -g root -G sudo -u 1000 user\n"
                   "RUN pip3 install torch==2.2.2\n")
                  .contains("/root/.cache/pip"));
}

TEST_F(Fixes, DebiansPipIsNotReplaced) {
  const std::string base =
      "FROM nvidia/cuda:12.8.1-base-ubuntu24.04\n"
      "RUN apt-get update && apt-get install -y python3-pip\n"
      "RUN pip install ";
  for (const std::string_view pip : {"--upgrade pip", "-U pip setuptools", "pip==25.1"})
    EXPECT_FALSE(said("pip-externally-managed", base + std::string(pip) + "\n")
                     .contains("no other use, --break-system-packages"))
        << pip;
  EXPECT_TRUE(
      said("pip-externally-managed", base + "torch==2.7.0\n").ends_with("--break-system-packages"));
}

TEST_F(Fixes, ADistributionsPythonIsOfferedLast) {
  EXPECT_TRUE(
      said("package-not-in-distribution",
           "FROM nvidia/cuda:12.2.2-runtime-ubuntu20.04\n"
           "RUN apt-get update && apt-get install -y python3.10\n")
          .ends_with("| take that of uv or conda, or, where the program runs on it, python3 "
                     "of the distribution"));
}

TEST_F(Fixes, ASpecifierIsQuotedForTheShell) {
  EXPECT_THAT(said("extension-without-torch",
                   "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\n"
                   "RUN pip install -U pip\nRUN pip install 'flash-attn>=2.3.0'\n"),
              ::testing::EndsWith("--no-build-isolation 'flash-attn>=2.3.0'"));
}

TEST_F(Fixes, ArchitecturesAreThoseThatTheTorchKnows) {
  EXPECT_THAT(said("torch-arch-list",
                   "FROM nvidia/cuda:11.8.0-devel-ubuntu20.04\nRUN pip install torch==1.13.1\n"
                   "RUN pip install --no-build-isolation "
                   "git+https://github.com/facebookresearch/detectron2.git\n"),
              ::testing::HasSubstr("TORCH_CUDA_ARCH_LIST=\"8.0;8.6+PTX\""));
}

TEST_F(Fixes, CudnnEightIsNamedToWhoAsksForIt) {
  EXPECT_THAT(said("cuda-tag-unknown", "FROM nvidia/cuda:12.4.1-cudnn8-runtime-ubuntu22.04\n"),
              ::testing::EndsWith("| write nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04, which "
                                  "holds cuDNN 9; the last with cuDNN 8 is "
                                  "nvidia/cuda:12.2.2-cudnn8-runtime-ubuntu22.04"));
  EXPECT_THAT(said("cuda-tag-unsupported", "FROM nvidia/cuda:12.3.1-cudnn8-devel-ubuntu22.04\n"),
              ::testing::HasSubstr("| keep a copy of it in a registry of your own, or move"));
}

TEST_F(Fixes, NgcHoldsPipToItsOwnTorchSince2503) {
  const auto of = [&](const std::string& release) {
    return said("torch-installed-twice",
                "FROM nvcr.io/nvidia/pytorch:" + release + "-py3\nRUN pip install torch==2.6.0\n");
  };
  EXPECT_THAT(of("25.03"), ::testing::HasSubstr("constraints for pip end the step"));
  EXPECT_THAT(of("24.10"), ::testing::Not(::testing::HasSubstr("constraints for pip")));
}

TEST_F(Fixes, PackagesOfOneMinorKeepTheirBase) {
  EXPECT_TRUE(said("cuda-tag-unsupported",
                   "FROM nvidia/cuda:11.3.1-base-ubuntu20.04\n"
                   "RUN apt-get update && apt-get install -y cuda-nvcc-11-3\n")
                  .ends_with("| keep a copy of it in a registry of your own, or move to "
                             "nvidia/cuda:11.8.0-base-ubuntu20.04, or, ported to ubuntu22.04, to "
                             "nvidia/cuda:11.8.0-base-ubuntu22.04; with it renew what is pinned to "
                             "CUDA 11.3.1: cuda-nvcc-11-3"));
}

TEST_F(Fixes, PinsOfCudnnAndByVariablesAreNamed) {
  EXPECT_TRUE(said("cuda-tag-unsupported",
                   "FROM nvidia/cuda:12.8.1-cudnn-devel-ubuntu22.04\n"
                   "RUN apt-get update && apt-get install -y libcudnn9-dev-cuda-12=9.8.0.87-1\n")
                  .ends_with("; with it renew what is pinned to CUDA 12.8.1: "
                             "libcudnn9-dev-cuda-12=9.8.0.87-1"));
  EXPECT_TRUE(said("cuda-tag-deleted",
                   "FROM nvidia/cuda:11.0-base-ubuntu20.04\nENV CUDA=11.0\n"
                   "RUN apt-get update && apt-get install -y libcudnn8=8.0.5.39-1+cuda${CUDA}\n")
                  .contains("libcudnn8=8.0.5.39-1+cuda${CUDA}"));
}

TEST_F(Fixes, WhereTorchIsInstalledAnewItsOwnBuildIsNamed) {
  EXPECT_TRUE(said("torch-index-implicit",
                   "FROM python:3.11\nENV CUDA_VISIBLE_DEVICES=\n"
                   "RUN pip install --ignore-installed torch==2.1.2\n")
                  .ends_with("| write torch==2.1.2+cpu, with --extra-index-url "
                             "https://download.pytorch.org/whl/cpu"));
}

TEST_F(Fixes, TheRuntimeIsOfTheSameRelease) {
  EXPECT_THAT(said("devel-final-stage",
                   "FROM nvidia/cuda:12.8.1-cudnn-devel-ubuntu24.04\n"
                   "RUN pip install faster-whisper\nCMD [\"python3\", \"worker.py\"]\n"),
              ::testing::HasSubstr("begin with nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04,"));
}

TEST_F(Fixes, TheKeyIsOfTheBase) {
  EXPECT_TRUE(said("cuda-repository-key",
                   "FROM nvidia/cuda:11.8.0-devel-ubuntu20.04\n"
                   "RUN apt-key adv --fetch-keys https://developer.download.nvidia.com/compute/"
                   "cuda/repos/ubuntu1804/x86_64/7fa2af80.pub\n")
                  .contains("…/compute/cuda/repos/ubuntu2004/x86_64/3bf863cc.pub"));
}

TEST_F(Fixes, ASmallerBaseIsMaintained) {
  EXPECT_TRUE(said("devel-final-stage",
                   "FROM nvidia/cuda:12.4.0-devel-ubuntu22.04\nRUN pip install numpy\n"
                   "CMD [\"python3\", \"server.py\"]\n")
                  .contains("begin with nvidia/cuda:12.4.1-runtime-ubuntu22.04"));
}

TEST_F(Fixes, WhatAMountHasIsNotAskedFor) {
  const auto step = [&](std::string_view sharing) {
    return said("apt-cache-emptied",
                fmt::format("FROM nvidia/cuda:12.8.1-runtime-ubuntu24.04\n"
                            "RUN --mount=type=cache,target=/var/cache/apt{} apt-get update && "
                            "apt-get install -y git\n",
                            sharing));
  };
  EXPECT_TRUE(step("").contains("and use sharing=locked"));
  EXPECT_TRUE(step(",sharing=locked").contains("docker-clean"));
  EXPECT_FALSE(step(",sharing=locked").contains("and use sharing=locked"));
}

TEST_F(Fixes, ArchitecturesAreOfTheBase) {
  const auto native = [&](const std::string& base) {
    const std::string text =
        said("cuda-architectures", "FROM " + base +
                                       "\nRUN cmake -B b "
                                       "-DCMAKE_CUDA_ARCHITECTURES=native .\n");
    return text.substr(std::min(text.find('"'), text.size()));
  };
  EXPECT_EQ(native("nvidia/cuda:12.8.1-devel-ubuntu24.04"), "\"80;90\"");
  EXPECT_EQ(native("nvidia/cuda:11.7.1-devel-ubuntu20.04"), "\"80;86\"");
  EXPECT_EQ(native("nvidia/cuda:11.0.3-devel-ubuntu20.04"), "\"75;80\"");
  EXPECT_EQ(native("nvcr.io/nvidia/l4t-jetpack:r35.3.1"), "\"72;87\"");
  EXPECT_EQ(native("nvcr.io/nvidia/l4t-jetpack:r36.4.0"), "\"87\"");
}

TEST_F(Fixes, AWorkingDirectoryKeepsItsOwner) {
  const auto fix = [&](const std::string& flag) {
    return said("chown-in-own-layer",
                "FROM nvidia/cuda:12.8.1-base-ubuntu24.04\nWORKDIR /models\n"
                "COPY --from=build " +
                    flag + "/out/model /models\nRUN chown -R app:app /models\n");
  };
  EXPECT_TRUE(fix("").ends_with(
      "write COPY --chown=…, and let this step change only what root makes beside it (WORKDIR, "
      "mkdir)"));
  EXPECT_TRUE(said("chown-in-own-layer",
                   "FROM nvidia/cuda:12.8.1-base-ubuntu24.04\nWORKDIR /app\nCOPY "
                   "--from=build /out /app\nRUN mkdir -p data cache\nRUN chown -R app /app\n")
                  .ends_with("beside it (/app/data, /app/cache)"));
}

TEST_F(Fixes, OfAMajorThatIsGoneNoTagIsPromised) {
  EXPECT_THAT(
      said("cuda-tag-deleted",
           "FROM nvidia/cuda:9.1-devel\nRUN apt-get install -y python3.5-dev g++-5\n"
           "RUN pip install mxnet-cu91 torch==0.4.1\n"),
      ::testing::EndsWith(
          "| none of CUDA 9 is left: build on an image of your own with CUDA 9.1 of NVIDIA's "
          "archive (developer.nvidia.com/cuda-toolkit-archive), or port the program to "
          "nvidia/cuda:11.8.0-devel-ubuntu22.04, with the packages, Python and wheels of that"));
}

TEST_F(Fixes, WhatAStageTakesOfAnOldBaseIsNamed) {
  const std::string copied = said("cuda-tag-deleted",
                                  "FROM nvidia/cuda:11.0-base-ubuntu18.04 AS lists\n"
                                  "FROM example/notebook:7\n"
                                  "COPY --from=lists /etc/apt/sources.list.d/cuda.list "
                                  "/etc/apt/trusted.gpg /tmp/\n");
  EXPECT_TRUE(
      copied.contains("; the newer image has not /etc/apt/sources.list.d/cuda.list, "
                      "/etc/apt/trusted.gpg, which another stage copies from here"));
  EXPECT_TRUE(said("cuda-tag-deleted",
                   "ARG TOOLKIT=11.2\nFROM nvidia/cuda:${TOOLKIT}.1-base-ubuntu20.04\n"
                   "ARG TOOLKIT\nRUN apt-get update && apt-get install -y "
                   "libcublas-${TOOLKIT/./-} libcudnn8=8.1.1.33-1+cuda${TOOLKIT}\n")
                  .ends_with("; with it renew what is pinned to CUDA 11.2.1: "
                             "libcudnn8=8.1.1.33-1+cuda${TOOLKIT}"));
}

TEST_F(Fixes, TensorflowIsOfThePython) {
  const auto of = [&](const std::string& base, const std::string& package) {
    return said("package-gone", "FROM " + base + "\nRUN apt-get update && apt-get install -y " +
                                    package + "\nRUN pip install tensorflow-gpu\n");
  };
  EXPECT_TRUE(of("nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu20.04", "python3-pip")
                  .ends_with("| take tensorflow==2.13.*, the last for Python 3.8, which loads "
                             "CUDA 11.8 and cuDNN 8"));
  EXPECT_TRUE(of("ubuntu:18.04", "python3-pip").contains("| take tensorflow==2.6.*"));
  EXPECT_TRUE(
      of("ubuntu:18.04", "python-pip python3.8").ends_with("was written for, by its number"));
  EXPECT_TRUE(of("ubuntu:22.04", "python3-pip").contains("| take tensorflow[and-cuda]"));
}

TEST_F(Fixes, AMisspeltListIsWrittenForTheBase) {
  EXPECT_TRUE(said("cuda-architectures",
                   "FROM nvidia/cuda:13.0.1-devel-ubuntu24.04\n"
                   "ARG CMAKE_CUDA_ARCHITECTURES=\"37;52;80;9.0\"\nRUN cmake .\n")
                  .ends_with("| write \"80;90\", without what CUDA 13.0 of the base does not "
                             "compile for"));
  // 10.1 is called 11.0 since CUDA 13.
  EXPECT_TRUE(said("cuda-architectures",
                   "FROM nvidia/cuda:13.0.1-devel-ubuntu24.04\n"
                   "ARG CMAKE_CUDA_ARCHITECTURES=\"9.0;10.1\"\nRUN cmake .\n")
                  .ends_with("| write \"90;110\""));
}

TEST_F(Fixes, AShellOfADefinitionGetsNoSemicolon) {
  const auto edits = [&](const std::string& value) {
    const Project project =
        read_project({{"app.def",
                       "Bootstrap: docker\nFrom: nvidia/cuda:12.4.1-devel-ubuntu22.04\n"
                       "%environment\n    export TORCH_CUDA_ARCH_LIST=" +
                           value + "\n"}},
                     {}, {}, knowledge_);
    for (const Finding& one : lint(project, rules_, {}).findings)
      if (one.rule == "torch-arch-list") return one.edits.size();
    return std::size_t{99};
  };
  EXPECT_EQ(edits("Ampere,8.9"), 0U);
  EXPECT_EQ(edits("\"Ampere,8.9\""), 1U);
}

TEST_F(Fixes, ARecursiveCloneKeepsItsSubmodules) {
  EXPECT_TRUE(said("git-clone-full",
                   "FROM nvidia/cuda:12.9.1-devel-ubuntu24.04\n"
                   "RUN git clone --recursive https://github.com/pytorch/pytorch.git && cd pytorch "
                   "&& git checkout abc1234\n")
                  .contains("then git submodule update --init --recursive --depth 1"));
}

TEST_F(Fixes, AListForProcessorsWantsAnotherBase) {
  const Project project =
      read_project({{"Dockerfile",
                     "FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nCOPY . .\nRUN pip install -r "
                     "requirements-cpu.txt\n"},
                    {"requirements-cpu.txt",
                     "--index-url https://download.pytorch.org/whl/cpu\ntorch==2.6.0\n"}},
                   {}, {}, knowledge_);
  Policy policy;
  policy.pedantic = true;
  std::string fix;
  for (const Finding& one : lint(project, rules_, policy).findings)
    if (one.rule == "wheel-cuda-mismatch") fix = one.fix;
  EXPECT_EQ(fix, "take a base without CUDA, or a wheel for it");
}

TEST_F(Fixes, AFloatingTagKeepsItsKind) {
  EXPECT_TRUE(said("gpu-image-floating", "FROM tensorflow/tensorflow:latest-gpu\nRUN true\n")
                  .ends_with("| write a release: tensorflow/tensorflow:VERSION-gpu"));
}

TEST_F(Fixes, ALibraryOfTheDriverIsAskedFor) {
  const std::string base = "FROM ubuntu:22.04\nRUN ";
  EXPECT_TRUE(said("driver-package-installed", base + "apt-get install -y libnvidia-decode-535\n")
                  .ends_with("with ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,video"));
}

TEST_F(Fixes, ACacheThatTheStepPreparesIsNoMount) {
  const std::string base = "FROM nvidia/cuda:12.8.1-base-ubuntu24.04\n";
  EXPECT_TRUE(said("package-cache-in-layer",
                   base +
                       "ENV PIP_CACHE_DIR=/tmp/pip-cache\nRUN pip install torch==2.7.0 && mkdir -p "
                       "/tmp/pip-cache && chown -R ann /tmp/pip-cache\n")
                  .ends_with("| add --no-cache-dir"));
}

TEST_F(Fixes, WhatCuda13NeedsIsSaid) {
  const std::string text = said("gpu-wheel-unpinned",
                                "FROM nvidia/cuda:11.8.0-devel-ubuntu22.04\nRUN pip install torch "
                                "&& git clone https://h/x && cd x && python setup.py install\n");
  EXPECT_EQ(text.contains("base of CUDA 13"), text.contains("needs driver 580")) << text;
}

TEST_F(Fixes, APartOfAVersionNamesItsFrom) {
  const Project project =
      read_project({{"Dockerfile", "ARG V=12.4\nFROM nvidia/cuda:${V}.1-base-ubuntu20.04\nRUN x\n"},
                    {"build.sh", "docker build --build-arg V=11.6 .\n"}},
                   {}, {}, knowledge_);
  for (const Finding& one : lint(project, rules_, {}).findings)
    if (one.rule == "cuda-tag-unsupported") {
      EXPECT_THAT(one.evidence, ::testing::Contains("FROM nvidia/cuda:${V}.1-base-ubuntu20.04"));
      EXPECT_TRUE(one.edits.empty());
      return;
    }
  FAIL();
}

}  // namespace

}  // namespace flense::lint
