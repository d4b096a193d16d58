#include "inventory/scan/model_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "elf/testing_builder.h"
#include "inventory/scan/mentions.h"

namespace flense::inventory {
namespace {

using elf::testing::pack;
using ::testing::HasSubstr;

std::string safetensors(const std::string& header) {
  return pack(std::uint64_t{header.size()}) + header;
}

ModelFile read_as(ModelFormat format, const std::string& head, std::uint64_t file_size) {
  return read_model_file(format, as_bytes(head), file_size);
}

TEST(Safetensors, CountsTypes) {
  const std::string head = safetensors(R"({"__metadata__":{"format":"pt"},)"
                                       R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                                       R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},)"
                                       R"("c":{"dtype":"F32","shape":[],"data_offsets":[32,36]}})");
  const ModelFile model = read_as(ModelFormat::kSafetensors, head, head.size() + 36);
  EXPECT_EQ(model.unreadable, "");
  EXPECT_EQ(model.types, (std::vector<TensorType>{{"F32", 2, 7, 28}, {"BF16", 1, 4, 8}}));
  EXPECT_EQ(half_precision_saves(model), 14U);
}

TEST(Safetensors, SaysWhatIsWrong) {
  const auto complaint = [](const std::string& head, std::uint64_t data) {
    const ModelFile model = read_as(ModelFormat::kSafetensors, head, head.size() + data);
    EXPECT_TRUE(model.types.empty());
    return model.unreadable;
  };
  EXPECT_THAT(
      complaint(safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"), 7),
      HasSubstr("tensor a lies outside of the 7 bytes of data"));
  EXPECT_THAT(
      complaint(safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})"), 8),
      HasSubstr("tensor a of 2 elements F32 takes 4 bytes"));
  EXPECT_THAT(
      complaint(
          safetensors(
              R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})"),
          8),
      HasSubstr("the shape of a is beyond 64 bits"));
  EXPECT_THAT(complaint(safetensors("{"), 0), HasSubstr("safetensors header"));
  EXPECT_THAT(complaint(pack(std::uint64_t{1} << 40) + "{", 0), HasSubstr("longer than the file"));
  EXPECT_THAT(complaint("short", 0), HasSubstr("length"));
}

std::string gguf_text(const std::string& text) {
  return pack(std::uint64_t{text.size()}) + text;
}
std::string gguf_tensor(const std::string& name, std::uint64_t elements, std::uint32_t type) {
  return gguf_text(name) + pack(std::uint32_t{1}, elements, type, std::uint64_t{0});
}
std::string gguf_head(std::uint32_t version, std::uint64_t tensors, std::uint64_t values) {
  return "GGUF" + pack(version, tensors, values);
}

TEST(Gguf, CountsTypes) {
  const std::string head = gguf_head(3, 3, 3) + gguf_text("general.architecture") +
                           pack(std::uint32_t{8}) + gguf_text("llama") + gguf_text("tokens") +
                           pack(std::uint32_t{9}, std::uint32_t{8}) + pack(std::uint64_t{2}) +
                           gguf_text("a") + gguf_text("b") + gguf_text("count") +
                           pack(std::uint32_t{4}, std::uint32_t{7}) + gguf_tensor("x", 512, 12) +
                           gguf_tensor("y", 64, 0) + gguf_tensor("z", 256, 12);
  const ModelFile model = read_as(ModelFormat::kGguf, head, head.size() + 1000);
  EXPECT_EQ(model.unreadable, "");
  EXPECT_EQ(model.architecture, "llama");
  EXPECT_EQ(model.types, (std::vector<TensorType>{{"Q4_K", 2, 768, 432}, {"F32", 1, 64, 256}}));
  EXPECT_EQ(half_precision_saves(model), 128U);
}

TEST(Gguf, SaysWhatIsWrong) {
  const auto complaint = [](const std::string& head) {
    return read_as(ModelFormat::kGguf, head, head.size()).unreadable;
  };
  EXPECT_THAT(complaint(gguf_head(9, 0, 0)), HasSubstr("version 9"));
  EXPECT_THAT(complaint(gguf_head(3, UINT64_MAX, 0)), HasSubstr("name of a tensor"));
  EXPECT_THAT(complaint(gguf_head(3, 0, 1) + gguf_text("k") + pack(std::uint32_t{99})),
              HasSubstr("unknown type 99"));
  EXPECT_THAT(complaint(gguf_head(3, 1, 0) + gguf_tensor("x", UINT64_MAX, 28)),
              HasSubstr("beyond 64 bits"));
  EXPECT_THAT(complaint(gguf_head(3, 1, 0) + gguf_tensor("x", 1 << 20, 0)),
              HasSubstr("the tensors take 4194304 bytes"));
  std::string nested = gguf_head(3, 0, 1) + gguf_text("k") + pack(std::uint32_t{9});
  for (int i = 0; i < 6; ++i) nested += pack(std::uint32_t{9}, std::uint64_t{1});
  EXPECT_THAT(complaint(nested), HasSubstr("nested deeper"));
}

TEST(ModelFormat, IsToldByTheFirstBytes) {
  const auto told = [](std::string_view path, std::string_view head) {
    const auto format = model_format(path, as_bytes(head));
    return format ? static_cast<int>(*format) : -1;
  };
  constexpr int kSafe = 0, kGgufFormat = 1, kPickled = 2;
  const std::string header = pack(std::uint64_t{2}) + "{}";
  EXPECT_EQ(told("m/model.safetensors", header), kSafe);
  EXPECT_EQ(told("hub/models--a--b/blobs/0123", header), kSafe);
  EXPECT_EQ(told("m/model.bin", header), -1);
  EXPECT_EQ(told("m/any", "GGUF...."), kGgufFormat);
  EXPECT_EQ(told("m/model.bin", "\x80\x02}q"), kPickled);
  EXPECT_EQ(told("m/model.pt", "PK\x03\x04........archive/data.pkl"), kPickled);
  EXPECT_EQ(told("m/model.pt", "PK\x03\x04........a.txt"), -1);
  EXPECT_EQ(told("m/firmware.bin", "\x7f\x45\x4c\x46"), -1);
  EXPECT_EQ(told("m/app.pkl.txt", "\x80\x02}q"), -1);
}

TEST(Mentions, NamesOfCudaLibrariesAndNoOthers) {
  EXPECT_EQ(mentioned_libraries(R"(CDLL("libcublas.so.12"), 'libnvrtc.so.*[0-9]' libm.so.6
      xlibcudnn.so.9 -lcufft libcudart.so.)"),
            (std::vector<std::string>{"libcublas.so.12", "libcudart.so", "libnvrtc.so"}));
  EXPECT_TRUE(mentioned_libraries("").empty());
  EXPECT_TRUE(mentioned_libraries(".so.so.so").empty());
  EXPECT_TRUE(may_mention_libraries("a/b.py", false));
  EXPECT_TRUE(may_mention_libraries("usr/local/bin/start", true));
  EXPECT_FALSE(may_mention_libraries("usr/local/bin/start", false));
  EXPECT_FALSE(may_mention_libraries("s/p-1.dist-info/METADATA.json", false));
}

}  // namespace
}  // namespace flense::inventory
