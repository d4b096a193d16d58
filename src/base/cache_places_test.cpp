#include "base/cache_places.h"

#include <gtest/gtest.h>

#include <map>

namespace flense {
namespace {

using Paths = std::vector<std::filesystem::path>;

CachePlaces places(const std::map<std::string, std::string, std::less<>>& environment,
                   const std::string& network = "") {
  CacheSurroundings surroundings;
  surroundings.variable = [&](std::string_view name) -> std::optional<std::string> {
    const auto at = environment.find(name);
    if (at == environment.end()) return std::nullopt;
    return at->second;
  };
  surroundings.on_network = [&](const std::filesystem::path& path) {
    return !network.empty() && path.string().starts_with(network);
  };
  surroundings.user = 1000;
  return cache_places(surroundings);
}

TEST(CachePlaces, OrderOfPreference) {
  const CachePlaces home = places({{"HOME", "/home/u"}});
  EXPECT_EQ(home.inventories, Paths{"/home/u/.cache/flense"});
  EXPECT_EQ(home.images, "/home/u/.cache/flense");
  const CachePlaces xdg = places({{"HOME", "/home/u"}, {"XDG_CACHE_HOME", "/fast"}});
  EXPECT_EQ(xdg.inventories, Paths{"/fast/flense"});
  EXPECT_EQ(xdg.images, "/fast/flense");
  // Users share /tmp, so the directory there carries the user's id; with a local home it comes
  // last.
  EXPECT_EQ(places({{"HOME", "/home/u"}, {"TMPDIR", "/tmp"}}).inventories,
            (Paths{"/home/u/.cache/flense", "/tmp/flense-1000"}));
  EXPECT_EQ(places({{"TMPDIR", "/tmp"}}).inventories, Paths{"/tmp/flense-1000"});
  EXPECT_TRUE(places({}).inventories.empty());
  EXPECT_TRUE(places({{"TMPDIR", "/tmp"}}).images.empty());
}

TEST(CachePlaces, TheUsersWordBeatsAll) {
  const CachePlaces own = places({{"FLENSE_CACHE", "/scratch/c"},
                                  {"SLURM_TMPDIR", "/local/7"},
                                  {"XDG_CACHE_HOME", "/fast"},
                                  {"HOME", "/home/u"}});
  EXPECT_EQ(own.inventories, Paths{"/scratch/c"});
  EXPECT_EQ(own.images, "/scratch/c");
}

TEST(CachePlaces, NodeLocalFirst) {
  const CachePlaces job = places({{"SLURM_TMPDIR", "/local/7"}, {"HOME", "/home/u"}});
  EXPECT_EQ(job.inventories, (Paths{"/local/7/flense", "/home/u/.cache/flense"}));
  // A pull of gigabytes serves more than one job.
  EXPECT_EQ(job.images, "/home/u/.cache/flense");
  const std::map<std::string, std::string, std::less<>> both = {{"TMPDIR", "/tmp"},
                                                                {"HOME", "/home/u"}};
  EXPECT_EQ(places(both, "/home").inventories,
            (Paths{"/tmp/flense-1000", "/home/u/.cache/flense"}));
  EXPECT_EQ(places(both, "/").inventories, (Paths{"/home/u/.cache/flense", "/tmp/flense-1000"}));
  EXPECT_EQ(places({{"HOME", "/home/u"}}, "/home").inventories, Paths{"/home/u/.cache/flense"});
}

TEST(CachePlaces, RelativeValuesAreNone) {
  EXPECT_EQ(places({{"FLENSE_CACHE", "cache"}, {"XDG_CACHE_HOME", ""}, {"HOME", "/h"}}).images,
            "/h/.cache/flense");
  EXPECT_TRUE(places({{"HOME", "h"}, {"SLURM_TMPDIR", "x"}, {"TMPDIR", "."}}).inventories.empty());
}

TEST(CachePlaces, ProcIsNoNetworkAndWhatIsMissingIsItsParent) {
  EXPECT_FALSE(on_network_file_system("/proc"));
  EXPECT_FALSE(on_network_file_system("/proc/no/such/thing"));
  EXPECT_FALSE(on_network_file_system("relative/and/missing"));
}

}  // namespace
}  // namespace flense
