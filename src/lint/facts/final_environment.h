// The ENV lines of the image that a Dockerfile makes last, and what they say of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lint/facts/build_steps.h"

namespace flense::lint {

struct EnvironmentLine {
  const Instruction* step = nullptr;
  const KeyValue* pair = nullptr;
  std::string_view raw;              ///< of the value, with its quotes
  std::optional<std::string> value;  ///< variables replaced; nullopt: not known
};

/// Those that set `name`, in order.
std::vector<EnvironmentLine> environment_lines(const FileView& view, const StageSteps& steps,
                                               std::string_view name);

/// The place of a part of the value; empty: it is not written in one piece.
Span part_span(const EnvironmentLine& line, std::string_view part);

/// The parts between separators, 1,000 at most.
std::vector<std::string_view> split(std::string_view text, char separator);

/// Of Jetson's own CUDA, whose compat libraries are how a newer one comes to an older JetPack, and
/// whose media libraries are injected as a whole. Its bases are often an argument.
bool is_for_jetson(const FileView& view);

/// The directory of the compat libcuda, by its end.
bool is_compat(std::string_view path);

/// What the compat libcuda does in front of the host's, and the stubs where programs load.
inline constexpr std::string_view kCompatConsequence =
    "the compat libcuda is loaded on every host, also where the driver is newer or the GPU is a "
    "GeForce: error 803 or 804 there";
inline constexpr std::string_view kStubsConsequence =
    "the stubs are for linking: a program that loads this libcuda ends with \"driver is a stub "
    "library\"";

/// A directory of stubs, for linking without a driver.
bool is_stubs(std::string_view path);

/// Where the host's driver lies in a container.
bool holds_driver(std::string_view path);

}  // namespace flense::lint
