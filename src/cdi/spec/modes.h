// The ways in which flense generates specifications, and their kinds.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace flense::cdi {

enum class Mode {
  kAuto,
  kNvidia,
  kWsl,
  kJetson,
  kManagement,
  kAmd,
  // What GPUs work with, as a kind of its own; GenerateOptions::with adds it to a GPU's.
  kRdma,
  kGdrcopy,
  kGds,
  kNvswitch,
  kImex
};

/// A mode's word and the kind that its specifications have unless the user names another.
struct ModeRow {
  Mode mode;
  std::string_view word, vendor, device_class;
};
const ModeRow& row_of(Mode mode);

/// "wsl", "jetson"; nullopt for no mode.
std::optional<Mode> mode_of(std::string_view word);
std::string_view mode_word(Mode mode);

/// The modes whose specifications are of that kind; empty for another vendor's, which only his tool
/// makes.
std::vector<Mode> modes_of(std::string_view kind);

}  // namespace flense::cdi
