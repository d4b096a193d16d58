// A Container Device Interface specification as values (CDI SPEC.md, versions 0.3.0 to 1.1.0), read
// strictly and written with the lowest version that its fields need.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/json.h"

struct stat;

namespace flense::cdi {

struct DeviceNode {
  std::string path;       ///< in the container
  std::string host_path;  ///< empty: the same
  std::string type;       ///< "c", "b", "u", "p"; empty: as the node is
  /// Open: as the node is. A document without "minor" means 0 where "major" is there.
  std::optional<std::int64_t> major, minor;
  std::optional<std::uint32_t> file_mode;
  std::string permissions;  ///< subset of "rwm"; empty: all of it; "none"
  std::optional<std::uint32_t> uid, gid;
  bool operator==(const DeviceNode&) const = default;
};

struct Mount {
  std::string host_path, container_path;
  std::string type;  ///< needs 0.4.0
  std::vector<std::string> options;
  bool operator==(const Mount&) const = default;
};

struct Hook {
  std::string name;  ///< "createContainer"
  std::string path;  ///< on the host
  std::vector<std::string> args, env;
  std::optional<std::int64_t> timeout;  ///< seconds
  bool operator==(const Hook&) const = default;
};

struct NetDevice {
  std::string host_interface, name;
  bool operator==(const NetDevice&) const = default;
};

struct IntelRdt {
  std::string clos_id, l3_cache_schema, mem_bw_schema;
  std::vector<std::string> schemata;
  bool enable_cmt = false, enable_mbm = false, enable_monitoring = false;
  bool operator==(const IntelRdt&) const = default;
};

/// What becomes of a container that gets the device.
struct Edits {
  std::vector<std::string> env;  ///< "NAME=value"
  std::vector<DeviceNode> device_nodes;
  std::vector<NetDevice> net_devices;
  std::vector<Mount> mounts;
  std::vector<Hook> hooks;
  std::optional<IntelRdt> intel_rdt;
  std::vector<std::uint32_t> additional_gids;
  bool empty() const { return *this == Edits{}; }
  bool operator==(const Edits&) const = default;
};

/// Appends to `to` what it lacks of `from`.
void merge(const Edits& from, Edits& to);

struct Device {
  std::string name;  ///< "0", "GPU-…", "all"
  std::map<std::string, std::string> annotations;
  Edits edits;
  bool operator==(const Device&) const = default;
};

struct Spec {
  std::string version;  ///< as the file says; least_version() when it is written
  std::string kind;     ///< "nvidia.com/gpu"
  std::map<std::string, std::string> annotations;
  std::vector<Device> devices;
  Edits edits;  ///< for every container that gets any of the devices
  bool operator==(const Spec&) const = default;
};

/// Larger documents are refused.
inline constexpr std::uint64_t kMaxSpecBytes = std::uint64_t{16} << 20;

/// Who wants to see more of one document has other problems.
inline constexpr std::size_t kMaxViolations = 100;

/// A rule of the specification that a document breaks.
struct Violation {
  std::string rule;     ///< stable, in kebab case: "unknown-field", "version-too-low"
  std::string place;    ///< "$.devices[0].name"
  std::string message;  ///< what is there and what is allowed
  bool operator==(const Violation&) const = default;
};

struct ExaminedSpec {
  Spec spec;  ///< what could be understood
  std::vector<Violation> violations;
};

/// JSON or YAML, told apart by content; an error where it is neither.
Result<text::Json> read_document(std::string_view text, std::string_view what);
/// Every rule that the document breaks, in its order.
ExaminedSpec examine_spec(const text::Json& document);
/// Strictly: the first violation is an error, and so is the first hazard. `what` names the document
/// in errors.
Result<Spec> read_spec(std::string_view text, std::string_view what);

struct SpecText {
  std::string text;
  std::string distrust;  ///< of the file, as below
};
/// A regular file of at most kMaxSpecBytes; a pipe or a device is refused without waiting for it.
/// With a directory's descriptor the file of that name in it.
Result<SpecText> read_spec_text(const std::filesystem::path& path, int directory = AT_FDCWD);
/// Why somebody else than root and the caller may have written it: its owner, its mode. Empty when
/// nobody may.
std::string distrust(const struct stat& status);

/// The rules about values that hold for any version; empty when there is nothing to complain about.
std::vector<Violation> violations_of(const Spec& spec);
/// What the specification allows and no device needs: a path with "..", a node outside of /dev, a
/// mount over /proc, …. Whoever applies edits refuses these.
std::vector<Violation> hazards_of(const Spec& spec);
std::vector<Violation> hazards_of(const Edits& edits, const std::string& place);
/// What is wrong with a device's path in a container; empty when nothing is.
std::string complaint_about_node(std::string_view path);
/// The lowest version of the specification that has all the fields in use: "0.5.0".
std::string least_version(const Spec& spec);
/// Whether `version` is one of 0.1.0 … 1.1.0 that were released.
bool is_known_version(std::string_view version);

/// With cdiVersion the least that will do, in a fixed order, without empty fields.
text::Json to_json(const Spec& spec);

enum class Format { kJson, kYaml };
/// Of a file's extension: .json, .yaml. Others, which no engine reads, are a usage error.
Result<Format> format_of(const std::filesystem::path& path);
/// The whole text of a file: indented JSON, or YAML.
std::string spec_text(const Spec& spec, Format format);
/// Atomically, world-readable, with the directories on the way; a file that holds this already
/// stays as it is. Bad input when the specification breaks a rule; a usage error when the path's
/// extension contradicts the format.
Result<void> write_spec(const Spec& spec, const std::filesystem::path& path, Format format);

/// "nvidia.com/gpu=0" in its parts.
struct QualifiedName {
  std::string vendor, device_class, device;
  std::string kind() const { return vendor + "/" + device_class; }
  bool operator==(const QualifiedName&) const = default;
};
/// nullopt for what is no CDI name, such as a path.
std::optional<QualifiedName> parse_qualified_name(std::string_view text);

// What is wrong with a part of a name; empty when nothing is.
std::string complaint_about_vendor(std::string_view vendor);
std::string complaint_about_class(std::string_view device_class);
std::string complaint_about_device(std::string_view device);

}  // namespace flense::cdi
