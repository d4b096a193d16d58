#include "cdi/generate/jetson_csv.h"

#include <algorithm>

#include "base/format.h"
#include "base/glob.h"
#include "base/path.h"
#include "cdi/generate/device_folder.h"
#include "cdi/generate/device_list.h"
#include "cdi/generate/hooks.h"
#include "cdi/generate/libraries.h"
#include "host/text_formats.h"

namespace flense::cdi {

namespace {

constexpr std::string_view kFolder = "etc/nvidia-container-runtime/host-files-for-container.d";
constexpr std::size_t kMostLines = 20'000;
constexpr std::uint64_t kMostBytes = 4u << 20;
constexpr std::size_t kMostPath = 1024;
constexpr std::string_view kWild = "*?[";

std::optional<CsvLine::Kind> kind_of(std::string_view word) {
  if (word == "dev") return CsvLine::Kind::kDevice;
  if (word == "dir") return CsvLine::Kind::kDirectory;
  if (word == "lib") return CsvLine::Kind::kLibrary;
  if (word == "sym") return CsvLine::Kind::kLink;
  return std::nullopt;
}

/// Why it cannot stand in a specification; empty when it can.
std::string_view complaint(std::string_view path) {
  if (!path.starts_with('/')) return "is not absolute";
  if (path.size() > kMostPath) return "is too long";
  if ((std::string(path) + "/").find("/../") != std::string::npos) return "holds '..'";
  if (std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
    return "holds control characters";
  if (parent_path(path).find_first_of(kWild) != std::string_view::npos)
    return "has a pattern in a directory's name";
  return {};
}

/// Paths, without the leading slash, that the line stands for; the line itself if it is not a
/// pattern.
std::vector<std::string> expand(const host::Tree& root, const std::string& path) {
  const std::string plain = path.substr(1);
  if (path.find_first_of(kWild) == std::string::npos) return {plain};
  std::vector<std::string> out;
  const std::string folder(parent_path(plain));
  for (const std::string& name : root.list(folder, 1u << 16))
    if (is_plain_name(name) && glob_match(base_name(plain), name))
      out.push_back(fmt::format("{}/{}", folder, name));
  return out;
}

/// What the lines of all files come to.
class Collector {
 public:
  Collector(Discovery& discovery, const DriverRoot& root, DeviceFolder& folder)
      : discovery_(discovery), root_(root), folder_(folder) {}

  void add(const CsvLine& line) {
    if (line.kind == CsvLine::Kind::kDevice && line.path.starts_with("/dev/")) {
      add_devices(line.path.substr(5));
      return;
    }
    for (const std::string& path : expand(root_.tree, line.path)) add_file(line.kind, path);
  }

  Edits device, common;
  std::vector<std::string> folders;  ///< of the container, where loaders find libraries
  std::size_t absent = 0;            ///< what the lists name and the machine does not have

 private:
  void add_devices(const std::string& name) {
    if (name.find_first_of(kWild) == std::string::npos) {
      if (!folder_.add(name, device)) ++absent;
      return;
    }
    const std::string below(parent_path(name));
    for (const std::string& path : folder_.list(below, ""))
      if (glob_match(base_name(name), base_name(path))) folder_.add(path, device);
  }

  void add_file(CsvLine::Kind kind, const std::string& path) {
    const auto host = root_.on_host(path);
    if (!host) {
      ++absent;
      return;
    }
    if (kind == CsvLine::Kind::kDirectory && !root_.tree.is_directory(path)) {
      ++absent;
      return;
    }
    // A link becomes the file it points to, under the link's name: no hook has to create it.
    common.mounts.push_back(read_only_mount(*host, "/" + path));
    if (kind == CsvLine::Kind::kLibrary || kind == CsvLine::Kind::kLink) add_library(path);
  }

  /// Jetson's own directories are known to no loader but that of its images.
  void add_library(const std::string& path) {
    const std::string name(base_name(path));
    const std::size_t mark = name.find(".so");
    if (!name.starts_with("lib") || mark == std::string::npos || root_.tree.is_directory(path))
      return;
    const auto library = read_library(discovery_, root_, path);
    if (!library) return;
    folders = container_folders(library->abi, discovery_.options);
    for (const std::string& folder : folders)
      if ("/" + std::string(parent_path(path)) == folder) return;
    mount_library(*library, discovery_.options, common);
  }

  Discovery& discovery_;
  const DriverRoot& root_;
  DeviceFolder& folder_;
};

Result<std::vector<CsvLine>> read_lists(const Discovery& discovery) {
  const host::Tree& root = discovery.machine.root;
  std::vector<CsvLine> out;
  for (const std::string& name : root.list(kFolder)) {
    if (!name.ends_with(".csv")) continue;
    const std::string path = fmt::format("{}/{}", kFolder, name);
    TRY(const std::string text, root.read(path, kMostBytes));
    TRY(const std::vector<CsvLine> lines, parse_csv(text, root.label(path)));
    out.insert(out.end(), lines.begin(), lines.end());
    if (out.size() > kMostLines)
      return bad_input("the lists in {} have more than {} lines", root.label(kFolder), kMostLines);
  }
  if (out.empty())
    return fail(Code::kEnvironment, "there is no list of files in {}", root.label(kFolder))
        .hint("JetPack's packages nvidia-container and nvidia-l4t-init provide them");
  return out;
}

}  // namespace

Result<std::vector<CsvLine>> parse_csv(std::string_view text, std::string_view name) {
  std::vector<CsvLine> out;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string line = host::clean(text.substr(0, end), kMostPath + 16);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t comma = line.find(',');
    const auto kind =
        kind_of(host::clean(std::string_view(line).substr(0, std::min(comma, line.size()))));
    if (!kind || comma == std::string::npos)
      return bad_input("{}:{}: expected dev, dir, lib or sym, a comma and a path", name, number);
    CsvLine one{*kind, host::clean(std::string_view(line).substr(comma + 1), kMostPath + 16)};
    while (one.path.size() > 1 && one.path.back() == '/') one.path.pop_back();
    if (const std::string_view why = complaint(one.path); !why.empty() || one.path == "/")
      return bad_input("{}:{}: the path '{}' {}", name, number,
                       host::clean(std::string_view(one.path).substr(0, 100)),
                       why.empty() ? "is the root" : why);
    if (out.size() >= kMostLines) return bad_input("{}: more than {} lines", name, kMostLines);
    out.push_back(std::move(one));
  }
  return out;
}

Result<void> generate_jetson(Discovery& discovery, Spec& spec) {
  TRY(const DriverRoot root, find_driver_root(discovery));
  TRY(DeviceFolder folder, DeviceFolder::find(discovery, root.prefix, "nvmap"));
  TRY(const std::vector<CsvLine> lines, read_lists(discovery));
  Collector all(discovery, root, folder);
  for (const CsvLine& line : lines) all.add(line);
  if (all.absent > 0)
    discovery.note(fmt::format("{} of {} files in the lists are not on this machine", all.absent,
                               lines.size()));
  if (all.device.empty())
    TRY_DO(discovery.missing("no device node of the lists is on this machine",
                             "do the lists belong to this release of JetPack?"));
  // CUDA's own check for Jetson.
  if (const auto release = discovery.machine.root.resolve("etc/nv_tegra_release"))
    all.common.mounts.push_back(read_only_mount("/" + *release, "/etc/nv_tegra_release"));
  DeviceList devices(discovery);
  if (!all.device.empty()) devices.add("0", all.device);
  spec.devices = std::move(devices).finish();
  spec.edits = std::move(all.common);
  spec.edits.env.emplace_back("NVIDIA_VISIBLE_DEVICES=void");
  TRY_DO(add_hooks(discovery, "", spec.edits));
  note_hooks(discovery, all.folders);
  note_groups(discovery, folder);
  return {};
}

}  // namespace flense::cdi
