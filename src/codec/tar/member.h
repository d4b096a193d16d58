// What a header block and the extended headers before it say about a member. Pure: no I/O.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/tar/tar.h"

namespace flense::codec::tar {

using PaxRecords = std::map<std::string, std::string>;

/// The extended headers of one member.
struct Extended {
  PaxRecords records;
  std::optional<std::string> long_name, long_link;  ///< GNU 'L' and 'K'
};

/// Links, devices and directories carry no payload, whatever their size field says; in agreement
/// with the reader that Docker, containerd and Podman share.
bool has_payload(MemberType type);

/// `stored_size` is the payload in the archive, sparse maps included. The "GNU.sparse." records
/// stay in member.pax for the caller.
Result<TarMember> make_member(Bytes block, Extended extended);

/// Keys that a TarMember holds in fields of its own, and that therefore never stay in `pax`.
bool is_field_record(std::string_view key);

}  // namespace flense::codec::tar
