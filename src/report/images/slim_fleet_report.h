// The result of slimming several images: each as slim reports it, and the totals with identical
// layers counted once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "report/images/slim_report.h"

namespace flense::report {

class SlimFleetReport {
 public:
  /// `report` is that of an image that was written.
  void add(const SlimReport& report);
  /// An image of a dry run.
  void add_planned(const slim::Plan& plan, const std::vector<std::uint64_t>& unpacked);

  std::string text(const Style& style) const;
  /// Schema flense/slim-fleet/v1 (docs/schemas/slim-fleet-v1.json); not for dry runs.
  text::Json json() const;

 private:
  struct Totals {
    std::uint64_t unpacked = 0;
    std::map<std::string, std::uint64_t> stored;  ///< distinct layers: bytes by digest
    std::uint64_t stored_bytes() const;
  };
  std::vector<text::Json> images_;
  std::uint64_t count_ = 0, shared_ = 0;
  Totals before_, after_;
};

}  // namespace flense::report
