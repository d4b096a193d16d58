// Log files that were put there for a program which could not create them.
#pragma once

#include "image/merged_tree.h"
#include "inventory/waste.h"

namespace flense::inventory {

/// `touch /var/log/app.log && chown app` lets a user write where only root may create files: such a
/// file stays, with what is in it.
inline bool is_for_a_user(const WasteRule& rule, const image::LayerListing::Entry& entry) {
  constexpr unsigned kOthersWrite = 022;
  return rule.id == "logs" &&
         (entry.size == 0 || entry.uid != 0 || (entry.mode & kOthersWrite) != 0);
}

}  // namespace flense::inventory
