// What happens to each member of each layer: what goes of it by a plan, or why it stays.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "inventory/scan/contents.h"
#include "slim/plan/plan.h"

namespace flense::report {

struct MemberFate {
  std::uint64_t given_back = 0;  ///< bytes of the content that go
  bool whole = false;            ///< the member goes, not a part of it
  std::string reason;            ///< id of the cut or pass; with `held_back` of what would be cut
  std::string held_back;         ///< why it stays although it could go
};

/// By layer and position in its tar; members that just stay are left out.
using MemberFates = std::vector<std::map<std::uint32_t, MemberFate>>;

/// `left_alone`: files that applying the plan left as they are.
MemberFates member_fates(const inventory::Contents& contents, const slim::Plan& plan,
                         const std::vector<slim::LeftAlone>& left_alone);

}  // namespace flense::report
