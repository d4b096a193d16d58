// What is compared of one member: everything but the bytes of its content.
#pragma once

#include <string>

#include "verify/finding.h"
#include "verify/reading.h"

namespace flense::verify {

/// flense's marker and what speaks of a layer's form: written anew with the layer.
inline constexpr std::string_view kMarker = "usr/share/flense/slim.json";
bool is_bookkeeping(std::string_view path);

struct MemberOptions {
  bool nanoseconds = true;      ///< both forms tell them
  bool directory_times = true;  ///< false: entries were replaced where they lie
  bool times = true;
  bool names = true;             ///< of owners: both are archives, compared layer by layer
  bool content_changed = false;  ///< signatures over the content no longer hold
};

/// Mode, owner, times, attributes, device numbers.
void compare_metadata(const std::string& path, const Member& before, const Member& after,
                      const MemberOptions& options, Findings& findings);

/// The table of each eStargz layer says what is in it, and each chunk is where the table says.
Result<void> compare_lazy_tables(const Reading& after, Findings& findings);

std::string_view type_name(codec::MemberType type);

}  // namespace flense::verify
