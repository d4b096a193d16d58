// Programs that call themselves igzip and are none.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>

#include "codec/compression.h"
#include "codec/test_support.h"

namespace flense::codec {
namespace {

using testing::sample;

class FakeIgzip : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* path = ::getenv("PATH");
    before_ = path == nullptr ? "" : path;
  }
  void TearDown() override { ::setenv("PATH", before_.c_str(), 1); }

  void install(const std::string& script) {
    const std::filesystem::path program = dir_ / "igzip";
    testing::write_text(program, "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    ::setenv("PATH", (dir_.string() + ":" + before_).c_str(), 1);
  }

  Result<std::unique_ptr<Source>> open() {
    DecodeOptions options;
    options.igzip_from_bytes = 1;
    options.input_bytes = packed_.size();
    return decompress(std::make_unique<MemorySource>(as_bytes(packed_)), Compression::kGzip,
                      options);
  }
  std::string unpacked() {
    auto source = open();
    if (!source) return source.error().message;
    return read_all(**source, 1u << 30, "output").value_or("refused");
  }

  static std::string gzip(std::string_view text) {
    StringSink out;
    auto encoder = compress(out, Compression::kGzip, {});
    EXPECT_TRUE((*encoder)->write(as_bytes(text)));
    EXPECT_TRUE((*encoder)->finish());
    return out.take();
  }

  testing::ScratchDirectory dir_;
  std::string before_;
  std::string text_ = sample(5'000'000);
  std::string packed_ = gzip(text_);
};

TEST_F(FakeIgzip, WhatItRefusesIsDecodedByZlib) {
  for (const char* script :
       {"exit 3", "cat >/dev/null; exit 1", "head -c 100000 >/dev/null; kill -9 $$"}) {
    install(script);
    EXPECT_TRUE(unpacked() == text_) << script;
  }
}

TEST_F(FakeIgzip, ADeathHalfWayLosesNothing) {
  install("gzip -dc | head -c 2000000; exit 7");
  EXPECT_TRUE(unpacked() == text_);
}

TEST_F(FakeIgzip, OutputBeyondTheEndIsAnError) {
  install("gzip -dc; echo more; exit 1");
  auto source = open();
  ASSERT_TRUE(source);
  const auto text = read_all(**source, 1u << 30, "output");
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().message.find("igzip read beyond its end"), std::string::npos);
}

TEST_F(FakeIgzip, OneThatHangsIsGoneWithTheStream) {
  install("exec sleep 600");
  const auto begin = std::chrono::steady_clock::now();
  {
    ASSERT_TRUE(open());
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST_F(FakeIgzip, WithoutOneThereIsZlib) {
  ::setenv("PATH", dir_.string().c_str(), 1);
  EXPECT_TRUE(unpacked() == text_);
}

}  // namespace
TEST(Igzip, OnlyWhereAProcessorIsToSpare) {
  EXPECT_EQ(igzip_worth_from(1), 0u);
  EXPECT_GT(igzip_worth_from(2), 0u);
}

}  // namespace flense::codec
