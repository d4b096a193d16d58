// What findings say is to be written, where the usual words would not work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "lint/lint.h"

namespace flense::lint {

namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class FixesOfPlaces : public ::testing::Test {
 protected:
  /// The first finding of a rule; a rule without a name: none.
  Finding found(const std::string& rule, std::string path, std::string text) {
    const Project project = read_project({{std::move(path), std::move(text)}}, {}, {}, knowledge_);
    Policy policy;
    policy.pedantic = true;
    for (const Finding& one : lint(project, rules_, policy).findings)
      if (one.rule == rule) return one;
    return {};
  }
  std::string fix(const std::string& rule, std::string text, std::string path = "Dockerfile") {
    return found(rule, std::move(path), std::move(text)).fix;
  }

  knowledge::Knowledge knowledge_ = *knowledge::Knowledge::load();
  knowledge::LintRules rules_ = *knowledge::LintRules::load();
};

TEST_F(FixesOfPlaces, AListIsNotEmptied) {
  const auto of = [&](const std::string& list) {
    return fix("cuda-architectures",
               "FROM nvidia/cuda:11.7.1-devel-ubuntu22.04\n"
               "RUN cmake -DCMAKE_CUDA_ARCHITECTURES=\"" +
                   list + "\" .\n");
  };
  EXPECT_EQ(of("80;90"),
            "take 90 out of CMAKE_CUDA_ARCHITECTURES, or begin with CUDA 11.8 or newer");
  EXPECT_EQ(of("90"), "begin with CUDA 11.8 or newer, or name a GPU that the base compiles for");
}

TEST_F(FixesOfPlaces, AListIsOneFinding) {
  const Finding one = found("cuda-architectures", "Dockerfile",
                            "FROM nvidia/cuda:13.1.2-devel-ubuntu24.04\n"
                            "RUN cmake -DCMAKE_CUDA_ARCHITECTURES=\"37;52;61;70;80\" .\n");
  EXPECT_EQ(one.message,
            "CUDA 13.1 of the base no longer compiles for 37: 11.8 was the last, for 52, 61, 70: "
            "12.9 was the last");
  EXPECT_EQ(
      one.fix,
      "take 37, 52, 61, 70 out of CMAKE_CUDA_ARCHITECTURES, or begin with CUDA 11.8 or older");
}

TEST_F(FixesOfPlaces, WhatIsCompiledIsNotTakenFromACache) {
  const Finding one = found("package-cache-in-layer", "Dockerfile",
                            "FROM nvidia/cuda:12.8.1-devel-ubuntu24.04\n"
                            "RUN pip install torch==2.7.0 && pip install --no-build-isolation "
                            "flash-attn==2.7.4\n");
  EXPECT_THAT(one.fix, HasSubstr("--mount=type=cache"));
  const Finding built = found("package-cache-in-layer", "Dockerfile",
                              "FROM nvidia/cuda:12.8.1-devel-ubuntu24.04\n"
                              "RUN pip install --no-build-isolation torch==2.7.0 flash-attn\n");
  EXPECT_EQ(built.fix, "add --no-cache-dir");
  EXPECT_TRUE(built.edits.empty());
}

TEST_F(FixesOfPlaces, QuotesThatChangeVersionsAreNotSafe) {
  EXPECT_TRUE(found("specifier-redirected", "Dockerfile",
                    "FROM python:3.12-slim\nRUN pip install torch>=2.0\n")
                  .unsafe);
  EXPECT_FALSE(found("specifier-redirected", "Dockerfile",
                     "FROM python:3.12-slim\nRUN pip install numpy<2\n")
                   .unsafe);
}

TEST_F(FixesOfPlaces, AUserThatIsMadeLaterIsNamedByNumber) {
  const std::string from = "FROM nvidia/cuda:12.8.1-base-ubuntu24.04\n";
  EXPECT_EQ(fix("chown-in-own-layer", from + "COPY --from=build /out/model /m\n"
                                             "RUN useradd app && chown -R app /m\n"),
            "write COPY --chown=… with a number, as a later step makes the user, and let this step "
            "change "
            "only what root makes beside it (WORKDIR, mkdir)");
  EXPECT_EQ(fix("chown-in-own-layer", from + "RUN useradd app\nCOPY --from=build /out/model /m\n"
                                             "RUN chown -R app /m\n"),
            "write COPY --chown=…, and let this step change only what root makes beside it "
            "(WORKDIR, mkdir)");
}

TEST_F(FixesOfPlaces, PyPIStays) {
  const std::string from = "FROM python:3.10-slim\nRUN pip install ";
  EXPECT_EQ(fix("variant-without-index", from + "torch==2.6.0+cu124 transformers\n"),
            "name the index: --extra-index-url https://download.pytorch.org/whl/cu124");
  EXPECT_EQ(fix("variant-without-index", from + "torch==1.7.1+cu110\n"),
            "name the page: -f https://download.pytorch.org/whl/torch_stable.html");
}

TEST_F(FixesOfPlaces, WheelsThatAreNotThereAreNotOffered) {
  const auto of = [&](const std::string& base) {
    return fix("wheel-cuda-mismatch", "FROM nvidia/cuda:" + base +
                                          "\nRUN pip install torch==2.9.0 --index-url "
                                          "https://download.pytorch.org/whl/cu128\n");
  };
  EXPECT_THAT(of("11.8.0-devel-ubuntu22.04"),
              ::testing::StartsWith("take a torch that has wheels of the base's CUDA, or a base of "
                                    "CUDA 12.8"));
  EXPECT_THAT(of("13.0.1-devel-ubuntu22.04"), ::testing::StartsWith("take wheels of the base's"));
}

TEST_F(FixesOfPlaces, AnEnvironmentSeesWhatTheImageHas) {
  const std::string plain =
      "FROM nvidia/cuda:12.8.1-base-ubuntu24.04\n"
      "RUN apt-get update && apt-get install -y python3-pip";
  EXPECT_THAT(fix("pip-externally-managed", plain + "\nRUN pip install torch==2.7.0\n"),
              Not(HasSubstr("--system-site-packages")));
  EXPECT_THAT(
      fix("pip-externally-managed", plain + " python3-opencv\nRUN pip install torch==2.7.0\n"),
      HasSubstr("venv --system-site-packages /opt/venv"));
  EXPECT_THAT(fix("pip-externally-managed",
                  "FROM pytorch/pytorch:2.10.0-cuda12.8-cudnn9-runtime\nRUN pip install timm\n"),
              HasSubstr("venv --system-site-packages /opt/venv"));
  EXPECT_THAT(fix("pip-externally-managed", plain + "\nRUN pip install -U setuptools wheel\n"),
              Not(HasSubstr("--break-system-packages")));
}

TEST_F(FixesOfPlaces, AnExtraThatIsNotThereIsNotOffered) {
  const auto of = [&](const std::string& base) {
    return fix("cudnn-not-in-base", "FROM nvidia/cuda:" + base + "\nRUN pip install tensorflow\n");
  };
  EXPECT_THAT(of("11.8.0-runtime-ubuntu20.04"), Not(HasSubstr("and-cuda")));
  EXPECT_THAT(of("11.8.0-runtime-ubuntu22.04"), HasSubstr("tensorflow[and-cuda]"));
}

std::string pod(const std::string& container) {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: main\n"
         "      image: vllm/vllm-openai:v0.8.5\n      args: [--model, org/m-8b]\n" +
         container;
}

TEST_F(FixesOfPlaces, WhatStandsThereIsNotWrittenAgain) {
  const std::string gpu = "      resources: {limits: {nvidia.com/gpu: 1}}\n";
  EXPECT_THAT(fix("privileged-for-gpu", pod(gpu + "      securityContext: {privileged: true}\n"),
                  "pod.yaml"),
              ::testing::StartsWith("delete privileged; add"));
  EXPECT_THAT(
      fix("kubernetes-startup-probe",
          pod(gpu + "      startupProbe: {httpGet: {path: /health, port: 8000}}\n"), "pod.yaml"),
      ::testing::StartsWith("raise failureThreshold of startupProbe"));
  EXPECT_THAT(
      fix("kubernetes-startup-probe",
          pod(gpu + "      livenessProbe: {httpGet: {path: /health, port: 8000}}\n"), "pod.yaml"),
      ::testing::StartsWith("add startupProbe"));
  EXPECT_THAT(
      fix("kubernetes-gpu-resource",
          pod("      resources: {limits: {nvidia.com/gpu: 1, nvidia.com/gpus: 1}}\n"), "pod.yaml"),
      "delete it: nvidia.com/gpu stands beside");
  EXPECT_THAT(fix("gpu-not-requested",
                  "{\"image\": \"nvidia/cuda:12.8.1-devel-ubuntu24.04\", \"runArgs\": []}\n",
                  ".devcontainer/devcontainer.json"),
              HasSubstr("add to \"runArgs\""));
}

TEST_F(FixesOfPlaces, AmdsGpusAreAskedForAsTheirs) {
  const std::string service =
      "services:\n  a:\n    image: rocm/vllm:latest\n    privileged: true\n";
  EXPECT_THAT(fix("privileged-for-gpu", service, "compose.yaml"),
              HasSubstr("map /dev/kfd and /dev/dri"));
  EXPECT_THAT(
      fix("privileged-for-gpu", service + "    devices: [/dev/kfd, /dev/dri]\n", "compose.yaml"),
      ::testing::StartsWith("delete privileged; add"));
  EXPECT_THAT(
      fix("rocm-devices", "services:\n  a:\n    image: rocm/vllm:latest\n    devices: [/dev/kfd]\n",
          "compose.yaml"),
      ::testing::StartsWith("map /dev/dri by its devices"));
}

TEST_F(FixesOfPlaces, SlurmsPatternsAreOfFileNames) {
  const auto of = [&](const std::string& line) {
    return fix("batch-directive", "#!/bin/bash\n#SBATCH " + line + "\npython train.py\n", "a.sh");
  };
  EXPECT_EQ(of("--output=/logs/$USER.out"), "write %u for the user's name");
  EXPECT_THAT(of("--mail-user=$USER@example.org"), ::testing::StartsWith("write the value"));
}

TEST_F(FixesOfPlaces, ADirectoryOfTheHostIsNoVolume) {
  EXPECT_EQ(fix("input-not-mounted",
                "services:\n  a:\n    image: vllm/vllm-openai:v0.8.5\n    gpus: all\n"
                "    command: [--model, /models/a.gguf]\n",
                "compose.yaml"),
            "add HOST_DIRECTORY:/models to its volumes");
}

TEST_F(FixesOfPlaces, AnOldKeyIsNotReplacedByAKeyring) {
  const std::string base = "FROM ubuntu:18.04\n";
  const std::string server = "https://developer.download.nvidia.com/compute/";
  const std::string fetch =
      "apt-key adv --fetch-keys " + server + "cuda/repos/ubuntu1804/x86_64/7fa2af80.pub";
  const auto add = [&](const std::string& name) {
    return "RUN echo \"deb " + server + name + "/repos/ubuntu1804/x86_64 /\" > /etc/apt/a.list\n";
  };
  const auto of = [&](const std::string& step) {
    return fix("cuda-repository-key", base + "RUN " + step + "\n" + add("cuda"));
  };
  EXPECT_EQ(of(fetch), "write 3bf863cc in place of 7fa2af80");
  // What is compared, and the repository that has the old key still.
  const std::string compare = "FPR=ae09fe4bbd223a84b2ccfce3f60f4b3d7fa2af80 && " + fetch +
                              " && apt-key adv --export -a $FPR > a.pub && sha256sum -c sums";
  EXPECT_EQ(of(compare),
            "write 3bf863cc in place of 7fa2af80, and change what the step compares: its "
            "fingerprint in FPR and the checksum");
  EXPECT_EQ(of(fetch + "\n" + add("machine-learning")),
            "fetch 3bf863cc.pub of the repository's own directory beside it");
  EXPECT_EQ(
      of(compare + "\n" + add("machine-learning")),
      "fetch 3bf863cc.pub of the repository's own directory beside it; what the step compares "
      "(its fingerprint in FPR and the checksum) is the old key's: compare the new one's "
      "too");
  EXPECT_EQ(fix("cuda-repository-key", base + "RUN " + fetch + "\n"),
            "delete it; where apt-get update then misses a key, fetch "
            "…/compute/cuda/repos/ubuntu1804/x86_64/3bf863cc.pub");
}

TEST_F(FixesOfPlaces, AReleaseKeepsTheKindOfItsTag) {
  EXPECT_EQ(fix("gpu-image-floating",
                "FROM tensorflow/tensorflow:latest-gpu\nRUN pip install keras-cv==0.9.0\n"),
            "write a release: tensorflow/tensorflow:VERSION-gpu");
}

TEST_F(FixesOfPlaces, AVersionIsForTheCudaOfTheBase) {
  const std::string install = "RUN pip3 install onnxruntime-gpu\n";
  EXPECT_EQ(
      fix("gpu-wheel-unpinned", "FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04\n" + install),
      "write onnxruntime-gpu==1.23.*, which is for the base's CUDA 12");
  EXPECT_EQ(fix("gpu-wheel-unpinned", "FROM python:3.12-slim\n" + install),
            "write the version that works now, which pip freeze names");
  // Another Python than the base's, for which that release has no wheel.
  const std::string base = "FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04\n";
  for (const std::string other :
       {"RUN python3.9 -m pip install onnxruntime-gpu\n",
        "RUN add-apt-repository ppa:deadsnakes/ppa && apt-get install -y python3.9\n"
        "RUN pip3 install onnxruntime-gpu\n"})
    EXPECT_EQ(fix("gpu-wheel-unpinned", base + other),
              "write the version that works now, which pip freeze names");
}

TEST_F(FixesOfPlaces, ABaseOfPythonStaysOne) {
  EXPECT_EQ(fix("musl-base-gpu", "FROM python:3.9-alpine3.18\nRUN pip install torch==2.1.0\n"),
            "begin with python:3.9-slim");
}

TEST_F(FixesOfPlaces, AMountHidesNothing) {
  const auto edits = [&](const std::string& steps) {
    return found("package-cache-in-layer", "Dockerfile",
                 "FROM nvidia/cuda:12.8.1-base-ubuntu24.04\n" + steps)
        .edits.size();
  };
  EXPECT_EQ(edits("RUN pip install torch==2.7.0\n"), 1U);
  EXPECT_EQ(edits("ENV PIP_CACHE_DIR=/opt/pip-cache\nRUN pip install torch==2.7.0\n"), 1U);
  for (const std::string steps :
       {"ENV PIP_CACHE_DIR=/app\nRUN pip install torch==2.7.0\n",
        "ENV PIP_CACHE_DIR=\"/pip cache\"\nRUN pip install torch==2.7.0\n",
        "ENV PIP_CACHE_DIR=/cache,a\nRUN pip install torch==2.7.0\n",
        "RUN pip install torch==2.7.0 && mkdir -p /root/.cache && touch /root/.cache/a\n",
        "RUN pip install torch==2.7.0 && rm -rf /root/.c*\n",
        "RUN git clone https://example.com/a.git /root && pip install torch==2.7.0\n",
        "COPY wheels /root/.cache/pip/\nRUN pip install torch==2.7.0\n",
        "RUN pip install torch==2.7.0\nRUN chown -R 1000 /root/.cache\n"})
    EXPECT_EQ(edits(steps), 0U) << steps;
}

TEST_F(FixesOfPlaces, AShellReadsWhatIsWritten) {
  const std::string from = "FROM nvidia/cuda:12.8.1-devel-ubuntu24.04\n";
  const auto edits = [&](const std::string& rule, const std::string& step) {
    return found(rule, "Dockerfile", from + step).edits.size();
  };
  EXPECT_EQ(edits("torch-arch-list", "ENV TORCH_CUDA_ARCH_LIST=80,86\n"), 1U);
  EXPECT_EQ(edits("torch-arch-list", "RUN export TORCH_CUDA_ARCH_LIST='80,86' && make\n"), 1U);
  EXPECT_EQ(edits("torch-arch-list", "RUN export TORCH_CUDA_ARCH_LIST=80,86 && make\n"), 0U);
  EXPECT_EQ(edits("specifier-redirected", "RUN pip install numpy<2\n"), 1U);
  EXPECT_EQ(edits("specifier-redirected", "RUN pip install numpy>=1.*\n"), 0U);
  EXPECT_EQ(edits("conda-not-cleaned", "RUN conda install pytorch\n"), 1U);
  EXPECT_EQ(edits("conda-not-cleaned",
                  "RUN conda install pytorch --download-only && cp -r /opt/conda/pkgs /pkgs\n"),
            0U);
  EXPECT_EQ(edits("conda-not-cleaned", "RUN test -f a || conda install pytorch\n"), 0U);
  EXPECT_EQ(edits("conda-not-cleaned", "RUN '/opt/my conda/bin/conda' install pytorch\n"), 0U);
  EXPECT_EQ(edits("conda-not-cleaned",
                  "RUN conda install pytorch\nRUN conda create -n b --offline pytorch\n"),
            0U);
}

TEST_F(FixesOfPlaces, AnAnchorStays) {
  const auto edits = [&](const std::string& rule, const std::string& device) {
    return found(rule, "compose.yaml",
                 "services:\n  a:\n    image: a\n    deploy:\n      resources:\n        "
                 "reservations:\n          devices:\n            - " +
                     device)
        .edits.size();
  };
  EXPECT_EQ(edits("compose-gpu-capabilities", "driver: nvidia\n"), 1U);
  EXPECT_EQ(edits("compose-gpu-capabilities", "&g\n              driver: nvidia\n"), 0U);
  EXPECT_EQ(edits("compose-gpu-driver", "driver: cuda\n              capabilities: [gpu]\n"), 1U);
  EXPECT_EQ(edits("compose-gpu-driver", "driver: &d cuda\n              capabilities: [gpu]\n"),
            0U);
}

TEST_F(FixesOfPlaces, AVariantForAnOldCudaIsNotMovedToANewOne) {
  EXPECT_EQ(
      fix("cuda-tag-deleted", "FROM nvidia/cuda:10.2-base-ubuntu18.04\n", "Dockerfile.cuda10"),
      "delete this variant, or build it on an image of your own: none of CUDA 10 is left");
}

TEST_F(FixesOfPlaces, AnInstallerIsToldWhatItIsNot) {
  const auto of = [&](const std::string& options) {
    return fix(
        "driver-package-installed",
        "FROM ubuntu:22.04\nRUN sh cuda_12.4.1_550.54.15_linux.run --silent" + options + "\n");
  };
  EXPECT_EQ(of(""), "add --silent --toolkit, so that the toolkit alone is installed");
  EXPECT_EQ(of(" --toolkit --driver"), "delete --driver, so that the toolkit alone is installed");
  EXPECT_EQ(of(" --driver"),
            "write --toolkit in place of --driver, so that the toolkit alone is installed");
}

TEST_F(FixesOfPlaces, OneMapGetsOneKey) {
  const auto edits = [&](const std::string& limits) {
    return found("kubernetes-gpu-resource", "pod.yaml",
                 "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - "
                 "name: a\n      image: a\n      resources:\n        limits:\n" +
                     limits)
        .edits.size();
  };
  EXPECT_EQ(edits("          nvidia.com/gpus: 1\n"), 1U);
  EXPECT_EQ(edits("          alpha.kubernetes.io/nvidia-gpu: 1\n          nvidia.com/gpus: 1\n"),
            0U);
}

TEST_F(FixesOfPlaces, ABaseThatGoesTakesItsNamesAlong) {
  const auto of = [&](const std::string& file) {
    const Finding one = found("cuda-tag-unsupported", "Dockerfile", file);
    return one.edits.empty() ? one.fix : "edits: " + one.fix;
  };
  const std::string base = "FROM nvidia/cuda:12.6.1-devel-ubuntu22.04\n";
  EXPECT_THAT(
      of(base + "# 12.6.1\nENV CUDA_HOME=/usr/local/cuda-12.6\nRUN ls 112.6.1 12.6.10\n"),
      AllOf(HasSubstr("edits: move to nvidia/cuda:12.6.3-"), Not(HasSubstr("names the old"))));
  EXPECT_THAT(of("ARG CUDA=12.6.1\nFROM nvidia/cuda:${CUDA}-devel-ubuntu22.04\nARG CUDA\n"
                 "RUN case $CUDA in 12.6.1) ;; *) exit 1;; esac\n"),
              HasSubstr("Dockerfile names the old one in line 4 too"));
  // 12.8.0 goes to another minor, whose directory has another name.
  EXPECT_THAT(of("FROM nvidia/cuda:12.8.0-cudnn-devel-ubuntu22.04\n"
                 "ENV CUDA_HOME=/usr/local/cuda-12.8\n"),
              HasSubstr("names the old one in line 2 too"));
  EXPECT_THAT(of("FROM nvidia/cuda:11.1.1-cudnn8-devel-ubuntu20.04\n"
                 "RUN rm /etc/apt/sources.list.d/cuda.list\n"),
              HasSubstr("has not the list that line 2 removes: rm -f"));
  EXPECT_EQ(
      fix("cuda-tag-unknown", "FROM nvidia/cuda:11.3.1-devel-ubuntu22.04\n"),
      "take ubuntu20.04, which has it, or CUDA 11.7.1, the first with support on ubuntu22.04");
}

TEST_F(FixesOfPlaces, OfAnUnknownPythonTheProgramsOwnTensorflowComesFirst) {
  EXPECT_THAT(fix("package-gone",
                  "FROM nvidia/cuda:11.8.0-devel-ubuntu20.04\n"
                  "RUN conda create -n a python=3.6 && /opt/conda/envs/a/bin/pip "
                  "install tensorflow-gpu\n"),
              StartsWith("take the version that the program was written for"));
}

TEST_F(FixesOfPlaces, TheUpdateOfTheSameCudaComesFirst) {
  EXPECT_THAT(fix("cuda-tag-deleted",
                  "FROM nvidia/cuda:11.0-cudnn8-runtime-ubuntu18.04\n"
                  "RUN pip3 install tensorflow-gpu==2.4.0\n"),
              HasSubstr("move to nvidia/cuda:11.0.3-cudnn8-runtime-ubuntu18.04, of the same CUDA "
                        "and still there"));
  EXPECT_THAT(fix("cuda-tag-unknown",
                  "FROM nvidia/cuda:11.1-cudnn8-devel-ubuntu18.04\n"
                  "RUN pip3 install torch==1.8.1+cu111\n"),
              HasSubstr("write 11.1.1, of the same CUDA"));
  EXPECT_THAT(fix("cuda-tag-unknown",
                  "ARG CUDA=12.1\n"
                  "FROM nvidia/cuda:${CUDA}-devel-ubuntu22.04\n"
                  "ARG CUDA\n"
                  "RUN pip install torch --index-url https://x.example/cu${CUDA//./}\n"),
              HasSubstr("write nvidia/cuda:${CUDA}.1-devel-ubuntu22.04"));
  EXPECT_THAT(fix("cuda-tag-unknown",
                  "FROM nvidia/cuda:12.7.0-devel-ubuntu22.04\n"
                  "ENV CUDA_HOME=/usr/local/cuda-12.7\n"),
              HasSubstr("names the old one in line 2 too"));
}

}  // namespace

}  // namespace flense::lint
