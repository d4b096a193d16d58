// Of an index with images for some GPUs (flense slim --variants), the one for the machine at hand.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/shared/args.h"
#include "cli/shared/common.h"
#include "cli/shared/io.h"
#include "cli/shared/places.h"
#include "host/profile.h"

namespace flense::cli {

void declare_no_variant(Options& options, ImageOptions& image);

/// Targets of all GPUs of these hosts, "sm_90"; empty where one has none, or one that is unknown.
std::set<std::string> gpu_targets(const std::vector<host::Profile>& hosts);

/// A choice for those who open an image, and what came of it.
class VariantChoice {
 public:
  /// `targets` is asked when an index has such images. None are chosen with --no-variant.
  VariantChoice(const ImageOptions& image, std::function<Result<std::set<std::string>>()> targets);
  /// For the GPUs of this machine, or of the one that `places` say, which are read when needed.
  static VariantChoice here(const TableRequest& request, const ImageOptions& image,
                            const PlaceOptions& places, Io& io);

  /// The options for open_target().
  const ImageOptions& options() const { return options_; }
  /// One line on standard error, where there was a choice.
  Result<void> tell(const Request& request, Io& io) const;

 private:
  ImageOptions options_;
  std::shared_ptr<std::string> told_;
};

}  // namespace flense::cli
