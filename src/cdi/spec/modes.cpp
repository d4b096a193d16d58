#include "cdi/spec/modes.h"

#include <algorithm>
#include <iterator>

#include "base/format.h"

namespace flense::cdi {

namespace {

/// Kinds as the vendors' tools define them for each mode.
constexpr ModeRow kModes[] = {
    {Mode::kAuto, "auto", "", ""},
    {Mode::kNvidia, "nvidia", "nvidia.com", "gpu"},
    {Mode::kWsl, "wsl", "nvidia.com", "gpu"},
    {Mode::kJetson, "jetson", "nvidia.com", "gpu"},
    {Mode::kManagement, "management", "management.nvidia.com", "gpu"},
    {Mode::kAmd, "amd", "amd.com", "gpu"},
    {Mode::kRdma, "rdma", "nvidia.com", "mofed"},
    {Mode::kGdrcopy, "gdrcopy", "nvidia.com", "gdrcopy"},
    {Mode::kGds, "gds", "nvidia.com", "gds"},
    {Mode::kNvswitch, "nvswitch", "nvidia.com", "nvswitch"},
    {Mode::kImex, "imex", "nvidia.com", "imex-channel"},
};

}  // namespace

const ModeRow& row_of(Mode mode) {
  return *std::ranges::find(kModes, mode, &ModeRow::mode);
}

std::optional<Mode> mode_of(std::string_view word) {
  const auto at = std::ranges::find(kModes, word, &ModeRow::word);
  return at == std::end(kModes) ? std::nullopt : std::optional(at->mode);
}

std::string_view mode_word(Mode mode) {
  return row_of(mode).word;
}

std::vector<Mode> modes_of(std::string_view kind) {
  std::vector<Mode> out;
  for (const ModeRow& row : kModes)
    if (row.mode != Mode::kAuto && fmt::format("{}/{}", row.vendor, row.device_class) == kind)
      out.push_back(row.mode);
  return out;
}

}  // namespace flense::cdi
