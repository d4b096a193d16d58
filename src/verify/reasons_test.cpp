#include "verify/reasons.h"

#include <gtest/gtest.h>

namespace flense::verify {
namespace {

struct Fits {
  Fits() {
    record.whole = record.closure = true;
    record.pyc = "by level";
  }
  Record record;
  Level level = Level::kAggressive;

  std::string why(const char* pass, const char* path, std::string_view bytes = "",
                  const char* action = "drop", const char* new_path = "") const {
    LayerReading layer;
    MemberFacts facts;
    std::ranges::copy(bytes.substr(0, facts.head.size()), facts.head.begin());
    EXPECT_TRUE(layer.listing->add({.path = path, .link = "", .size = bytes.size()}));
    const auto tree = image::MergedTree::build({layer.listing});
    const Member member{layer.listing->at(0), facts, layer.attributes[0], layer.names[0]};
    return unfit_reason({action, pass, path, new_path}, member, *tree, record, level);
  }
};

TEST(Reasons, FitTheFile) {
  const Fits fits;
  const char* archive = "!<arch>\nabc";
  EXPECT_EQ(fits.why("static-libs", "usr/lib/libm.a", "/* GNU ld script */"), "");
  EXPECT_EQ(fits.why("static-libs", "libm.a", archive), "");
  EXPECT_NE(fits.why("static-libs", "app/w.a",
                     "\x7f"
                     "ELF...."),
            "");
  // An object by another name, as Debian's libmcheck.a; a library by it is none.
  using namespace std::string_literals;
  const std::string ident = "\x7f\x45LF\2\1\1"s + std::string(9, '\0');
  EXPECT_EQ(fits.why("static-libs", "usr/lib/libmcheck.a", ident + "\1\0"s), "");
  EXPECT_NE(fits.why("static-libs", "usr/lib/libmcheck.a", ident + "\3\0"s), "");
  EXPECT_NE(fits.why("static-libs", "app/w.so", archive), "");
  EXPECT_EQ(fits.why("documentation", "usr/share/doc/x/README", "x"), "");
  EXPECT_NE(fits.why("documentation", "usr/share/doc/x/copyright", "x"), "");
  EXPECT_NE(fits.why("documentation", "opt/a/__init__.py", "x"), "");
  EXPECT_EQ(fits.why("shadowed-files", "a/LICENSE", "x"), "");
  EXPECT_EQ(fits.why("headers", "usr/include/a.h", "x"), "");
  EXPECT_NE(fits.why("headers", "usr/include/a.py", "x"), "");
  EXPECT_NE(fits.why("package-caches", "etc/ld.so.cache", "x"), "");
  EXPECT_NE(fits.why("device-code", "usr/lib/liba.so",
                     "\x7f"
                     "ELF"),
            "");
  EXPECT_EQ(fits.why("device-code", "usr/lib/liba.so",
                     "\x7f"
                     "ELF",
                     "rewrite"),
            "");
  EXPECT_NE(fits.why("no-such-pass", "a", "x"), "");
  EXPECT_EQ(fits.why("unreachable", "usr/lib/libz.so.1",
                     "\x7f"
                     "ELF"),
            "");
  EXPECT_NE(fits.why("unreachable", "usr/lib64/ld-linux-x86-64.so.2",
                     "\x7f"
                     "ELF"),
            "");
  EXPECT_NE(fits.why("unreachable", "app/model.onnx", "x"), "");
  EXPECT_EQ(fits.why("cuda-copies", "usr/local/cuda/lib64/libcublas.so.12",
                     "\x7f"
                     "ELF",
                     "symlink", "/opt/v/site-packages/nvidia/cublas/lib/libcublas.so.12"),
            "");
  EXPECT_NE(fits.why("cuda-copies", "usr/local/cuda/lib64/libcublas.so.12",
                     "\x7f"
                     "ELF",
                     "symlink", "/opt/v/site-packages/nvidia/cublas/lib/libcudart.so.12"),
            "");
}

TEST(Reasons, FitWhatWasAskedFor) {
  Fits fits;
  EXPECT_EQ(fits.why("pycache", "a/__pycache__/b.pyc", "x"), "");
  fits.record.pyc = "keep";
  EXPECT_NE(fits.why("pycache", "a/__pycache__/b.pyc", "x"), "");
  fits.level = Level::kSafe;
  fits.record.pyc = "drop";
  EXPECT_EQ(fits.why("pycache", "a/__pycache__/b.pyc", "x"), "");
  EXPECT_EQ(fits.why("apt-lists", "var/lib/apt/lists/x", "x"), "");
  EXPECT_NE(fits.why("logs", "var/log/x", "x"), "");
  fits.level = Level::kAggressive;
  fits.record.closure = false;
  EXPECT_NE(fits.why("unreachable", "usr/lib/libz.so.1", "x"), "");
}

TEST(Reasons, NamesOfOtherGpus) {
  const auto targets = *device::make_targets({"sm_90", "gfx942"});
  EXPECT_TRUE(is_named_for_others("a/libnvshmem_device_sm_80.bc", targets));
  EXPECT_FALSE(is_named_for_others("a/libnvshmem_device_sm_90.bc", targets));
  EXPECT_TRUE(is_named_for_others("a/libnvinfer_builder_resource_sm120.so.10.8.0", targets));
  EXPECT_FALSE(is_named_for_others("a/libnvinfer_builder_resource_sm90.so.10.8.0", targets));
  EXPECT_TRUE(is_named_for_others("x/triton/backends/nvidia/lib/cupti-blackwell/a.so", targets));
  EXPECT_FALSE(is_named_for_others("x/triton/backends/nvidia/lib/cupti/a.so", targets));
  EXPECT_FALSE(is_named_for_others("x/triton/backends/amd/lib/a.bc", targets));
  EXPECT_TRUE(is_named_for_others("r/TensileLibrary_gfx90a.co", targets));
  EXPECT_FALSE(is_named_for_others("r/_rocm_gfx94X_dcgpu/lib/libx.so", targets));
  EXPECT_FALSE(is_named_for_others("app/model.onnx", targets));
}

}  // namespace
}  // namespace flense::verify
