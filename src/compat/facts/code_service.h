// How the device code of an image's libraries serves one GPU, file by file, and how much some of
// the files weigh.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "compat/facts/facts.h"

namespace flense::compat {

enum class Served : std::uint8_t {
  kCubin,
  kDoubtful,   ///< only by a cubin across embedded and discrete GPUs, which is not guaranteed
  kPtx,        ///< compiled by the driver at first use
  kUnknown,    ///< entries that could not be read, or PTX that may or may not compile
  kPtxTooNew,  ///< only PTX that the driver does not know: error 222
  kTooNew,     ///< cubins of a newer major of CUDA than the driver's and the image's own
  kNone,       ///< error 209
};

struct FileService {
  const needs::CodeFile* file = nullptr;
  std::string_view name = {};  ///< its own, and where others have that too its path
  Served how = Served::kNone;
  std::uint64_t bytes = 0;      ///< of device code
  bool core = false;            ///< without its code a framework does nothing on a GPU
  bool feature = false;         ///< linked for one feature that most programs never use
  std::uint64_t ptx_bytes = 0;  ///< kPtx: what is compiled
  const inventory::ArchCount* too_new = nullptr;  ///< kTooNew: one of them
  const inventory::ArchCount* ptx = nullptr;      ///< that the driver would take, if it needs any
  std::string_view variants = {};                 ///< CudaFile::variants
  bool zstd = false;  ///< what serves is compressed with Zstandard, at least in part
};

/// Every file with CUDA code that could be loaded at all.
std::vector<FileService> code_services(const Question& question, device::CudaArch gpu);
/// "PTX ISA 8.7"; the architecture where the version is not told.
std::string ptx_text(const FileService& service);

/// The image cannot do without this one of `part`: a main library of a framework, or one that
/// others list or open.
bool is_vital(const FileService& one, const std::vector<const FileService*>& part);

/// What a finding about `part` means for the image: kFail where the image lives by it (one that is
/// vital, most of the bytes outside of Python packages, or every file), kWarn for plug-ins that
/// nobody asks for, kOk for nothing.
Verdict weight_of(std::span<const FileService> all, const std::vector<const FileService*>& part);

/// "libtorch_cuda.so, libfoo.so and 3 more".
std::string names_of(const std::vector<const FileService*>& part);
/// "2 of 12 libraries (1.2 GB of 3.4 GB device code)".
std::string share_of(std::span<const FileService> all, const std::vector<const FileService*>& part);

/// The host's GPUs, each architecture once. Nullopt architectures are those that nobody knows.
struct GpuKind {
  const host::Gpu* gpu = nullptr;
  std::optional<device::CudaArch> arch;
};
std::vector<GpuKind> gpu_kinds(const host::Profile& host);

/// The image's CUDA compiles no more for this architecture, and its libraries have no code for it.
bool dropped_by_toolkit(const Question& question, const knowledge::ArchitectureRow& row);
/// A GPU of the host that no driver of this branch or a newer one drives: its architecture; null
/// where newer drivers drive all.
const knowledge::ArchitectureRow* ended_before(const Question& question, std::uint64_t branch);

}  // namespace flense::compat
