// Questions about device nodes that several groups share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "doctor/scene.h"

namespace flense::doctor {

enum class Access : std::uint8_t { kYes, kNo, kDenied, kUnknown };

/// Whether the user may read and write the node: the kernel's own answer where there is one
/// (kDenied: its control group forbids the device), else by owner, group and mode.
Access access_of(const host::DeviceNode& node, const User& user);

/// "0660, owner 0, group 44 (video)".
std::string rights_of(const Scene& scene, const host::DeviceNode& node);

/// Name of a group in /etc/group, else its number.
std::string group_name(const host::Tree& root, std::uint32_t gid);

/// How the user gets to be in the node's group; nullopt where that opens nothing, or too much: the
/// group root is nobody's to join.
std::optional<std::string> join_group(const Scene& scene, const host::DeviceNode& node);

/// "195:0", or what it is instead.
std::string describe(const host::DeviceNode& node);

}  // namespace flense::doctor
