// What the steps of a stage do about the caches of package managers: whose they are, where they
// lie, and what would be hidden by a mount.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lint/facts/build_steps.h"
#include "lint/facts/stage_view.h"

namespace flense::lint {

/// Who runs a step of somebody's image, which the table does not know.
enum class UserOfBase : std::uint8_t {
  kKnown,    ///< the table, or a step that does what root alone may
  kUnknown,  ///< nothing tells
  kOther,    ///< there are signs of another user than root
};

/// Of the final image; read once and asked for each install. The view and the steps outlive it.
class CacheSteps {
 public:
  CacheSteps(const FileView& view, const StageSteps& steps);

  UserOfBase user(const Step& step) const {
    return is_root(step.user) ? user_ : UserOfBase::kKnown;
  }

  /// A step up to this one has configured pip: nothing is known of what it does.
  bool pip_is_set(const Instruction& run) const { return pip_set_from_ <= run.span.begin; }

  /// Whether a step made the user's home, which `useradd` alone does not: pip keeps nothing where
  /// it may not write.
  bool has_home(const Step& step) const;

  /// A copy of a cache, a volume or a link is where the cache would be.
  bool is_replaced(const Instruction& run, std::string_view directory) const;

  /// Whether a mount at a directory hides and changes nothing of a step's or the image's files: by
  /// its name it is a cache alone, and nobody else has to do with it, or in this step with what it
  /// lies in. A mount point cannot be removed, and leaves no directory behind.
  bool hides_nothing(const Step& step, std::string_view target);

 private:
  void takes_place(const Step& step, std::string_view word, const std::string& below);
  /// Whether a step speaks of a directory, other than an installer that is told of it.
  bool is_named(std::string_view name) const;

  const FileView& view_;
  const StageSteps& steps_;
  UserOfBase user_;
  std::size_t pip_set_from_ = std::string_view::npos;
  std::vector<const StepCommand*> owners_;
  std::vector<std::pair<std::size_t, std::string>> places_;  ///< by the place of the step
  std::map<std::string, bool, std::less<>> named_;           ///< is_named()
};

}  // namespace flense::lint
