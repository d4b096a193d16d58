#include "codec/sif.h"

#include <array>

namespace flense::codec {

namespace {

constexpr std::size_t kMagicAt = 32;  // after the "#!/usr/bin/env run-singularity" line
constexpr std::string_view kMagic{"SIF_MAGIC\0", 10};
constexpr std::size_t kVersionAt = 42, kArchitectureAt = 45;
constexpr std::size_t kDescriptorsAt = 64 + 16;  // after UUID, two times: free, total, offset, size
constexpr std::size_t kHeaderSize = 128, kDescriptorSize = 585, kExtraAt = 201;
constexpr std::uint64_t kMaxDescriptors = 4096;

constexpr std::int32_t kPartition = 0x4004, kOciRootIndex = 0x400a;
constexpr std::int32_t kSquashfs = 1, kEncryptedSquashfs = 5;
constexpr std::int32_t kPrimarySystem = 2;

/// Two decimal digits, in the order of the specification.
std::string architecture_name(std::string_view code) {
  static constexpr auto kNames =
      std::to_array<std::string_view>({"", "386", "amd64", "arm", "arm64", "ppc64", "ppc64le",
                                       "mips", "mipsle", "mips64", "mips64le", "s390x", "riscv64"});
  if (code.size() < 2 || code[0] < '0' || code[0] > '9' || code[1] < '0' || code[1] > '9')
    return {};
  const auto digit = [&](std::size_t at) { return static_cast<std::size_t>(code[at] - '0'); };
  const std::size_t index = digit(0) * 10 + digit(1);
  return index < kNames.size() ? std::string(kNames[index]) : std::string();
}

}  // namespace

bool is_sif(Bytes first_bytes) {
  const std::string_view text = as_text(first_bytes);
  return text.size() >= kMagicAt + kMagic.size() && text.substr(kMagicAt).starts_with(kMagic);
}

Result<SifRoot> find_sif_root(Bytes file, std::string_view name) {
  if (!is_sif(file) || file.size() < kHeaderSize)
    return bad_input("{}: expected a SIF header of {} bytes at offset 0", name, kHeaderSize);
  const std::string_view text = as_text(file);
  if (text.substr(kVersionAt, 2) != "01")
    return bad_input("{}: the SIF version at offset {} is not 01", name, kVersionAt);
  const auto total = load_le<std::uint64_t>(file, kDescriptorsAt + 8);
  const auto offset = load_le<std::uint64_t>(file, kDescriptorsAt + 16);
  if (total > kMaxDescriptors) return bad_input("{}: the SIF claims {} descriptors", name, total);
  if (!range_fits(offset, total * kDescriptorSize, file.size()))
    return bad_input("{}: {} SIF descriptors at offset {:#x} are outside the file", name, total,
                     offset);
  bool oci = false;
  for (std::uint64_t i = 0; i < total; ++i) {
    const std::uint64_t at = offset + i * kDescriptorSize;
    const Bytes descriptor = file.subspan(at, kDescriptorSize);
    if (descriptor[4] == std::byte{0}) continue;  // unused
    const auto type = load_le<std::int32_t>(descriptor, 0);
    oci = oci || type == kOciRootIndex;
    if (type != kPartition || load_le<std::int32_t>(descriptor, kExtraAt + 4) != kPrimarySystem)
      continue;
    const auto kind = load_le<std::int32_t>(descriptor, kExtraAt);
    if (kind == kEncryptedSquashfs) return bad_input("{}: its root file system is encrypted", name);
    if (kind != kSquashfs)
      return bad_input("{}: its root file system has type {}, squashfs was expected", name, kind);
    SifRoot root{load_le<std::uint64_t>(descriptor, 17), load_le<std::uint64_t>(descriptor, 25),
                 architecture_name(text.substr(at + kExtraAt + 8, 2))};
    if (root.architecture.empty())
      root.architecture = architecture_name(text.substr(kArchitectureAt, 2));
    if (!range_fits(root.offset, root.size, file.size()))
      return cut_off("{}: its root file system of {} bytes at offset {:#x} is outside the file",
                     name, root.size, root.offset);
    return root;
  }
  if (oci)
    return bad_input(
        "{}: an OCI-SIF image; convert it with: singularity push / oras, or give its "
        "OCI layout",
        name);
  return bad_input("{}: the SIF has no primary system partition", name);
}

}  // namespace flense::codec
