// What a fix may ask for on the examined machine: the programs that its root has, the packages that
// bring others there, and whether systemd runs it. A fix names nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "host/profile.h"
#include "host/tree.h"

namespace flense::doctor {

class Tools {
 public:
  Tools(const host::Machine& machine, const host::Profile& profile);

  /// "/usr/bin/nvidia-ctk"; empty when no directory of programs has it.
  std::string path(std::string_view program) const;
  bool has(std::string_view program) const { return !path(program).empty(); }

  /// The command, and before it the package that brings its program, where that is missing.
  std::string command(std::string_view line) const;
  /// "apt-get install dkms": of the packages of package_of(), or one as it is called here.
  std::string install(std::string_view what) const;
  /// What modules for this kernel are built with.
  std::string install_headers(const std::string& kernel) const;
  /// What a package or program's package is called here; empty when that is not known.
  std::string package_of(std::string_view what) const;
  /// "systemctl restart docker", in words where no systemd runs.
  std::string restart(std::string_view service) const;
  /// So that it runs now and after each boot.
  std::string enable(std::string_view service) const;
  /// The command that rebuilds what is loaded before the root file system.
  std::string rebuild_initramfs() const;
  /// "the kernel log says why (dmesg, lines with NVRM)".
  std::string kernel_log(std::string_view word) const;

 private:
  enum class Packages : std::uint8_t { kUnknown, kUbuntu, kDebian, kFedora, kSuse };

  const host::Tree& root_;
  bool systemd_ = false;
  Packages packages_ = Packages::kUnknown;
  std::string manager_;  ///< "apt-get"; empty: none that we know
  std::string branch_;   ///< of the driver: "550"
};

}  // namespace flense::doctor
