// Fixtures compiled by nvcc at test time, where scripts/fetch-cuda-tools.sh has put it (or nvcc is
// on PATH); our reading is compared with cuobjdump's. No GPU is needed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "base/file.h"
#include "base/process.h"
#include "device/prune.h"
#include "support/prune_check.h"
#include "support/temp_dir.h"

namespace flense::device {
namespace {

using Counts = std::map<std::string, unsigned>;

std::string tools_directory() {
  const char* cache = std::getenv("FLENSE_CACHE");
  const char* home = std::getenv("HOME");
  const std::string base = cache != nullptr  ? cache
                           : home != nullptr ? std::string(home) + "/.cache/flense"
                                             : "";
  return base + "/cuda-tools/nvidia/cu13/bin";
}

std::string tool(std::string_view name) {
  const std::string cached = fmt::format("{}/{}", tools_directory(), name);
  if (std::filesystem::exists(cached)) return cached;
  return find_program(name).value_or("");
}

/// Makes the code of one file larger than pages: where none would be free, all of it stays.
std::string table() {
  std::string text = "static __device__ unsigned table[16384] = {1";
  for (unsigned i = 1, word = 1; i < 4096; ++i) {
    word = word * 1664525 + 1013904223;
    text += fmt::format(",{}{}", i % 16 == 0 ? "\n" : "", word);
  }
  return text + "};\n";
}

constexpr const char* kPlain = R"(
__global__ void scale(float* p) { p[threadIdx.x] *= table[threadIdx.x]; }
extern "C" void launch(float* p) { scale<<<1, 32>>>(p); }
)";
constexpr const char* kCaller = R"(
__device__ int triple(int x);
__global__ void call(int* p) { p[threadIdx.x] = triple(p[threadIdx.x]) + table[threadIdx.x]; }
extern "C" void launch(int* p) { call<<<1, 32>>>(p); }
)";
constexpr const char* kCallee = "__device__ int triple(int x) { return 3 * x + table[x]; }\n";

class Nvcc : public ::testing::Test {
 protected:
  void SetUp() override {
    nvcc_ = tool("nvcc");
    cuobjdump_ = tool("cuobjdump");
    if (nvcc_.empty() || cuobjdump_.empty())
      GTEST_SKIP() << "no nvcc or cuobjdump in " << tools_directory()
                   << " nor on PATH; scripts/fetch-cuda-tools.sh gets them";
    write("plain.cu", table() + kPlain);
    write("caller.cu", table() + kCaller);
    write("callee.cu", table() + kCallee);
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name) << text;
  }

  std::string run(const std::vector<std::string>& argv) {
    auto output = run_process(argv);
    EXPECT_TRUE(output) << argv[0];
    if (!output) return {};
    EXPECT_EQ(output->status, 0) << fmt::format("{}", fmt::join(argv, " ")) << "\n"
                                 << output->out << output->err;
    return output->out;
  }

  std::string compile(std::vector<std::string> options, const std::vector<std::string>& sources,
                      const std::string& name) {
    options.insert(options.begin(), nvcc_);
    for (const std::string& source : sources) options.push_back(dir_ / source);
    options.insert(options.end(), {"-o", (dir_ / name).string()});
    run(options);
    return dir_ / name;
  }

  /// What cuobjdump lists: "cubin sm_90a" -> how often.
  Counts listed(const std::string& path) {
    Counts counts;
    std::istringstream lines(run({cuobjdump_, "-all", "-lelf", "-lptx", path}));
    for (std::string line; std::getline(lines, line);) {
      const bool ptx = line.starts_with("PTX");
      const auto end = line.rfind('.');
      const auto begin = line.rfind('.', end - 1) + 1;
      ++counts[fmt::format("{} {}", ptx ? "ptx" : "cubin", line.substr(begin, end - begin))];
    }
    return counts;
  }

  static Counts counted(const FileCode& code) {
    Counts counts;
    for (const SectionCode& section : code.sections)
      for (const Region& region : section.regions)
        for (const Entry& entry : region.entries)
          if (entry.kind == EntryKind::kCubin || entry.kind == EntryKind::kPtx) {
            // cuobjdump prints sm_100f as sm_100.
            CudaArch arch = entry.arch;
            if (arch.variant == CudaArch::Variant::kFamily)
              arch.variant = CudaArch::Variant::kPlain;
            ++counts[fmt::format("{} {}", to_string(entry.kind), to_string(arch))];
          }
    return counts;
  }

  /// Prunes for `gpu` in place; what the file holds afterwards as cuobjdump lists it.
  Counts pruned(const std::string& path, const std::string& gpu) {
    auto mapped = MappedFile::open(path);
    auto file = elf::File::parse(mapped->bytes(), path);
    auto code = find_device_code(*file);
    EXPECT_TRUE(code) << code.error().message;
    EXPECT_EQ(counted(*code), listed(path));
    auto plan = plan_prune(*file, *code, {.targets = make_targets({gpu}).value()});
    EXPECT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->left_alone, "");
    StringSink sink;
    auto result = elf::apply(*file, plan->edit, sink);
    EXPECT_TRUE(result) << result.error().message;
    if (!result) return {};
    auto after = elf::File::parse(as_bytes(sink.text()), path);
    EXPECT_TRUE(after) << after.error().message;
    testing::expect_pruned_as_planned(*file, *code, *plan, *after);
    const std::string to = path + ".pruned";
    std::ofstream(to) << sink.text();
    const Counts counts = listed(to);
    EXPECT_EQ(counts, counted(find_device_code(*after).value()));
    return counts;
  }

  testing::TempDir dir_;
  std::string nvcc_, cuobjdump_;
};

TEST_F(Nvcc, ExecutableDeviceCode) {
  const std::string library =
      compile({"-shared", "-Xcompiler", "-fPIC", "-gencode", "arch=compute_80,code=sm_80",
               "-gencode", "arch=compute_90,code=[sm_90,compute_90]", "-gencode",
               "arch=compute_90a,code=sm_90a", "-gencode", "arch=compute_100f,code=sm_100f"},
              {"plain.cu"}, "plain.so");
  // The toolkit's own start-up code is a second region, without PTX.
  EXPECT_THAT(pruned(library, "9.0"), ::testing::ElementsAre(::testing::Pair("cubin sm_90", 2),
                                                             ::testing::Pair("cubin sm_90a", 2)));
  EXPECT_THAT(pruned(library, "10.3"), ::testing::ElementsAre(::testing::Pair("cubin sm_100", 2)));
}

TEST_F(Nvcc, RelocatableDeviceCodeIsOneGroup) {
  const std::string library = compile({"-shared", "-Xcompiler", "-fPIC", "-rdc=true", "-gencode",
                                       "arch=compute_80,code=[sm_80,compute_80]", "-gencode",
                                       "arch=compute_90,code=[sm_90,compute_90]"},
                                      {"caller.cu", "callee.cu"}, "linked.so");
  auto mapped = MappedFile::open(library);
  auto file = elf::File::parse(mapped->bytes(), library);
  auto code = find_device_code(*file);
  ASSERT_TRUE(code);
  unsigned linked = 0;
  for (const Wrapper& wrapper : code->wrappers) linked += wrapper.version == 2 ? 1 : 0;
  EXPECT_EQ(linked, 1U);
  const Counts kept = pruned(library, "9.0");
  EXPECT_FALSE(kept.contains("cubin sm_80"));
  EXPECT_FALSE(kept.contains("ptx sm_80"));
  EXPECT_FALSE(kept.contains("ptx sm_90"));
  EXPECT_TRUE(kept.contains("cubin sm_90"));
  // The linked image has no cubin for 10.0, so all PTX of its objects stays.
  const Counts newer = pruned(library, "10.0");
  EXPECT_EQ(newer.at("ptx sm_80"), 2U);
  EXPECT_EQ(newer.at("ptx sm_90"), 2U);
}

/// The bytes of all entries of a library, in file order, with what was parsed of them.
std::vector<std::pair<Entry, std::string>> entries_of(Bytes bytes, const FileCode& code) {
  std::vector<std::pair<Entry, std::string>> out;
  for (const SectionCode& section : code.sections)
    for (const Region& region : section.regions)
      for (const Entry& entry : region.entries)
        out.emplace_back(entry, as_text(bytes.subspan(region.offset + entry.offset, entry.size())));
  return out;
}

TEST_F(Nvcc, RecompressedIsWhatFatbinaryWrites) {
  const std::vector<std::string> architectures = {
      "-gencode", "arch=compute_80,code=[sm_80,compute_80]",
      "-gencode", "arch=compute_90a,code=sm_90a",
      "-gencode", "arch=compute_100f,code=sm_100f"};
  const auto built = [&](std::vector<std::string> options, const std::string& name) {
    options.insert(options.end(), {"-shared", "-Xcompiler", "-fPIC"});
    options.insert(options.end(), architectures.begin(), architectures.end());
    return compile(options, {"caller.cu", "callee.cu"}, name);
  };
  for (const char* rest : {"-rdc=true", "-lineinfo"}) {
    if (rest == std::string("-lineinfo")) write("caller.cu", table() + kPlain);
    // "speed" stores cubins raw and PTX as LZ4, and both as LZ4 with line information.
    const std::string before =
        built({rest, "--compress-mode=speed"}, fmt::format("speed{}.so", rest));
    const std::string theirs =
        built({rest, "--compress-mode=size"}, fmt::format("size{}.so", rest));
    const auto mapped = MappedFile::open(before);
    const auto file = elf::File::parse(mapped->bytes(), before);
    const auto code = find_device_code(*file);
    PruneOptions options{.targets = make_targets({"8.0", "9.0", "10.0"}).value()};
    options.keep_ptx = true;
    options.recompress = CodeCompression::kSize;
    options.scratch_directory = std::filesystem::temp_directory_path();
    const auto plan = plan_prune(*file, *code, options);
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_EQ(plan->left_alone, "");
    EXPECT_GT(plan->recompressed.raised, 4U);
    StringSink sink;
    ASSERT_TRUE(elf::apply(*file, plan->edit, sink));
    const std::string ours = before + ".ours";
    std::ofstream(ours) << sink.text();
    EXPECT_EQ(listed(ours), listed(before));

    const auto their_file = MappedFile::open(theirs);
    const auto our_elf = elf::File::parse(as_bytes(sink.text()), ours);
    const auto their_elf = elf::File::parse(their_file->bytes(), theirs);
    ASSERT_TRUE(our_elf && their_elf);
    const auto our_entries = entries_of(our_elf->bytes(), find_device_code(*our_elf).value());
    const auto their_entries = entries_of(their_elf->bytes(), find_device_code(*their_elf).value());
    ASSERT_EQ(our_entries.size(), their_entries.size());
    for (std::size_t i = 0; i < our_entries.size(); ++i) {
      const auto& [mine, my_bytes] = our_entries[i];
      const auto& [other, other_bytes] = their_entries[i];
      if (mine.flags != other.flags) {
        // fatbinary compresses even a few hundred bytes of PTX, where nothing is gained.
        EXPECT_LT(mine.payload_size, 128U) << i;
        EXPECT_GE(other.payload_size, mine.payload_size) << i;
        continue;
      }
      EXPECT_EQ(mine.uncompressed_size, other.uncompressed_size) << i;
      // Except for the sizes, in which versions of libzstd differ by a few bytes, the headers are
      // equal.
      EXPECT_EQ(my_bytes.substr(0, 8), other_bytes.substr(0, 8)) << i;
      EXPECT_EQ(my_bytes.substr(20, mine.header_size - 20),
                other_bytes.substr(20, other.header_size - 20))
          << i;
      EXPECT_LE(mine.payload_size, other.payload_size * 103 / 100 + 16) << i;
    }
  }
}

TEST_F(Nvcc, EveryKindAndFlagIsRead) {
  const std::string fatbin = compile({"-fatbin", "-lineinfo", "--compress-mode=size", "-gencode",
                                      "arch=compute_80,code=[sm_80,compute_80,lto_80]"},
                                     {"plain.cu"}, "plain.fatbin");
  auto mapped = MappedFile::open(fatbin);
  ASSERT_TRUE(mapped);
  auto code = find_standalone_fatbin(mapped->bytes());
  ASSERT_TRUE(code);
  ASSERT_EQ(code->sections[0].regions.size(), 1U);
  std::vector<std::string> kinds;
  for (const Entry& entry : code->sections[0].regions[0].entries)
    kinds.push_back(fmt::format("{} {}", to_string(entry.kind), to_string(entry.arch)));
  EXPECT_THAT(kinds, ::testing::UnorderedElementsAre("cubin sm_80", "ptx sm_80", "ltoir sm_80"));
}

TEST_F(Nvcc, CubinFilesTellTheirArchitecture) {
  const std::vector<std::pair<const char*, CudaArch>> cases = {
      {"sm_80", {80, CudaArch::Variant::kPlain}},
      {"sm_90a", {90, CudaArch::Variant::kPlain}},
      {"sm_120", {120, CudaArch::Variant::kPlain}}};
  for (const auto& [name, arch] : cases) {
    const std::string path =
        compile({"-cubin", fmt::format("-arch={}", name)}, {"plain.cu"}, "plain.cubin");
    auto mapped = MappedFile::open(path);
    ASSERT_TRUE(mapped);
    auto file = elf::File::parse(mapped->bytes(), path);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(cubin_arch(*file), arch) << name;
    EXPECT_FALSE(find_device_code(*file)->any());
  }
}

}  // namespace
}  // namespace flense::device
