// Bytes as torch.save() writes them (protocol 2), put together by hand.
#include "inventory/scan/torch_pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "elf/testing_builder.h"
#include "inventory/scan/model_file.h"

namespace flense::inventory {
namespace {

using elf::testing::pack;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string text(const std::string& value) {
  return "X" + pack(static_cast<std::uint32_t>(value.size())) + value;
}
std::string small(unsigned value) {
  return std::string("M") + pack(static_cast<std::uint16_t>(value));
}

/// name -> _rebuild_tensor_v2((storage), offset, (rows, columns), (columns, 1), False,
/// OrderedDict())
std::string tensor(const std::string& name, const std::string& key, unsigned rows, unsigned columns,
                   const std::string& storage = "FloatStorage") {
  const std::string id = "(" + text("storage") + "ctorch\n" + storage + "\n" + text(key) +
                         text("cpu") + small(99) + "tQ";
  return text(name) + "ctorch._utils\n_rebuild_tensor_v2\n(" + id + small(0) + small(rows) +
         small(columns) + "\x86" + small(columns) + small(1) +
         "\x86\x89"
         "ccollections\nOrderedDict\n)RtR";
}

/// {name: tensor, …} with the _metadata of a state_dict.
std::string table(const std::string& items) {
  return "\x80\x02"
         "ccollections\nOrderedDict\n)Rq\x01(" +
         items + "u}" + text("_metadata") + "ccollections\nOrderedDict\n)Rsb.";
}

std::string archive(const std::string& pickle, std::uint16_t method = 0) {
  const std::string name = "archive/data.pkl";
  return "PK\x03\x04" +
         pack(std::uint16_t{0}, std::uint16_t{0x808}, method, std::uint64_t{0}, std::uint64_t{0}) +
         pack(static_cast<std::uint16_t>(name.size()), std::uint16_t{4}) + name +
         std::string("FB\x00\x00", 4) + pickle;
}

std::string complaint(const std::string& pickle) {
  const auto out = pickled_tensors(as_bytes(pickle));
  return out ? "read" : out.error().message;
}

// Two bytes of the file can stand for what is large; what is held is counted in bytes.
TEST(TorchPickle, SmallFilesThatAskForMuchMemory) {
  const std::string long_name(1U << 20, 'k');
  // A storage's key of a megabyte, a hundred times.
  std::string storages = "(" + text("storage") + "ctorch\nFloatStorage\n" + text(long_name) +
                         text("cpu") + small(99) + "tq\x02";
  for (int i = 0; i < 100; ++i) storages += "h\x02Q";
  EXPECT_THAT(complaint(table(storages)), HasSubstr("too many values"));
  // A name of a megabyte for a hundred tensors.
  std::string names = text(long_name) + "q\x03" + tensor("a", "0", 4, 3).substr(6) + "q\x04";
  for (int i = 0; i < 100; ++i) names += "h\x03h\x04";
  EXPECT_THAT(complaint(table(names)), HasSubstr("names of the pickle are too long"));
  // A shape of thousands of dimensions.
  std::string shape = "(";
  for (int i = 0; i < 5000; ++i) shape += "K\x01";
  const std::string flat = tensor("a", "0", 4, 3), sizes = small(4) + small(3) + "\x86";
  std::string deep = flat;
  deep.replace(deep.find(sizes), sizes.size(), shape + "t");
  EXPECT_THAT(complaint(table(deep)), HasSubstr("more than 64 dimensions"));
}

TEST(TorchPickle, NamesShapesTypesAndWhatIsShared) {
  const std::string file = archive(table(tensor("wte", "0", 4, 3) + tensor("head", "0", 4, 3) +
                                         tensor("half", "1", 2, 2, "HalfStorage")));
  const auto out = torch_tensors(as_bytes(file));
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_THAT(*out, ElementsAre(TensorShape{"wte", "F32", {4, 3}, "0:0"},
                                TensorShape{"head", "F32", {4, 3}, "0:0"},
                                TensorShape{"half", "F16", {2, 2}, "1:0"}));
}

TEST(TorchPickle, WhatIsSharedCountsOnce) {
  const std::string file = archive(table(tensor("wte", "0", 4, 3) + tensor("head", "0", 4, 3)));
  const ModelFile model = read_model_file(ModelFormat::kPickle, as_bytes(file), 10'000);
  EXPECT_EQ(model.types, (std::vector<TensorType>{{"F32", 1, 12, 48}}));
  EXPECT_EQ(tensor_groups(model), (std::vector<TensorGroup>{{"wte", "F32", 1, 48, 24, 36}}));
  const ModelFile small_file = read_model_file(ModelFormat::kPickle, as_bytes(file), 40);
  EXPECT_THAT(small_file.untold, HasSubstr("the tensors take 48 bytes"));
  EXPECT_TRUE(small_file.tensors.empty());
}

TEST(TorchPickle, WhatIsNoTableOfTensorsIsNotRead) {
  EXPECT_EQ(complaint(table(tensor("a", "0", 1, 1))), "read");
  EXPECT_THAT(complaint("\x80\x02"
                        "cposix\nsystem\n" +
                        text("id") + "\x85R."),
              HasSubstr("calls posix system"));
  EXPECT_THAT(complaint("\x80\x02}(" + text("epoch") + small(3) + "u."),
              HasSubstr("more than tensors: 'epoch'"));
  EXPECT_THAT(complaint("\x80\x02]."), HasSubstr("no table"));
  EXPECT_THAT(complaint(table(tensor("a", "0", 1, 1, "QInt8Storage"))),
              HasSubstr("storage of torch QInt8Storage"));
}

TEST(TorchPickle, DamagedBytesAreRefused) {
  const std::string whole = table(tensor("a", "0", 1, 1));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(pickled_tensors(as_bytes(whole.substr(0, size)))) << size;
  EXPECT_THAT(complaint("\x80\x02h\x05."), HasSubstr("did not remember"));
  EXPECT_THAT(complaint("\x80\x02u."), HasSubstr("takes more"));
  EXPECT_THAT(complaint("\x80\x02}s."), HasSubstr("takes more"));
  EXPECT_THAT(complaint("\x80\x02R."), HasSubstr("takes more"));
  // A table that holds itself is no cycle of memory.
  EXPECT_THAT(complaint("\x80\x02}q\x01" + text("a") + "h\x01s."), HasSubstr("more than tensors"));
  EXPECT_FALSE(torch_tensors(as_bytes(archive(whole, 8))));
  EXPECT_THAT(torch_tensors(as_bytes(whole)).error().message, HasSubstr("before 1.6"));
}

TEST(EnginePlan, TellsItsVersionAndNoGpu) {
  const std::string plan =
      "ftrt" + std::string(20, '\0') + std::string("\x0a\x03\x00\x1a", 4) + std::string(36, 'x');
  ASSERT_EQ(model_format("m/a.engine", as_bytes(plan)), ModelFormat::kTensorRt);
  const ModelFile model = read_model_file(ModelFormat::kTensorRt, as_bytes(plan), plan.size());
  EXPECT_EQ(model.version, "10.3.0.26");
  EXPECT_THAT(model.untold, HasSubstr("no GPU"));
  std::string newer = plan;
  newer[4] = 1;
  EXPECT_EQ(read_model_file(ModelFormat::kTensorRt, as_bytes(newer), newer.size()).version, "");
  EXPECT_THAT(read_model_file(ModelFormat::kTensorRt, as_bytes(plan.substr(0, 20)), 20).unreadable,
              HasSubstr("ends within"));
}

}  // namespace
}  // namespace flense::inventory
