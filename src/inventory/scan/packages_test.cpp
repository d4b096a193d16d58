#include "inventory/scan/packages.h"

#include <gtest/gtest.h>

namespace flense::inventory {
namespace {

TEST(Packages, KnowsTheFiles) {
  EXPECT_EQ(package_file("var/lib/dpkg/status"), PackageFile::kDpkgStatus);
  EXPECT_EQ(package_file("var/lib/dpkg/status.d/base"), PackageFile::kDpkgStatus);
  EXPECT_EQ(package_file("var/lib/dpkg/status.d/base.md5sums"), PackageFile::kNone);
  EXPECT_EQ(package_file("var/lib/dpkg/status-old"), PackageFile::kNone);
  EXPECT_EQ(package_file("lib/apk/db/installed"), PackageFile::kApkInstalled);
  EXPECT_EQ(package_file("opt/conda/conda-meta/numpy-1.26-py311.json"), PackageFile::kCondaMeta);
  EXPECT_EQ(package_file("opt/conda/conda-meta/history"), PackageFile::kNone);
  EXPECT_EQ(package_file("v/site-packages/torch-2.4.0.dist-info/METADATA"),
            PackageFile::kPythonMetadata);
  EXPECT_EQ(package_file("torch-2.4.0.dist-info/METADATA"), PackageFile::kPythonMetadata);
  EXPECT_EQ(package_file("v/x.egg-info/PKG-INFO"), PackageFile::kPythonMetadata);
  EXPECT_EQ(package_file("v/METADATA"), PackageFile::kNone);
  EXPECT_EQ(package_file("var/lib/rpm/rpmdb.sqlite"), PackageFile::kRpmDatabase);
  EXPECT_EQ(package_file("usr/lib/sysimage/rpm/Packages.db"), PackageFile::kRpmDatabase);
}

TEST(Packages, ReadsDpkgStatus) {
  const auto packages = parse_packages(PackageFile::kDpkgStatus,
                                       "Package: libc6\nStatus: install ok installed\n"
                                       "Version: 2.36-9\nDescription: GNU C\n Package: no\n\n"
                                       "Package: gone\nStatus: deinstall ok config-files\n"
                                       "Version: 1\n\n"
                                       "Package: distroless\nVersion: 2\n");
  EXPECT_EQ(packages,
            (std::vector<Package>{{"deb", "libc6", "2.36-9"}, {"deb", "distroless", "2"}}));
}

TEST(Packages, ReadsApkAndConda) {
  EXPECT_EQ(parse_packages(PackageFile::kApkInstalled,
                           "C:Q1=\nP:musl\nV:1.2.5-r0\n\nP:busybox\nV:1.36.1-r29\nF:bin\n"),
            (std::vector<Package>{{"apk", "musl", "1.2.5-r0"}, {"apk", "busybox", "1.36.1-r29"}}));
  EXPECT_EQ(parse_packages(PackageFile::kCondaMeta,
                           R"({"build":"x","name":"pytorch","version":"2.4.0","files":["a"]})"),
            (std::vector<Package>{{"conda", "pytorch", "2.4.0"}}));
  EXPECT_TRUE(parse_packages(PackageFile::kCondaMeta, "{broken").empty());
}

TEST(Packages, ReadsPythonMetadataHeaderOnly) {
  EXPECT_EQ(parse_packages(PackageFile::kPythonMetadata,
                           "Metadata-Version: 2.1\r\nName: torch\r\nVersion: 2.4.0+cu124\r\n\r\n"
                           "Name: not-this\nVersion: 9\n"),
            (std::vector<Package>{{"pip", "torch", "2.4.0+cu124"}}));
  EXPECT_TRUE(parse_packages(PackageFile::kPythonMetadata, "Name: x\n").empty());
  const auto requiring = [](const std::string& requires_dist) {
    return parse_packages(PackageFile::kPythonMetadata,
                          "Name: torch\nVersion: 1\nRequires-Dist: " + requires_dist + "\n")[0];
  };
  const auto torch = [&](const std::string& requires_dist) {
    return requiring(requires_dist).torch;
  };
  EXPECT_EQ(torch("torch==2.6.0"), "2.6.0");
  EXPECT_EQ(torch("torch (==2.0.1)"), "2.0.1");
  for (const char* other : {"torch>=2.6", "torch==2.6.0 ; extra == \"gpu\"", "torchvision==0.21.0",
                            "torch", "torch===2.6.0", "torch<3,==2.6.0", "torch==2.6.0,!=2.6.1"})
    EXPECT_EQ(torch(other), "") << other;
  const auto cudnn = [&](const std::string& requires_dist) {
    return requiring(requires_dist).cudnn;
  };
  EXPECT_EQ(cudnn("nvidia-cudnn-cu12 (==8.9.2.26)"), "8.9.2.26");
  EXPECT_EQ(cudnn("nvidia-cudnn-cu12==9.10.2.21; platform_system == \"Linux\""), "9.10.2.21");
  EXPECT_EQ(cudnn("nvidia-cudnn-cu12>=9.1"), "");
  EXPECT_TRUE(
      parse_packages(PackageFile::kPythonMetadata, "Name: a\x01\x02\nVersion: 1\n").empty());
}

TEST(Packages, ReadsOsRelease) {
  const auto release = parse_os_release(
      "# comment\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID='12'\n");
  ASSERT_TRUE(release);
  EXPECT_EQ(release->id, "debian");
  EXPECT_EQ(release->version_id, "12");
  EXPECT_EQ(release->pretty_name, "Debian GNU/Linux 12 (bookworm)");
  EXPECT_FALSE(parse_os_release("nothing here\n"));
}

TEST(Packages, ReadsPythonAssignments) {
  const std::string text =
      "__version__ = '2.4.0+cu124'\ncuda: Optional[str] = '12.4'\nhip: Optional[str] = None\n"
      "cudax = '9'\n";
  EXPECT_EQ(python_assignment(text, "__version__"), "2.4.0+cu124");
  EXPECT_EQ(python_assignment(text, "cuda"), "12.4");
  EXPECT_EQ(python_assignment(text, "hip"), "");
  EXPECT_EQ(python_assignment(text, "absent"), "");
  EXPECT_EQ(python_assignment("cuda = '12", "cuda"), "");
}

TEST(Packages, Names) {
  EXPECT_EQ(upstream_version("1:12.4.127-1"), "12.4.127");
  EXPECT_EQ(upstream_version("2.36"), "2.36");
  EXPECT_EQ(normalised_python_name("NVIDIA_cuda.-Runtime"), "nvidia-cuda-runtime");
}

}  // namespace
}  // namespace flense::inventory
