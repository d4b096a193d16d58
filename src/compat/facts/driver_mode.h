// How the image's CUDA relates to the host's driver, and which CUDA then loads its device code.
#pragma once

#include <optional>
#include <string>

#include "compat/facts/facts.h"

namespace flense::compat {

enum class DriverMode : std::uint8_t {
  kNative,        ///< the driver supports this CUDA itself
  kMinorVersion,  ///< an older minor of the same major: cubins, and PTX that the driver knows
  kTooOld,        ///< only the image's own compat libcuda could help
  kUnknown,       ///< a fact is missing on either side
};
/// Ignores compat libraries.
DriverMode driver_mode(const Question& question);

/// Would a driver of this version and CUDA run an image of CUDA `wanted`? Never kUnknown. `driver`
/// may be empty where only its CUDA is known.
DriverMode mode_of(const knowledge::Drivers& drivers, std::string_view driver,
                   std::string_view driver_cuda, std::string_view wanted);

/// The image's compat libcuda with this launcher on this machine.
struct CompatUse {
  enum class State : std::uint8_t {
    kNone,  ///< the image has none
    kNotUsed,
    kUsed,
    kUnknown,  ///< a fact is missing
  };
  State state = State::kNone;
  const needs::CompatPackage* package = nullptr;
  std::string cuda;    ///< of the package; empty when nothing tells
  std::string reason;  ///< why it is used or not
  std::string source;
};
CompatUse compat_use(const Question& question);

/// Of Jetson's own line, whose libcuda.so.1.1 is named for no driver.
bool is_for_tegra(const needs::CompatPackage& package);

/// The CUDA of the libcuda that programs of the image will load: the driver's, or the compat
/// library's where it is in use; a lower bound where that is not known. Nullopt when unknown.
std::optional<DriverCuda> effective_cuda(const Question& question);

/// Can a libcuda of this CUDA compile PTX of this ISA version ("8.4")?
Answer compiles_ptx(const knowledge::Architectures& tables, const std::optional<DriverCuda>& cuda,
                    std::string_view isa);

}  // namespace flense::compat
