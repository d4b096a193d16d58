// The result of slimming wheels: each as slim reports it, and what they weigh together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/images/slim_report.h"

namespace flense::report {

class SlimWheelsReport {
 public:
  /// `name` is that of the file; an outcome has one layer.
  void add(const SlimReport& report, const std::string& name);
  /// Where things lie; empty where there are none.
  void written(std::string output, std::string index, std::string requirements);
  void notice(std::string text) { notices_.push_back(std::move(text)); }

  std::string text(const Style& style) const;
  /// Schema flense/slim-wheels/v1 (docs/schemas/slim-wheels-v1.json); not for dry runs.
  text::Json json() const;

 private:
  struct Sizes {
    std::uint64_t unpacked = 0, stored = 0;
  };
  struct Wheel {
    std::string name;
    Sizes before, after;
  };
  static std::vector<std::string> row(std::string name, const Sizes& before, const Sizes& after);

  std::vector<Wheel> wheels_;
  std::vector<text::Json> documents_;
  std::vector<std::string> notices_;
  std::string output_, index_, requirements_;
};

}  // namespace flense::report
