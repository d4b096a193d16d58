// Test helper: a host with driver libraries and an image's root directory, made of real ELF files
// by gcc, whose symbol versions are those that the loader sees.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/process.h"
#include "cdi/spec/spec.h"
#include "launch/inject/inject.h"

namespace flense::launch::testing {

/// "GLIBC_2.34" as a name in C.
inline std::string symbol_of(std::string version) {
  for (char& c : version)
    if (c == '.') c = '_';
  return "f_" + version;
}

class Roots {
 public:
  Roots() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    top_ = std::filesystem::path(::testing::TempDir()) /
           (std::string("flense-launch-") + test->test_suite_name() + "-" + test->name());
    std::filesystem::remove_all(top_);
    for (const char* folder : {"host", "image", "prepared", "work"})
      std::filesystem::create_directories(top_ / folder);
  }
  Roots(const Roots&) = delete;
  Roots& operator=(const Roots&) = delete;
  ~Roots() { std::filesystem::remove_all(top_); }

  const std::filesystem::path& top() const { return top_; }
  std::filesystem::path host(const std::string& path) const { return top_ / "host" / path; }
  std::filesystem::path image(const std::string& path) const { return top_ / "image" / path; }
  std::filesystem::path prepared() const { return top_ / "prepared"; }

  static void write(const std::filesystem::path& path, std::string_view text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  static void link(const std::filesystem::path& path, const std::string& target) {
    std::filesystem::create_directories(path.parent_path());
    std::filesystem::create_symlink(target, path);
  }
  static void gcc(std::vector<std::string> args) {
    args.insert(args.begin(), "gcc");
    const auto done = run_process(args);
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_EQ(done->status, 0) << done->err;
  }

  /// A libc.so.6 that defines these versions, each with one function.
  void libc(const std::filesystem::path& path, const std::vector<std::string>& versions,
            const std::vector<std::string>& options = {}) const {
    std::string source, script, before;
    for (const std::string& version : versions) {
      source += "int " + symbol_of(version) + "(void) { return 1; }\n";
      script += version + " { global: " + symbol_of(version) + "; }" + before + ";\n";
      before = " " + version;
    }
    write(work("libc.c"), source);
    write(work("libc.map"), script);
    std::filesystem::create_directories(path.parent_path());
    std::vector<std::string> args = {"-shared",
                                     "-nostdlib",
                                     "-fPIC",
                                     "-o",
                                     path,
                                     work("libc.c"),
                                     "-Wl,-soname,libc.so.6",
                                     "-Wl,--version-script=" + work("libc.map")};
    args.insert(args.end(), options.begin(), options.end());
    gcc(args);
  }
  /// A library that needs these versions of libc.so.6; `options` is empty, or -m32.
  void library(const std::filesystem::path& path, const std::string& soname,
               const std::vector<std::string>& versions,
               const std::vector<std::string>& options = {}) const {
    const std::string sdk = work(options.empty() ? "sdk/libc.so.6" : "sdk32/libc.so.6");
    if (!std::filesystem::exists(sdk)) libc(sdk, kAll, options);
    std::string source = "int who(void) { return 42; }\n";
    for (const std::string& version : versions)
      source += "int " + symbol_of(version) + "(void);\nint use_" + symbol_of(version) +
                "(void) { return " + symbol_of(version) + "(); }\n";
    write(work("library.c"), source);
    std::filesystem::create_directories(path.parent_path());
    std::vector<std::string> args = {"-shared",         "-nostdlib",          "-fPIC", "-o", path,
                                     work("library.c"), "-Wl,--no-as-needed", sdk};
    if (!soname.empty()) args.push_back("-Wl,-soname," + soname);
    args.insert(args.end(), options.begin(), options.end());
    gcc(args);
  }
  /// Debian's layout, with a loader that knows where the cache lies.
  void glibc_image(const std::vector<std::string>& versions) const {
    libc(image("usr/lib/x86_64-linux-gnu/libc.so.6"), versions);
    link(image("lib"), "usr/lib");
    link(image("lib64"), "usr/lib64");
    write(image("usr/lib64/ld-linux-x86-64.so.2"), std::string("x\0/etc/ld.so.cache\0x", 20));
  }
  void musl_image() const {
    library(image("lib/ld-musl-x86_64.so.1"), "libc.musl-x86_64.so.1", {});
  }

  /// As nvidia-ctk writes it: at its own place.
  cdi::Mount mount(const std::string& path) const {
    return {host(path), "/" + path, "", {"ro", "nosuid", "nodev", "rbind", "rprivate"}};
  }
  Result<Injection> plan(const cdi::Edits& edits, InjectOptions options = {}) const {
    const UniqueFd root(::open(image("").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    options.image_key = std::string(64, 'a');
    options.directory = prepared();
    return plan_injection(edits, root, options);
  }

  inline static const std::vector<std::string> kAll = {
      "GLIBC_2.2.5", "GLIBC_2.14", "GLIBC_2.17",        "GLIBC_2.28",
      "GLIBC_2.34",  "GLIBC_2.38", "GLIBC_ABI_DT_RELR", "GLIBC_ABI_GNU2_TLS"};
  /// Ubuntu 18.04's and older.
  inline static const std::vector<std::string> kOld = {"GLIBC_2.2.5", "GLIBC_2.14", "GLIBC_2.17",
                                                       "GLIBC_2.28"};

 private:
  std::string work(const std::string& name) const {
    const std::filesystem::path path = top_ / "work" / name;
    std::filesystem::create_directories(path.parent_path());
    return path;
  }
  std::filesystem::path top_;
};

}  // namespace flense::launch::testing
