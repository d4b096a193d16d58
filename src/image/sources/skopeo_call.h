// Calls of skopeo, and the names of images as it takes them; for the files beside this one alone.
#pragma once

#include <string>
#include <vector>

#include "base/process.h"
#include "base/progress.h"
#include "base/result.h"
#include "image/model/reference.h"
#include "image/model/registry_limits.h"

namespace flense::image {

inline constexpr std::string_view kRegistryForm = "docker://";
inline constexpr std::size_t kMostAnswer = 16u << 20;

enum class SkopeoCall { kQuestion, kTransfer };

/// For all that one call asks of skopeo.
struct SkopeoAsking {
  const RegistryLimits& limits;
  Progress* progress = nullptr;
  ProgramStarter* starter = nullptr;
};

/// Runs skopeo to its end about `name`. Of a registry, a question has limits.answer to end, and a
/// transfer, whose bytes are stored by a pull and sent by a push, may stand still for
/// limits.stall().
Result<ProcessOutput> ask_skopeo(const std::vector<std::string>& arguments, const std::string& name,
                                 SkopeoCall kind, const SkopeoAsking& how);
/// What it writes where it ends well.
Result<std::string> run_skopeo(const std::vector<std::string>& arguments, const std::string& name,
                               SkopeoCall kind, const SkopeoAsking& how);

struct SourceName {
  std::string tagged;       ///< as asked
  std::string repository;   ///< for registries: to be followed by @digest
  bool local = false;       ///< the registry is on this machine
  bool plain_http = false;  ///< and speaks no HTTPS
};
Result<SourceName> source_name(Transport transport, const std::string& reference);

/// What `skopeo inspect` says. A registry on this machine may speak plain HTTP, which is learnt
/// here; if it speaks HTTPS, its certificate counts as any other.
Result<ProcessOutput> ask_about(SourceName& source, std::vector<std::string> words,
                                const SkopeoAsking& how);
Result<ProcessOutput> ask_manifest(SourceName& source, const SkopeoAsking& how);

}  // namespace flense::image
