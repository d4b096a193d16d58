// What tags of registries show of images for some GPUs (flense slim --variants), against what their
// origins show now.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/registry/client.h"

namespace flense::fleet {

enum class State : std::uint8_t { kFresh, kStale, kMissing, kOriginGone, kUnknown };
/// "fresh", "stale", "missing", "origin gone", "unknown".
std::string_view to_string(State state);

/// An image for some GPUs; or a reference of which none is known, with why.
struct Standing {
  image::RegistryName name;  ///< its own tag: REG/APP:1-sm_90
  std::string listed_in;     ///< the tag whose index has it: "1"; empty: its tag alone
  std::vector<std::string> targets;
  std::string digest;
  std::string origin;      ///< "docker.io/library/app:1"; empty: it does not say
  std::string made_from;   ///< what the origin was then
  std::string origin_now;  ///< empty: not known
  std::string beside;      ///< the tag whose index lists others, and not this image; empty: none
  /// Its tag was asked for, or is one that slim gives; else somebody gave it.
  bool own_tag = true;
  State state = State::kUnknown;
  std::string reason;  ///< of every state but fresh
  std::optional<std::uint64_t> saved;
};

/// What a tag shows.
struct Document {
  std::string digest, text;
};

struct Survey {
  std::vector<Standing> standings;            ///< in the order of the references
  std::map<std::string, Document> documents;  ///< that were read, by RegistryName::text()
};

/// References without a tag mean all tags of the repository; those with one, also the tags of
/// images beside it that its index does not list.
Result<Survey> survey(const std::vector<image::RegistryName>& references,
                      image::RegistryClient& client);

}  // namespace flense::fleet
