// Facts of the tables that lint alone asks for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/knowledge.h"

namespace flense::lint {

/// Since when the usual package servers of a distribution are gone ("2025-07"); empty: they are
/// there, or the table does not know.
std::string servers_gone_since(const knowledge::Knowledge& known, std::string_view distribution);

/// Since when a Python has no updates ("2024-10" of "3.8"); empty: it has, or the table does not
/// know.
std::string python_ended(const knowledge::Knowledge& known, std::string_view python);

/// Whether CMAKE_CUDA_ARCHITECTURES decides what a CMake option ("GGML_CUDA") compiles CUDA for.
bool compiles_for_cmake_architectures(const knowledge::Knowledge& known, std::string_view option);

/// Whether an image of a repository holds a package that is built for the torch in it.
bool holds_extension(const knowledge::Knowledge& known, std::string_view repository,
                     std::string_view package);

/// The torch that a release of torchvision or torchaudio is made for; both empty: not known.
struct TorchOf {
  std::string torch;   ///< "2.6.0"
  std::string source;  ///< the table's row
};
TorchOf torch_of(const knowledge::Knowledge& known, std::string_view package,
                 std::string_view version);
/// The release of torchvision or torchaudio that is made for a torch; empty: not known.
std::string companion_of(const knowledge::Knowledge& known, std::string_view package,
                         std::string_view torch);

/// The torch that a release of torchcodec is built for, as "2.8"; both empty: not known.
TorchOf torch_of_codec(const knowledge::Knowledge& known, std::string_view version);
/// The newest torchcodec for a torch, as "0.7"; empty: not known.
std::string codec_of(const knowledge::Knowledge& known, std::string_view torch);

/// The CUDA variants that wheels of a torch have ("cu118", "cu121"); empty: the table is not sure.
std::vector<std::string> cuda_variants_of(const knowledge::Knowledge& known,
                                          std::string_view torch);
/// The same, of any release: there may be more.
std::vector<std::string> known_cuda_variants_of(const knowledge::Knowledge& known,
                                                std::string_view torch);

/// The newest torch that PyPI has for a Python ("3.6"; empty: a current one) and that meets a
/// specifier, with its CUDA; null: the table goes no further back, or it cannot be told.
const knowledge::DefaultVariantRow* newest_torch_for(const knowledge::Knowledge& known,
                                                     std::string_view python,
                                                     std::string_view specifier = {});

/// The newest release, as "1.23", of a package that takes its CUDA from the system, for a major of
/// CUDA and a Python that it has wheels for; empty: not known.
std::string newest_for_cuda(const knowledge::Knowledge& known, std::string_view package,
                            std::uint64_t cuda, std::string_view python);

/// The last torch of the index of one CUDA, where PyPI has a newer one for a Python ("3.10"; empty:
/// a current one): "2.5" of cu121; empty: it has the newest too, or is not known.
std::string last_torch_of(const knowledge::Knowledge& known, std::string_view variant,
                          std::string_view python);

}  // namespace flense::lint
