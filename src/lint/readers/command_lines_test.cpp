#include "lint/readers/launch_words.h"

#include <gtest/gtest.h>

#include "base/format.h"
#include "lint/readers/readers.h"

namespace flense::lint {
namespace {

struct Read {
  explicit Read(std::string text) {
    file.source = SourceText("job.sh", std::move(text));
    static_cast<FileContent&>(file) = read_shell(file.source);
  }
  const Workload& at(std::size_t index) const { return file.workloads.at(index); }
  std::string_view slice(Span span) const { return file.source.slice(span); }
  std::string arguments(std::size_t index) const {
    std::string out;
    for (const Word& word : at(index).arguments) out += (out.empty() ? "" : " ") + word.text;
    return out;
  }
  /// "source>target ro" for each mount.
  std::string mounts(std::size_t index) const {
    std::string out;
    for (const WorkloadMount& mount : at(index).mounts)
      out += fmt::format("{}{}>{}{}", out.empty() ? "" : " ", mount.source, mount.target,
                         mount.read_only ? ":ro" : "");
    return out;
  }

  ProjectFile file;
};

TEST(CommandLines, DockerRun) {
  const Read r(
      "docker --context x run -it --rm --gpus all -v /data:/data:ro --volume=cache:/c \\\n"
      "  --mount type=bind,source=/a,target=/b,readonly --ipc=host --shm-size 8g -e A=b --env C "
      "\\\n"
      "  --name job --privileged --runtime=nvidia --group-add video -m 16g --device /dev/kfd \\\n"
      "  nvcr.io/nvidia/pytorch:25.01-py3 python -v train.py --data /data\n");
  ASSERT_EQ(r.file.workloads.size(), 1U);
  const Workload& w = r.at(0);
  EXPECT_EQ(w.kind, WorkloadKind::kDocker);
  EXPECT_EQ(w.image_name->tag, "25.01-py3");
  EXPECT_EQ(r.slice(w.image.span), "nvcr.io/nvidia/pytorch:25.01-py3");
  EXPECT_EQ(r.arguments(0), "python -v train.py --data /data");
  EXPECT_EQ(r.mounts(0), "/data>/data:ro cache>/c /a>/b:ro");
  EXPECT_EQ(r.slice(w.mounts[1].span), "cache:/c");
  EXPECT_TRUE(w.host_ipc);
  EXPECT_EQ(w.shm_bytes, std::uint64_t{8} << 30);
  EXPECT_EQ(w.memory_limit, std::uint64_t{16} << 30);
  ASSERT_EQ(w.variables.size(), 2U);
  EXPECT_EQ(w.variables[0].value, "b");
  EXPECT_FALSE(w.variables[1].value);
  EXPECT_EQ(r.slice(w.privileged->span), "--privileged");
  EXPECT_EQ(w.runtime->text, "nvidia");
  EXPECT_EQ(w.groups.at(0).text, "video");
  ASSERT_EQ(w.gpus.size(), 2U);
  EXPECT_TRUE(w.gpus[0].all);
  EXPECT_EQ(w.gpus[1].vendor, "amd");
  EXPECT_EQ(w.name, "job");
  EXPECT_TRUE(w.writable_root);
}

TEST(CommandLines, FormsOfGpus) {
  const auto gpus = [](std::string_view value) {
    const Read r(fmt::format("docker run --gpus {} a\n", value));
    const GpuAsk& ask = r.at(0).gpus.at(0);
    std::string devices;
    for (const std::string& device : ask.devices) devices += device + ";";
    return fmt::format("{}{}{}", ask.all ? "all" : "",
                       ask.count ? fmt::format("{}", *ask.count) : "", devices);
  };
  EXPECT_EQ(gpus("all"), "all");
  EXPECT_EQ(gpus("2"), "2");
  EXPECT_EQ(gpus("count=3"), "3");
  EXPECT_EQ(gpus("device=0"), "0;");
  EXPECT_EQ(gpus("'\"device=0,GPU-x\"'"), "0;GPU-x;");
  EXPECT_EQ(gpus("'all,\"capabilities=compute,utility\"'"), "all");
  const Read cdi("podman run --device nvidia.com/gpu=all --security-opt label=disable a b\n");
  EXPECT_EQ(cdi.at(0).kind, WorkloadKind::kPodman);
  EXPECT_TRUE(cdi.at(0).gpus.at(0).all);
  EXPECT_EQ(cdi.arguments(0), "b");
}

TEST(CommandLines, VariablesOfTheScript) {
  const Read r(
      "IMAGE=nvidia/cuda:12.8.1-base-ubuntu24.04\nexport DATA=/mnt/data\nOPTS=\"--gpus all -it\"\n"
      "docker run $OPTS $MORE -v \"$DATA\":/data $IMAGE nvidia-smi\n"
      "docker run --rm \"${UNKNOWN_IMAGE}\" x\nif a; then IMAGE=b; fi\ndocker run $IMAGE\n");
  ASSERT_EQ(r.file.workloads.size(), 3U);
  EXPECT_EQ(r.at(0).image_name->repository, "nvidia/cuda");
  EXPECT_EQ(r.at(0).gpus.size(), 1U);
  EXPECT_EQ(r.mounts(0), "/mnt/data>/data");
  EXPECT_EQ(r.arguments(0), "nvidia-smi");
  EXPECT_EQ(r.at(1).image.text, "${UNKNOWN_IMAGE}");
  EXPECT_FALSE(r.at(1).image_name);
  EXPECT_FALSE(r.at(2).image_name);
}

TEST(CommandLines, Apptainer) {
  const Read r(
      "apptainer -q exec --nv -B /scratch,/data:/data:ro --env A=1,B=2 --writable-tmpfs x.sif "
      "python a.py\n"
      "singularity run --rocm --containall docker://rocm/pytorch:latest\n"
      "apptainer instance start --nv img.sif web\napptainer build x.sif x.def\n");
  ASSERT_EQ(r.file.workloads.size(), 3U);
  EXPECT_EQ(r.at(0).kind, WorkloadKind::kApptainer);
  EXPECT_EQ(r.mounts(0), "/scratch>/scratch /data>/data:ro /tmp>/tmp $PWD>$PWD $HOME>$HOME");
  EXPECT_EQ(r.at(0).gpus.at(0).vendor, "nvidia");
  EXPECT_EQ(r.at(0).variables.size(), 2U);
  EXPECT_TRUE(r.at(0).writable_root);
  EXPECT_EQ(r.arguments(0), "python a.py");
  EXPECT_EQ(r.at(1).image_name->repository, "rocm/pytorch");
  EXPECT_EQ(r.at(1).gpus.at(0).vendor, "amd");
  EXPECT_EQ(r.mounts(1), "");
  EXPECT_FALSE(r.at(1).writable_root);
  EXPECT_EQ(r.at(2).name, "web");
}

TEST(CommandLines, SrunWithPyxis) {
  const Read r(
      "#!/bin/bash\n#SBATCH --nodes=2\n#SBATCH --gpus-per-node=8 # all of them\n\n"
      "srun -N 2 --ntasks-per-node 8 --container-image=nvcr.io#nvidia/pytorch:25.01-py3 \\\n"
      "  --container-mounts=/data:/data:ro,$PWD:/w --container-writable --container-env=HF_TOKEN "
      "\\\n"
      "  --no-container-mount-home --mpi=pmix python train.py\n"
      "srun --gres gpu:h100:4 --pty apptainer exec --nv a.sif b\nsrun hostname\n");
  ASSERT_EQ(r.file.workloads.size(), 2U);
  const Workload& w = r.at(0);
  EXPECT_EQ(w.kind, WorkloadKind::kSrun);
  EXPECT_EQ(w.image_name->familiar(), "nvcr.io/nvidia/pytorch");
  EXPECT_EQ(r.mounts(0), "/data>/data:ro $PWD>/w");
  EXPECT_EQ(r.arguments(0), "python train.py");
  EXPECT_TRUE(w.writable_root);
  EXPECT_EQ(w.variables.at(0).name, "HF_TOKEN");
  ASSERT_EQ(w.gpus.size(), 1U);
  EXPECT_EQ(w.gpus[0].count, 8U);
  EXPECT_EQ(r.slice(w.gpus[0].span), "8");
  EXPECT_EQ(r.at(1).kind, WorkloadKind::kApptainer);
}

TEST(CommandLines, BatchDirectives) {
  const Read r(
      "#!/bin/bash\n#SBATCH --container-image docker://a/b:c\n#SBATCH --gres=gpu:2\n"
      "#SBATCH --container-mounts /x:/y\nset -e\n#SBATCH --container-image=late\npython x\n");
  ASSERT_EQ(r.file.workloads.size(), 1U);
  EXPECT_EQ(r.at(0).image_name->repository, "a/b");
  EXPECT_EQ(r.at(0).gpus.at(0).count, 2U);
  EXPECT_EQ(r.mounts(0), "/x>/y");
}

TEST(CommandLines, InsideOtherCommands) {
  const Read r(
      "mpirun -np 4 apptainer exec --nv a.sif b\nbash -c 'docker run --gpus all c'\n"
      "for i in 1 2; do sudo docker run --gpus device=$i img-$i; done\n"
      "echo docker run x\ndocker ps\ndocker exec a b\ntimeout 5 podman run d\n");
  ASSERT_EQ(r.file.workloads.size(), 4U);
  EXPECT_EQ(r.at(1).image.text, "c");
  EXPECT_EQ(r.at(2).image.text, "img-$i");
  EXPECT_EQ(r.at(3).image.text, "d");
}

TEST(CommandLines, HostileInput) {
  EXPECT_TRUE(Read("docker run").file.workloads.empty());
  EXPECT_TRUE(Read("docker run -v").file.workloads.empty());
  EXPECT_TRUE(Read("srun --container-image").file.workloads.empty());
  std::string bomb = "A='x x x x x x x x x x'\n";
  for (int at = 0; at < 30; ++at) bomb += "A=\"$A $A $A $A\"\n";
  EXPECT_LE(Read(bomb + "docker run $A\n").file.workloads.size(), 1U);
}

}  // namespace
}  // namespace flense::lint
