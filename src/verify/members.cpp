#include "verify/members.h"

#include "codec/estargz.h"

namespace flense::verify {

namespace {

std::string attribute_text(const std::map<std::string, std::string>& attributes) {
  std::string out;
  for (const auto& [name, value] : attributes)
    out += fmt::format("{}{} ({} bytes)", out.empty() ? "" : ", ", name, value.size());
  return out.empty() ? "none" : out;
}

std::string time_text(const Member& member) {
  return fmt::format("{}.{:09}", member.entry.mtime, member.facts.nanoseconds);
}

}  // namespace

bool is_bookkeeping(std::string_view path) {
  return path == kMarker || codec::is_estargz_file(path);
}

void compare_metadata(const std::string& path, const Member& before, const Member& after,
                      const MemberOptions& options, Findings& findings) {
  using codec::MemberType;
  const auto& was = before.entry;
  const auto& is = after.entry;
  const auto differ = [&](const char* what, std::string expected, std::string found) {
    findings.differ({path, what, "", std::move(expected), std::move(found)});
  };
  // Nothing reads the mode of a symbolic link, and Linux keeps none (symlink(7)).
  if (was.mode != is.mode && was.type != MemberType::kSymlink)
    differ("mode", fmt::format("{:04o}", was.mode), fmt::format("{:04o}", is.mode));
  if (was.uid != is.uid || was.gid != is.gid)
    differ("owner", fmt::format("{}:{}", was.uid, was.gid), fmt::format("{}:{}", is.uid, is.gid));
  if (options.names && before.names != after.names)
    differ("owner's name", before.names, after.names);
  const bool time_told =
      options.times && (options.directory_times || was.type != MemberType::kDirectory);
  if (time_told && (was.mtime != is.mtime ||
                    (options.nanoseconds && before.facts.nanoseconds != after.facts.nanoseconds)))
    differ("mtime", time_text(before), time_text(after));
  std::map<std::string, std::string> expected = before.attributes;
  if (options.content_changed) {
    expected.erase("security.ima");
    expected.erase("security.evm");
  }
  if (expected != after.attributes)
    differ("extended attributes", attribute_text(expected), attribute_text(after.attributes));
  const bool device = was.type == MemberType::kCharDevice || was.type == MemberType::kBlockDevice;
  if (device && (before.facts.device_major != after.facts.device_major ||
                 before.facts.device_minor != after.facts.device_minor))
    differ("device number",
           fmt::format("{}:{}", before.facts.device_major, before.facts.device_minor),
           fmt::format("{}:{}", after.facts.device_major, after.facts.device_minor));
}

std::string_view type_name(codec::MemberType type) {
  switch (type) {
    case codec::MemberType::kFile:
      return "a file";
    case codec::MemberType::kHardLink:
      return "a hard link";
    case codec::MemberType::kSymlink:
      return "a symbolic link";
    case codec::MemberType::kCharDevice:
      return "a character device";
    case codec::MemberType::kBlockDevice:
      return "a block device";
    case codec::MemberType::kDirectory:
      return "a directory";
    case codec::MemberType::kFifo:
      return "a FIFO";
    case codec::MemberType::kOther:
      break;
  }
  return "something else";
}

}  // namespace flense::verify
