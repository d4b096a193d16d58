#include "launch/rootfs/mounted_root.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/file.h"
#include "codec/sif.h"

namespace flense::launch {

namespace {

Failure explained(int error, std::string what) {
  Failure out = system_error(error, std::move(what));
  out.error().hint = "without --mount-image the image is unpacked once, which does not need root";
  return out;
}

/// A free loop device over a part of the file; it goes when the last one closes or unmounts it.
Result<UniqueFd> attach_loop(int file, std::uint64_t offset, std::uint64_t size,
                             std::string& device) {
  const UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control) return explained(errno, "cannot open /dev/loop-control");
  struct loop_config config{};
  config.fd = static_cast<std::uint32_t>(file);
  config.info.lo_offset = offset;
  config.info.lo_sizelimit = size;
  config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
  // Others use loop devices, too: a free one may be taken meanwhile.
  constexpr int kTries = 64;
  for (int tries = 0; tries < kTries; ++tries) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return explained(errno, "cannot get a loop device");
    device = fmt::format("/dev/loop{}", number);
    UniqueFd loop(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    if (!loop) return explained(errno, "cannot open " + device);
    if (::ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0) return loop;
    if (errno != EBUSY) return explained(errno, "cannot set up " + device);
  }
  return explained(EBUSY, "cannot get a loop device");
}

/// What the kernel says about a mount that failed stands in its context.
std::string last_word(int context) {
  char text[256];
  const ssize_t got = ::read(context, text, sizeof text);
  if (got <= 2) return "";
  // "e squashfs: …\n"
  std::string_view said(text + 2, static_cast<std::size_t>(got) - 2);
  while (said.ends_with('\n')) said.remove_suffix(1);
  return fmt::format(" ({})", said);
}

Result<UniqueFd> mount_device(const std::string& device) {
  const UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "squashfs", FSOPEN_CLOEXEC)));
  if (!context) return explained(errno, "cannot mount a squashfs");
  const auto configure = [&](unsigned command, const char* key, const char* value) {
    return ::syscall(SYS_fsconfig, context.get(), command, key, value, 0) == 0;
  };
  if (!configure(FSCONFIG_SET_STRING, "source", device.c_str()) ||
      !configure(FSCONFIG_SET_FLAG, "ro", nullptr) ||
      !configure(FSCONFIG_CMD_CREATE, nullptr, nullptr)) {
    const int error = errno;
    return explained(error, "the kernel does not mount this squashfs" + last_word(context.get()));
  }
  UniqueFd mount(
      static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC,
                                 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)));
  if (!mount) return explained(errno, "cannot mount a squashfs");
  return mount;
}

}  // namespace

Result<RootFs> mount_image(const image::Image& image, const std::filesystem::path& file) {
  if (image.form != image::Form::kSquashfs && image.form != image::Form::kSif)
    return fail(Code::kUsage, "--mount-image: {} is neither squashfs nor SIF", image.name)
        .hint("other images are unpacked once; slim writes -o squashfs:FILE and sif:FILE");
  std::uint64_t offset = 0, size = 0;
  if (image.form == image::Form::kSif) {
    TRY(const MappedFile mapped, MappedFile::open(file));
    TRY(const codec::SifRoot root, codec::find_sif_root(mapped.bytes(), file.string()));
    offset = root.offset;
    size = root.size;
  }
  TRY(const UniqueFd opened, open_read(file));
  std::string device;
  TRY(const UniqueFd loop, attach_loop(opened.get(), offset, size, device));
  RootFs out;
  TRY(out.directory, mount_device(device));
  TRY(out.key, RootStore::key_of(image));
  out.path = file;
  out.mounted = true;
  return out;
}

}  // namespace flense::launch
