#include "knowledge/error_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/file.h"
#include "base/format.h"
#include "text/json.h"

namespace flense::knowledge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ErrorMessages : public ::testing::Test {
 protected:
  ErrorMessages() : known_(Explained::read(TableSet::load().value())), reader_(known_) {}
  std::vector<std::string> in(std::string_view text) const {
    std::vector<std::string> out;
    for (const ToldError& one : reader_.in(text)) out.push_back(one.row->id);
    return out;
  }
  std::string answer_to(std::string_view text) const {
    std::string out;
    for (const ToldError& one : reader_.in(text))
      out += one.row->cause + "\n" + one.row->fix + "\n";
    return out;
  }
  const Explained known_;
  const ErrorReader reader_;
};

/// Rows of the files of tests/messages whose names begin so.
std::vector<text::Json> rows_of(std::string_view beginning) {
  std::vector<text::Json> rows;
  for (const auto& file :
       std::filesystem::directory_iterator(FLENSE_SOURCE_DIR "/tests/messages")) {
    if (!file.path().filename().string().starts_with(beginning)) continue;
    const std::string path = file.path();
    const text::Json read = text::parse_json(read_file(path, 16u << 20).value(), path).value();
    for (const text::Json& row : read["rows"].items()) rows.push_back(row);
  }
  return rows;
}

TEST_F(ErrorMessages, OfRealThreads) {
  const std::vector<text::Json> rows = rows_of("errors");
  EXPECT_GT(rows.size(), 600u);
  for (const text::Json& row : rows) {
    std::vector<std::string> ids;
    for (const text::Json& id : row["ids"].items()) ids.emplace_back(id.text());
    EXPECT_FALSE(ids.empty() || row["source"].text().empty()) << row["name"].text();
    EXPECT_EQ(in(row["text"].text()), ids) << row["name"].text() << "\n" << row["text"].text();
    for (const text::Json& words : row["tells"].items())
      EXPECT_THAT(answer_to(row["text"].text()), HasSubstr(words.text())) << row["name"].text();
  }
}

TEST_F(ErrorMessages, LogsWithoutAnErrorAreSilent) {
  const std::vector<text::Json> rows = rows_of("healthy");
  EXPECT_GT(rows.size(), 180u);
  for (const text::Json& row : rows) {
    std::vector<std::string> notes;
    for (const text::Json& id : row["notes"].items()) notes.emplace_back(id.text());
    EXPECT_EQ(in(row["text"].text()), notes) << row["name"].text();
    for (const ToldError& one : reader_.in(row["text"].text()))
      EXPECT_TRUE(one.row->advice) << row["name"].text() << ": " << one.row->id;
  }
}

TEST_F(ErrorMessages, NoRowHasATextTwice) {
  for (const ErrorRow& row : known_.errors) {
    std::set<std::string> texts;
    for (const std::string& text : row.messages)
      EXPECT_TRUE(texts.insert(folded_message(text)).second) << row.id << ": " << text;
  }
}

/// Nothing shadows a row: what the table says of it leads to it.
TEST_F(ErrorMessages, EachTextNumberAndPhraseLeadsToItsRow) {
  std::set<std::string> ids;
  const auto expect = [&](const ErrorRow& row, const std::string& text) {
    EXPECT_THAT(in(text), ElementsAre(row.id)) << text;
  };
  for (const ErrorRow& row : known_.errors) {
    EXPECT_TRUE(ids.insert(row.id).second) << row.id << " twice";
    EXPECT_FALSE(row.messages.empty() && row.names.empty() && row.said.empty()) << row.id;
    if (!row.beside.empty()) continue;  // alone they are not told; OfRealThreads has them
    for (const std::string& message : row.messages) expect(row, message);
    for (const std::string& line : row.lines) {
      expect(row, line + " \n");
      EXPECT_THAT(in("x " + line), IsEmpty()) << line;
    }
    for (const std::string& name : row.names) expect(row, fmt::format("failed with {} at", name));
    for (const std::string& phrase : row.said)
      expect(row, fmt::format("{} error: {}", row.layer, phrase));
    std::vector<std::uint64_t> codes = row.other_codes;
    if (row.code) codes.push_back(*row.code);
    for (const std::uint64_t code : codes) {
      if (row.layer == "CUDA" || row.layer == "HIP")
        expect(row, fmt::format("x.cu:7: {} error {}", row.layer, code));
      if (row.layer == "Xid")
        expect(row, fmt::format("[7.0] NVRM: Xid (PCI:0000:01:00): {}, pid=9", code));
    }
  }
}

TEST_F(ErrorMessages, RowsThatAreNamedByOthersAreThere) {
  std::set<std::string> ids;
  for (const ErrorRow& row : known_.errors) ids.insert(row.id);
  for (const ErrorRow& row : known_.errors)
    for (const auto* named : {&row.beside, &row.yields_to})
      for (const std::string& id : *named) EXPECT_TRUE(ids.contains(id)) << row.id << ": " << id;
  // Where two yield to each other neither is told.
  std::map<std::string, std::set<std::string>> yields;
  for (const ErrorRow& row : known_.errors)
    yields[row.id].insert(row.yields_to.begin(), row.yields_to.end());
  for (const auto& [id, others] : yields)
    for (const std::string& other : others) EXPECT_FALSE(yields[other].contains(id)) << id;
  // What stands beside others has a thread in which it is told.
  std::set<std::string> told;
  const std::vector<text::Json> rows = rows_of("errors");
  for (const text::Json& row : rows)
    for (const text::Json& id : row["ids"].items()) told.emplace(id.text());
  for (const ErrorRow& row : known_.errors)
    if (!row.beside.empty()) EXPECT_TRUE(told.contains(row.id)) << row.id;
}

TEST_F(ErrorMessages, NumbersCountBesideTheirVoice) {
  for (const char* text :
       {"Cuda failure 35", "CUDA failure: 35", "code=35(cudaX) \"cudaSetDevice\"", "cuInit err: 35",
        "cudaGetDeviceCount returned 35", "error == cudaSuccess (35 vs. 0)",
        "[CUDA] error = 35:", "CudaAPIError: [35] Call to cuDeviceGet results in X",
        "CUDA runtime error (35)", "\x1b[31mCUDA  ERROR  35\x1b[0m"})
    EXPECT_THAT(in(text), ElementsAre("cuda-35")) << text;
  for (const char* text :
       {"error 35", "code=35(", "mysql error 35", "barracuda error 35", "/opt/cuda/bin: error 35",
        "CUDA 35", "CUDA error 35.5", "CUDA error 0x35", "CUDA error 35%", "CUDA error at a.cu:35",
        "CUDA error 350000", "Xid 35", "error 35 in the CUDA tests", "CUDA tests failed: 35",
        "lxc cuda ERROR conf - Script exited with status 2", "cuda-sample: exit code 35"})
    EXPECT_THAT(in(text), IsEmpty()) << text;
  // The number is the library's own where its name stands beside it.
  EXPECT_THAT(in("CUDNN failure 3: CUDNN_STATUS_BAD_PARAM ; expr=cudnnSetTensorNdDescriptor "
                 "cuda_call.cc"),
              ElementsAre("cudnn-bad-param"));
  EXPECT_THAT(in("torch.cuda.nccl.NcclError: NCCL Error 1: unhandled cuda error"),
              ElementsAre("nccl-cuda-error"));
}

TEST_F(ErrorMessages, WordsBeforeNumbersAreWhole) {
  for (const char* text :
       {"server_args=(cuda_graph_max_bs_decode=8, x=1)", "cuda opcode=2", "CUDA unicode=2",
        "cuda zipcode=35", "cuda http status code=200", "cuda: response code=100"})
    EXPECT_THAT(in(text), IsEmpty()) << text;
  for (const char* text : {"cudaError=35", "CUDA errorcode=35", "cuda error_code=35",
                           "cudaErrorCode: 35", "cuda: status code 35"})
    EXPECT_THAT(in(text), ElementsAre("cuda-35")) << text;
}

TEST_F(ErrorMessages, WhatWorkingProgramsSay) {
  for (const char* text :
       {"host:1:2 [1] NCCL INFO dlvsym failed on mlx5dv_f - libmlx5.so: undefined symbol: mlx5dv_f",
        "[c10d] The client socket has failed to connect to [localhost]:29500 (errno: 99 - Cannot "
        "assign requested address).",
        "SKIPPED [1] test_gpu.py:3: torch.cuda.is_available() is False",
        "XFAIL test_gpu.py::test_copy - cudaErrorNoDevice"})
    EXPECT_THAT(in(text), IsEmpty()) << text;
  for (const char* text : {"RuntimeError: CUDA error: out of memory. If you get this error, lower "
                           "the batch size",
                           "torch.cuda.OutOfMemoryError: CUDA out of memory, silently ignoring it",
                           "CUDA error: out of memory; you can ignore this warning"})
    EXPECT_THAT(in(text), ElementsAre("cuda-2")) << "words that others say hide no error: " << text;
  const auto advice = [&](const std::string& id) {
    return std::ranges::find(known_.errors, id, &ErrorRow::id)->advice;
  };
  const auto found =
      in("ERROR [fa_utils.py:57] Cannot use FA version 2 is not supported due to FA2 "
         "is only supported on devices with compute capability >= 8");
  EXPECT_THAT(found, ElementsAre("flash-attention-version"));
  for (const char* id :
       {"flash-attention-version", "ollama-amdgpu-version", "nccl-ib-open", "torch-no-gpu-at-build",
        "apptainer-no-nv-files", "ldconfig-wsl-link", "nvcc-not-on-path", "numpy-2-warning",
        "slurm-task-ended", "vllm-engine-dead"})
    EXPECT_TRUE(advice(id)) << id;
}

TEST_F(ErrorMessages, PhrasesOfAnyoneCountAfterAVoice) {
  EXPECT_THAT(in("CUDA error: operation not permitted"), ElementsAre("cuda-800"));
  EXPECT_THAT(in("HIP error: out of memory"), ElementsAre("hip-2"));
  EXPECT_THAT(in("HIP error: no kernel image is available for execution on the device"),
              ElementsAre("hip-209"));
  for (const char* text :
       {"chown: /data: Operation not permitted", "error: unknown error", "out of memory",
        "mkdir /usr/local/cuda: error: operation not permitted",
        "docker: error in nvidia/cuda:12: operation not permitted",
        "dpkg: error processing nvidia-cuda-toolkit: operation not permitted",
        "CUDA graphs need memory; lower the utilization if you run out of memory",
        "make: *** [all] exited with error code 1: see above",
        "warning: ignoring return value of type 'hipError_t' declared with 'nodiscard' attribute",
        "lib, /usr/lib/aarch64-linux-gnu/tegra/libnvrm.so",
        "NCCL WARN NUMA auto balancing enabled which can lead to variability",
        "libnccl-net.so: cannot open shared object file: No such file or directory"})
    EXPECT_THAT(in(text), IsEmpty()) << text;
  EXPECT_THAT(in("CUDA error" + std::string(400, '.') + " unknown error"), IsEmpty());
}

/// Also where neither hides other errors: the general text "failed to initialize CUDA" says less.
TEST_F(ErrorMessages, WhatAVoiceSaysIsMoreThanAText) {
  EXPECT_THAT(in("ggml_cuda_init: failed to initialize CUDA: initialization error"),
              ElementsAre("cuda-3"));
  EXPECT_THAT(in("cuda driver library failed to get device context 801"), ElementsAre("cuda-801"));
  EXPECT_THAT(in("failed to initialize CUDA: of a reason"), ElementsAre("cuda-init-failed"));
  EXPECT_THAT(in("CUBLAS_STATUS_ALLOC_FAILED: CUDA error: invalid argument"),
              ElementsAre("cublas-alloc-failed"));
}

/// Rows that leave out who says them and what to do take it from their section.
TEST_F(ErrorMessages, StatusesOfTheHeaders) {
  for (const char* id : {"cuda-52", "hip-52", "nvml-6", "xid-18", "cusolver-status-zero-pivot",
                         "hsa-status-error-invalid-agent"}) {
    const auto row = std::ranges::find(known_.errors, id, &ErrorRow::id);
    ASSERT_NE(row, known_.errors.end()) << id;
    EXPECT_FALSE(row->layer.empty() || row->cause.empty() || row->fix.empty()) << id;
    EXPECT_TRUE(row->general) << id;
    EXPECT_TRUE(row->source.starts_with("errors_statuses.json, ")) << row->source;
  }
}

TEST_F(ErrorMessages, NamesAreWholeWords) {
  EXPECT_THAT(in("status: cudaErrorNoDevice"), ElementsAre("cuda-100"));
  EXPECT_THAT(in("status: cudaErrorNoDevices2"), IsEmpty());
  EXPECT_THAT(in("status: MY_CUDA_ERROR_NO_DEVICE"), IsEmpty());
}

/// Whole lines: what many programs say after the words that tell ("cannot open shared object file")
/// is no more than these.
TEST_F(ErrorMessages, WhatALineNamesIsMoreThanWhatAnyoneSays) {
  const struct {
    const char* line;
    const char* id;
  } kLines[] = {
      {"ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
       "libgl-missing"},
      {"OSError: libibverbs.so.1: cannot open shared object file: No such file or directory",
       "libnetwork-missing"},
      {"libnvcuvid.so.1: cannot open shared object file: No such file or directory",
       "nvenc-library-missing"},
      {"libnvoptix.so.1: cannot open shared object file: No such file or directory",
       "optix-missing"},
      {"libdxcore.so: cannot open shared object file: No such file or directory",
       "toolkit-wsl-no-adapters"},
      {"/usr/bin/ld: cannot find -lcudart", "cuda-link-library"},
      {"/usr/bin/ld: cannot find -lcuda", "cuda-stub-missing"},
      {"src/engine.cpp:3:10: fatal error: NvInfer.h: No such file or directory",
       "cuda-extra-header"},
      {"Unable to enable MIG Mode for GPU 00000000:01:00.0: Not Supported", "mig-unsupported"},
      {"Warning: MIG mode is in pending enable state for GPU 00000000:07:00.0:In use by another "
       "client",
       "mig-mode-in-use"},
      {"CUDA error: the function failed to launch on the GPU", "cublas-execution-failed"},
      {"slurmstepd: error: load_ebpf_prog: BPF load error (No space left on device)", "slurm-bpf"},
      {"RuntimeError: \"addmm_impl_cpu_\" not implemented for 'Half'", "torch-half-on-cpu"},
      {"RuntimeError: Unable to initialize backend 'cuda': FAILED_PRECONDITION: No visible GPU "
       "devices. (you may need to uninstall the failing plugin package)",
       "jax-no-visible-gpu"},
      {"Unable to open library: libfoo.so.8 due to libbar.so.1: cannot open shared object file: No "
       "such file or directory",
       "library-not-found"},
  };
  for (const auto& one : kLines) EXPECT_THAT(in(one.line), ElementsAre(one.id)) << one.line;
}

TEST_F(ErrorMessages, WhatALaterLineTakesBackIsNotTold) {
  const std::string error =
      "FailedScheduling 0/8 nodes are available: 8 Insufficient nvidia.com/gpu";
  const std::string after = "\nSuccessfully assigned default/pod to node1\n";
  EXPECT_THAT(in(error + after), IsEmpty());
  EXPECT_THAT(in(after + error), ElementsAre("kubernetes-insufficient-gpu"));
  EXPECT_THAT(in(error + after + error), ElementsAre("kubernetes-insufficient-gpu"));
}

TEST_F(ErrorMessages, AStepOfABuildThatIsDoneFailedNothing) {
  const std::string line = "#20 31.29 ImportError: libcuda.so.1: cannot open shared object file\n";
  EXPECT_THAT(in(line + "#20 DONE 180.3s\n"), IsEmpty());
  for (const char* end : {"", "#20 ERROR: exit code: 1\n", "#2 DONE 1.0s\n", "#201 DONE 1.0s\n"})
    EXPECT_THAT(in(line + end), ElementsAre("libcuda-missing")) << end;
}

TEST_F(ErrorMessages, GeneralOnesGiveWay) {
  const std::string hook = "runc create failed: error running hook #0: exit status 1\n";
  EXPECT_THAT(in(hook), ElementsAre("engine-hook-failed"));
  EXPECT_THAT(
      in(hook + "nvidia-container-cli: initialization error: nvml error: driver not loaded"),
      ElementsAre("nvml-9"));
}

TEST_F(ErrorMessages, PartsOfAMessageStandOnOneLineAndNear) {
  EXPECT_THAT(in("NVRM: GPU 7 has fallen off the bus"), ElementsAre("gpu-lost"));
  EXPECT_THAT(in("libm.so.6: version `GLIBC_2.29' not found (required by x)"),
              ElementsAre("glibc-too-old"));
  EXPECT_THAT(in("version `GLIBC_2.29'\nnot found"), IsEmpty());
  EXPECT_THAT(in("version `GLIBC_2.29'" + std::string(300, ' ') + "not found"),
              ElementsAre("glibc-too-old"))
      << "blanks count once";
  EXPECT_THAT(in("version `GLIBC_2.29'" + std::string(300, '.') + "not found"), IsEmpty());
}

TEST_F(ErrorMessages, LinesAreCountedAndEachErrorIsToldOnce) {
  const auto told = reader_.in("a\r\nCUDA error 35\r\n\nCUDA failure 35\nHIP error 98");
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].number, 2u);
  EXPECT_EQ(told[0].line, "CUDA error 35");
  EXPECT_EQ(told[1].number, 5u);
}

/// None takes more than linear time.
TEST_F(ErrorMessages, HostileTexts) {
  for (const std::string piece : {"x", "cuda", "_cuda", "nvidia", "error 1 cuda ", "NVRM: Xid ("}) {
    std::string text;
    while (text.size() < (1u << 20)) text += piece;
    EXPECT_LE(in(text).size(), 1u) << piece;
  }
}

}  // namespace
}  // namespace flense::knowledge
