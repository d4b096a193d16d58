// The CUDA of a base: tags of nvidia/cuda that exist, and libraries that nothing in the image
// loads.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lint/facts/stage_view.h"

namespace flense::lint {

/// The base of the last stage and of those below it; null: it is not known.
const StageView* final_base(const FileView& view);

/// "nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04": the tag of a release with this flavour, on this
/// distribution where it has one. With `cudnn` and a release of which that is not known, "CUDA
/// 12.4.1" alone.
std::string cuda_tag(const knowledge::Images& images, const knowledge::CudaImageRow& row,
                     std::string_view flavour, std::string_view distribution, bool cudnn);

/// Whether the table holds the release that an image of nvidia/cuda names, or is not to be asked.
bool cuda_tag_known(const knowledge::Images& images, const GpuImage& image);

/// "a base of CUDA 12.4", for a fix; of CUDA 13 with what it needs and an older one did not.
std::string base_of_cuda(std::string_view version);

/// Whether the stage installs what loads the system's CUDA: onnxruntime-gpu, CTranslate2, CuPy.
bool has_other_cuda_user(const FileView& view, std::size_t stage);

struct UnusedCuda {
  /// What brings its own CUDA: "torch", "tensorflow[and-cuda]", "pytorch" of conda; empty: nothing
  /// that is installed uses any.
  std::string package;
  std::string variant;  ///< of torch: "cu124"; empty: not known
  std::string instead;  ///< "nvidia/cuda:12.4.1-base-ubuntu22.04", a tag that exists
  /// Everything that the image gets is known; else something may load the base's libraries.
  bool sure = false;
};
/// A final image on nvidia/cuda's runtime or devel, in which only packages with a CUDA of their own
/// use it, or nothing.
std::optional<UnusedCuda> unused_cuda_of(const FileView& view);

}  // namespace flense::lint
