// A part of a machine's file system that may be located elsewhere: /proc of a fixture, the root of
// a mounted host. Links are followed inside the tree, so a hostile tree cannot expose files of the
// machine we run on; devices, sockets and pipes are never opened.
//
// In a copied tree a regular file may stand for a device node, since only root can make one:
// "c MAJOR MINOR MODE UID GID", MODE octal, optionally followed by the kernel's answer to a request
// for reading and writing: "EACCES" (mode), "EPERM" (device rules of the control group).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "host/tree_memory.h"

namespace flense::host {

/// What a name in /dev stands for, found without opening it.
struct DeviceNode {
  enum class Kind : std::uint8_t { kDevice, kFile, kDirectory, kOther };
  Kind kind = Kind::kOther;  ///< kDevice: a character device
  std::uint32_t major = 0, minor = 0;
  std::uint32_t mode = 0;  ///< permission bits
  std::uint32_t uid = 0, gid = 0;
  /// The kernel's answer to this process, if it could be asked: 0, EACCES or EPERM.
  std::optional<int> refusal;
  bool operator==(const DeviceNode&) const = default;
};

/// A stand-in's text as a node; nullopt when it is not one.
std::optional<DeviceNode> parse_stand_in(std::string_view text);

class Tree {
 public:
  static constexpr std::uint64_t kSmall = 64u << 10;
  /// A desktop has some ten thousand libraries in one directory.
  static constexpr std::size_t kMaxNames = 1u << 17;
  /// Of /proc itself: as many processes as Linux allows by default on the largest machines.
  static constexpr std::size_t kMaxProcesses = 4u << 20;

  /// `where` is the directory; `name` is what it stands for ("/proc") in evidence and messages.
  /// A copy may hold stand-ins for device nodes. With kKeep the same question gets the answer that
  /// it got the first time, except for node() and the bytes of map(): for what is only looked at.
  using Recall = TreeMemory::Recall;
  Tree(const std::filesystem::path& where, std::string name, bool copy = false,
       Recall recall = Recall::kNone);

  bool is_copy() const { return copy_; }

  /// A directory as a tree of its own, which links cannot leave: the root of a driver, its /dev.
  /// `name` and `copy` as above; nullopt when there is no such directory.
  std::optional<Tree> below(std::string_view path, std::string name, bool copy = false) const;

  /// How a file is called in evidence: "/proc/driver/nvidia/version".
  std::string label(std::string_view path) const;
  /// A regular file of at most `limit` bytes.
  Result<std::string> read(std::string_view path, std::uint64_t limit = kSmall) const;
  Result<MappedFile> map(std::string_view path) const;
  bool exists(std::string_view path) const;
  bool is_directory(std::string_view path) const;
  /// Names in a directory, sorted, without "." and ".."; at most `limit`. Empty when unreadable.
  std::vector<std::string> list(std::string_view path, std::size_t limit = kMaxNames) const;
  /// The path with every link followed, without a leading slash; nullopt when it does not exist.
  std::optional<std::string> resolve(std::string_view path) const;
  /// nullopt when it does not exist. Nothing is opened but a stand-in.
  std::optional<DeviceNode> node(std::string_view path) const;

 private:
  Tree(std::shared_ptr<TreeMemory> memory, std::filesystem::path where, std::string name,
       bool copy);

  Result<UniqueFd> open(std::string_view path) const;
  UniqueFd open_without_links(const std::string& path, int flags) const;
  std::optional<bool> exists_without_links(const std::string& path) const;
  bool resolve_by_kernel(const std::string& path, std::optional<std::string>& out) const;
  std::string through_parent(const std::string& path) const;
  std::string link_to_neighbour(const std::string& path) const;
  std::optional<std::string> resolve_by_steps(std::string path) const;
  std::optional<std::string> resolve_anew(const std::string& path) const;

  std::shared_ptr<TreeMemory> memory_;  ///< holds the directory open
  std::filesystem::path where_;
  std::string name_;
  bool copy_ = false;
};

/// Where the parts of a machine lie. Those that are not named are below `root`.
struct Places {
  std::filesystem::path root = "/";
  std::filesystem::path proc, sys, dev;

  Places with_all_named() const;
};

/// A machine at one time: its trees keep their answers.
struct Machine {
  explicit Machine(const Places& where);
  Places places;  ///< with all named
  Tree root, proc, sys, dev;
};

}  // namespace flense::host
