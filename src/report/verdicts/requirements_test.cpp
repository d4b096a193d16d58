#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "report/testing_schema.h"
#include "report/verdicts/device_claim.h"
#include "report/verdicts/node_rules.h"
#include "report/verdicts/requirements_text.h"

namespace flense::report {
namespace {

using compat::Requirements;
using host::Text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

/// One of everything, so that no member of the schema goes unseen.
Requirements full() {
  Requirements out;
  out.name = "image.tar";
  out.platform = Text::known("linux/amd64", "configuration");
  out.cuda = Text::known("12.4", "libcudart.so.12.4.127");
  out.driver_native = Text::known("550.54.14", "table");
  out.driver_minor = Text::known("525.60.13", "table");
  out.driver_ptx = Text::known("550.54.14", "PTX ISA 8.4");
  out.compat = Text::known("12.4", "libcuda.so.550.54.15");
  out.compat_branches = host::List::known({"470", "535"}, "note");
  out.rocm = Text::unknown("without a version");
  out.gpus = {{"nvidia", "8.0", "native", 0, {}, {}},
              {"nvidia", "8.6", "native", 0, {}, {}},
              {"nvidia", "9.0", "partly", 0, {}, {"usr/lib/libnarrow.so"}},
              {"nvidia", "10.0", "ptx", 5'000'000, {"usr/lib/libwide.so"}, {}},
              {"nvidia", "12.0", "partly", 0, {}, {"usr/lib/libnarrow.so"}},
              {"nvidia", "12.1", "partly", 0, {}, {"usr/lib/libother.so"}}};
  out.ptx_onwards = Text::known("9.0", "compute_90 of usr/lib/libwide.so");
  out.narrowest = {{"usr/lib/libnarrow.so", 1000, {"sm_80"}}};
  out.libc = Text::known("glibc 2.35", "C library");
  out.cpu_level = Text::known("x86-64-v3", "ld.so");
  out.disk_bytes = host::Number::known(5'000'000'000, "unpacked layers");
  out.notices = {"a notice"};
  return out;
}

TEST(RequirementsSheet, Text) {
  EXPECT_EQ(requirements_text(full(), {}),
            "image.tar needs\n"
            "note: a notice\n"
            "  platform         linux/amd64\n"
            "  CUDA             12.4\n"
            "  driver           550.54.14    supports this CUDA itself\n"
            "  driver, least    525.60.13    minor-version mode: machine code for the GPU, nothing "
            "compiled at run time\n"
            "  driver, for PTX  550.54.14    compiles all PTX that the image holds\n"
            "  compat library   CUDA 12.4    on data-centre GPUs with driver branch 470, 535\n"
            "  ROCm             ?            without a version\n"
            "  GPUs, native     8.0 8.6\n"
            "  GPUs, by PTX     10.0         compiled at first use, up to 5.0 MB of PTX\n"
            "  GPUs, in part    9.0 12.0     without libnarrow.so\n"
            "  GPUs, in part    12.1         without libother.so\n"
            "  GPUs to come     by PTX       of 9.0 and above\n"
            "  C library        glibc 2.35\n"
            "  processor        x86-64-v3\n"
            "  disk             5.0 GB       unpacked layers\n");
  const std::string all = requirements_text(full(), {{}, true});
  EXPECT_THAT(all, HasSubstr("libcudart.so.12.4.127"));
  EXPECT_THAT(all, HasSubstr("NARROWEST LIBRARIES"));
}

TEST(RequirementsSheet, JsonConformsToItsSchema) {
  const std::string path = std::string(FLENSE_SOURCE_DIR) + "/docs/schemas/requirements-v1.json";
  const auto schema = text::parse_json(testing::read_whole(path), path);
  ASSERT_TRUE(schema) << render(schema.error());
  testing::SchemaChecker checker(*schema);
  EXPECT_THAT(checker.check(requirements_json(full())), IsEmpty());
  Requirements least;
  least.platform = Text::unknown("not told");
  least.disk_bytes = host::Number::unknown("not read");
  EXPECT_THAT(checker.check(requirements_json(least)), IsEmpty());
  EXPECT_EQ(requirements_json(least).find("cuda"), nullptr);
}

TEST(RequirementsSheet, LabelsLeaveOutWhatIsUnknown) {
  EXPECT_THAT(requirements_labels(full()),
              ElementsAre(Pair("dev.flense.requires.platform", "linux/amd64"),
                          Pair("dev.flense.requires.cuda", "12.4"),
                          Pair("dev.flense.requires.driver", "550.54.14"),
                          Pair("dev.flense.requires.driver-minor", "525.60.13"),
                          Pair("dev.flense.requires.driver-ptx", "550.54.14"),
                          Pair("dev.flense.requires.gpus", "sm_80,sm_86"),
                          Pair("dev.flense.requires.gpus-ptx", "sm_100"),
                          Pair("dev.flense.requires.gpus-partly", "sm_90,sm_120,sm_121"),
                          Pair("dev.flense.requires.libc", "glibc-2.35"),
                          Pair("dev.flense.requires.cpu", "x86-64-v3"),
                          Pair("dev.flense.requires.disk-bytes", "5000000000")));
  Requirements hostile;
  hostile.cuda = Text::known("12$(x) `y`\n", "");
  EXPECT_THAT(requirements_labels(hostile),
              ElementsAre(Pair("dev.flense.requires.cuda", "12--x---y--")));
}

/// The operators of Kubernetes' node affinity, for a node that has only these labels.
bool matches(const std::string& yaml, const std::map<std::string, std::string>& labels) {
  bool any = false, term = false, first = true;
  std::string key, op;
  std::istringstream lines(yaml);
  for (std::string line; std::getline(lines, line);) {
    const auto after = [&](std::string_view word) {
      return line.substr(line.find(word) + word.size());
    };
    if (line.find("- matchExpressions:") != std::string::npos) {
      any |= !first && term;
      term = true;
      first = false;
    } else if (line.find("- key: ") != std::string::npos) {
      key = after("- key: ");
      key = key.substr(1, key.size() - 2);
    } else if (line.find("operator: ") != std::string::npos) {
      op = after("operator: ");
      if (op == "Exists") term &= labels.contains(key);
    } else if (line.find("values: ") != std::string::npos) {
      const auto label = labels.find(key);
      const std::string values = after("values: ");
      if (label == labels.end())
        term = false;
      else if (op == "In")
        term &= values.find("\"" + label->second + "\"") != std::string::npos;
      else if (op == "Gt")
        term &= !label->second.empty() && std::stol(label->second) > std::stol(values.substr(2));
      else
        ADD_FAILURE() << op;
    }
  }
  return any || (!first && term);
}

std::map<std::string, std::string> node(std::string major, std::string minor, std::string revision,
                                        std::string compute_major, std::string compute_minor) {
  return {{"nvidia.com/cuda.driver.major", std::move(major)},
          {"nvidia.com/cuda.driver.minor", std::move(minor)},
          {"nvidia.com/cuda.driver.rev", std::move(revision)},
          {"nvidia.com/gpu.compute.major", std::move(compute_major)},
          {"nvidia.com/gpu.compute.minor", std::move(compute_minor)},
          {"kubernetes.io/os", "linux"},
          {"kubernetes.io/arch", "amd64"},
          {"feature.node.kubernetes.io/cpu-cpuid.AVX2", "true"},
          {"feature.node.kubernetes.io/cpu-cpuid.FMA3", "true"}};
}

TEST(NodeAffinity, AWholeDriverVersionIsMet) {
  const std::string yaml = node_affinity(full()).value();
  // Machine code: minor-version mode, at least 525.60.13.
  EXPECT_TRUE(matches(yaml, node("525", "60", "13", "8", "0")));
  EXPECT_TRUE(matches(yaml, node("525", "60", "14", "8", "0")));
  EXPECT_FALSE(matches(yaml, node("525", "60", "12", "8", "0")));
  EXPECT_TRUE(matches(yaml, node("525", "85", "01", "8", "6")));
  EXPECT_FALSE(matches(yaml, node("525", "59", "99", "8", "6")));
  EXPECT_TRUE(matches(yaml, node("580", "05", "", "8", "6")));
  EXPECT_FALSE(matches(yaml, node("470", "99", "99", "8", "6")));
  EXPECT_FALSE(matches(yaml, node("525", "60", "", "8", "0")));
  // PTX: at least 550.54.14.
  EXPECT_TRUE(matches(yaml, node("550", "54", "14", "10", "0")));
  EXPECT_FALSE(matches(yaml, node("550", "54", "13", "10", "0")));
  EXPECT_FALSE(matches(yaml, node("525", "60", "13", "10", "0")));
  EXPECT_TRUE(matches(yaml, node("700", "0", "0", "13", "5")));  // a future GPU
  EXPECT_FALSE(matches(yaml, node("700", "0", "0", "7", "5")));
  EXPECT_FALSE(matches(yaml, node("700", "0", "0", "8", "9")));
  auto arm = node("550", "54", "14", "8", "0");
  arm["kubernetes.io/arch"] = "arm64";
  EXPECT_FALSE(matches(yaml, arm));
  auto old = node("550", "54", "14", "8", "0");
  old.erase("feature.node.kubernetes.io/cpu-cpuid.AVX2");
  EXPECT_FALSE(matches(yaml, old));
  EXPECT_FALSE(matches(yaml, {}));
}

TEST(NodeAffinity, LeadingZerosOfVersions) {
  Requirements needs = full();
  needs.driver_native = needs.driver_minor = needs.driver_ptx = Text::known("580.65.06", "table");
  needs.ptx_onwards = {};
  const std::string yaml = node_affinity(needs).value();
  EXPECT_TRUE(matches(yaml, node("580", "65", "06", "8", "0")));
  EXPECT_FALSE(matches(yaml, node("580", "65", "05", "8", "0")));
  EXPECT_FALSE(matches(yaml, node("700", "0", "0", "13", "5")));
  needs.driver_minor = Text::known("455.06.01", "table");
  EXPECT_TRUE(matches(node_affinity(needs).value(), node("455", "06", "01", "8", "0")));
  EXPECT_TRUE(matches(node_affinity(needs).value(), node("455", "6", "1", "8", "0")));
  needs.driver_minor = Text::known("535", "a branch alone");
  EXPECT_TRUE(matches(node_affinity(needs).value(), node("535", "0", "", "8", "0")));
}

TEST(NodeAffinity, AnUnknownDriverIsSaidAndNoGpuIsAnError) {
  Requirements needs = full();
  needs.driver_native = needs.driver_minor = needs.driver_ptx =
      Text::unknown("newer\nthan the table");
  EXPECT_THAT(
      node_affinity(needs).value(),
      HasSubstr("# No driver is required, as the minimum is unknown: newer\\x0athan the table"));
  needs.gpus.clear();
  needs.ptx_onwards = {};
  EXPECT_FALSE(node_affinity(needs));
  EXPECT_FALSE(nfd_compatibility(needs));
}

TEST(NodeAffinity, AmdByFlensesOwnLabels) {
  Requirements needs;
  needs.name = "r";
  needs.gpus = {{"amd", "gfx942", "native", 0, {}, {}},
                {"amd", "gfx9-generic", "native", 0, {}, {}}};
  const std::string yaml = node_affinity(needs).value();
  EXPECT_TRUE(matches(yaml, {{"flense.dev/gpu.gfx942", "true"}}));
  EXPECT_FALSE(matches(yaml, {{"flense.dev/gpu.gfx90a", "true"}}));
  EXPECT_THAT(yaml, Not(HasSubstr("generic")));
}

TEST(NfdCompatibility, RulesOfTheSpecification) {
  Requirements needs = full();
  needs.name = "a\"b\x1b";
  needs.gpus = {{"nvidia", "9.0", "native", 0, {}, {}}};
  needs.ptx_onwards = {};
  needs.driver_minor = Text::known("535", "table");
  EXPECT_EQ(nfd_compatibility(needs).value(),
            "# What a\"b\\x1b needs from a node, by flense.\n"
            "version: v1alpha1\n"
            "compatibilities:\n"
            "- description: \"GPU, driver and processor for a\\\"b\\\\x1b\"\n"
            "  rules:\n"
            "  - name: \"gpu and driver\"\n"
            "    matchAny:\n"
            "    - matchFeatures:\n"
            "      - feature: local.label\n"
            "        matchExpressions:\n"
            "          \"nvidia.com/cuda.driver.major\": {op: Gt, value: [\"534\"]}\n"
            "          \"nvidia.com/gpu.compute.major\": {op: In, value: [\"9\"]}\n"
            "          \"nvidia.com/gpu.compute.minor\": {op: In, value: [\"0\"]}\n"
            "  - name: \"processor\"\n"
            "    matchFeatures:\n"
            "    - feature: cpu.cpuid\n"
            "      matchExpressions:\n"
            "        \"AVX2\": {op: Exists}\n"
            "        \"FMA3\": {op: Exists}\n");
}

TEST(DeviceClaim, AnExpressionOverWhatTheDriverPublishes) {
  Requirements needs = full();
  needs.name = "docker://reg.example/team/My_App:1.2";
  const std::string claim = device_claim(needs).value();
  EXPECT_THAT(claim, HasSubstr("apiVersion: resource.k8s.io/v1\nkind: ResourceClaimTemplate\n"
                               "metadata:\n  name: my-app-gpu\n"));
  // Machine code; what compiles PTX, and GPUs to come.
  const std::string indent = "                    ";
  const std::string gpu = "device.attributes[\"gpu.nvidia.com\"].";
  const std::string capability = gpu + "cudaComputeCapability.";
  const auto driver = [&](std::string_view version) {
    return indent + "(" + gpu + "driverVersion.compareTo(semver(\"" + std::string(version) +
           "\")) >= 0 &&\n";
  };
  const auto one = [&](std::string_view before, std::string_view major, std::string_view minors) {
    return indent + std::string(before) + capability + "major() == " + std::string(major) + " && " +
           capability + "minor() in " + std::string(minors);
  };
  EXPECT_THAT(claim,
              HasSubstr("expression: |-\n" + driver("525.60.13") + one(" (", "8", "[0, 6]") +
                        " ||\n" + one("  ", "9", "[0]") + " ||\n" + one("  ", "12", "[0, 1]") +
                        "))\n" + indent + "||\n" + driver("550.54.14") + one(" (", "10", "[0]") +
                        " ||\n" + indent + "  " + capability + "major() > 12))\n"));
}

TEST(DeviceClaim, VersionsWithoutLeadingZerosAndUnknownOnes) {
  Requirements needs = full();
  needs.name = "/";
  needs.driver_native = needs.driver_minor = needs.driver_ptx = Text::known("580.65.06", "table");
  EXPECT_THAT(device_claim(needs).value(), HasSubstr("semver(\"580.65.6\")"));
  EXPECT_THAT(device_claim(needs).value(), HasSubstr("  name: image-gpu\n"));
  needs.driver_native = needs.driver_minor = needs.driver_ptx = Text::unknown("no table");
  EXPECT_THAT(device_claim(needs).value(), Not(HasSubstr("driverVersion")));
  EXPECT_THAT(device_claim(needs).value(), HasSubstr("# No driver is required"));
}

TEST(DeviceClaim, NoGpuOfNvidiaIsAnError) {
  Requirements needs;
  needs.name = "r";
  EXPECT_THAT(device_claim(needs).error().message, HasSubstr("is unknown or none"));
  needs.gpus = {{"amd", "gfx942", "native", 0, {}, {}}};
  EXPECT_THAT(device_claim(needs).error().message, HasSubstr("AMD GPUs"));
}

}  // namespace
}  // namespace flense::report
