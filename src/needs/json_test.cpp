#include "needs/json.h"

#include <gtest/gtest.h>

namespace flense::needs {
namespace {

/// Every member differs from its default.
Needs filled() {
  Needs out;
  out.name = "docker-archive:app.tar";
  out.platform = "linux/amd64";
  out.contents = false;
  out.unread = "--config-only";
  out.environment = {{"CUDA_VERSION", "12.4.1"}};
  out.labels = {{"maintainer", "somebody"}};
  out.runtimes = {{"CUDA runtime", "12.4.127", "usr/lib/libcudart.so.12.4.127"}};
  out.packages = {{{"pip", "torch", "2.6.0"}, "torch-2.6.0.dist-info/METADATA"}};
  out.code = {{"a.so", 40, {{"nvidia", "ptx", "compute_90", 2, 30, "8.4", 1}}}};
  out.compat = {{"compat/libcuda.so.575.57.08", "575.57.08", true, "12.9", {535}, {1, 2}}};
  out.driver_files = {{"libcuda.so.550.54.15", "driver library", 7}};
  out.stubs_in_path = {{"stubs/libcuda.so", "stub", 1}};
  out.code[0].user = "b.so";
  out.machines = {"x86_64"};
  out.too_new = {{"c.so", "GLIBC_2.34", "GLIBC_2.31", "libc.so.6", true, true}};
  out.foreign = {{"torch", "torch/_C.so", "Python 3.12", "Python 3.11", true}};
  out.missing_libraries = {{"libnccl.so.2", "a.so", "DT_NEEDED", {}}};
  out.compilers = {{"Triton", "pip triton 3.6", {"C compiler"}}};
  out.capabilities = {{"video", "libnvcuvid.so.1", "a.so"}};
  out.rdma = {{"libmlx5.so", "provider", 3}};
  out.weights = {{"model.safetensors", "weights", 1u << 30}};
  out.libc = "glibc";
  out.libc_version = "2.36";
  out.cpu = CpuNeed{"x86-64-v2", "lib/ld.so"};
  out.slim = inventory::SlimMark{{"sm_90"}, "550.54.14", "standard", "0.1.0", "label"};
  out.unpacked_bytes = 99;
  return out;
}

TEST(NeedsJson, RoundTripKeepsEveryMember) {
  const Needs needs = filled();
  const auto json = text::parse_json(text::dump_json(needs_to_json(needs)), "needs");
  ASSERT_TRUE(json.has_value());
  const auto back = needs_from_json(*json, "needs");
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(*back, needs);
}

TEST(NeedsJson, TheSignatureNamesEveryMember) {
  const std::string& signature = needs_signature();
  EXPECT_NE(signature.find("code:[{path:sdevice_bytes:uentries:[{vendor:s"), std::string::npos);
  EXPECT_NE(signature.find("cpu:[{level:spath:s}]"), std::string::npos);
  EXPECT_NE(signature.find("environment:mlabels:m"), std::string::npos);
}

TEST(NeedsJson, WhatIsMissingKeepsItsDefault) {
  const auto json = text::parse_json("{}", "needs");
  const auto back = needs_from_json(*json, "needs");
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(*back, Needs{});
}

TEST(NeedsJson, NamesTheMemberThatIsOfAnotherType) {
  const auto json = text::parse_json(R"({"code": [{"path": 7}]})", "row 3");
  const auto back = needs_from_json(*json, "row 3");
  ASSERT_FALSE(back.has_value());
  EXPECT_EQ(back.error().message, "row 3: $.code[0].path is not a text");
}

}  // namespace
}  // namespace flense::needs
