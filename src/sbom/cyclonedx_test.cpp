#include "sbom/testing_support.h"

namespace flense::sbom {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Components as syft, trivy, cdxgen and cyclonedx-py write them, and all that refers to them.
constexpr const char* kMixed = R"({
  "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 3,
  "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
  "metadata": {
    "timestamp": "2026-01-02T03:04:05Z",
    "tools": {"components": [{"type": "application", "name": "trivy", "version": "1"}]},
    "component": {"type": "container", "name": "app:1",
      "bom-ref": "pkg:oci/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?arch=amd64",
      "purl": "pkg:oci/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?arch=amd64&repository_url=docker.io",
      "properties": [{"name": "aquasecurity:trivy:ImageID", "value": "sha256:5"},
                     {"name": "aquasecurity:trivy:SchemaVersion", "value": "2"}]}},
  "components": [
    {"type": "library", "name": "by-syft", "bom-ref": "syft",
     "properties": [{"name": "syft:location:0:path", "value": "/a"},
                    {"name": "syft:location:0:layerID", "value": "sha256:1"},
                    {"name": "syft:location:1:path", "value": "/b"},
                    {"name": "syft:metadata:path", "value": "/kept"}]},
    {"type": "library", "name": "by-trivy", "bom-ref": "trivy",
     "hashes": [{"alg": "SHA-1", "content": "1111111111111111111111111111111111111111"}],
     "properties": [{"name": "aquasecurity:trivy:FilePath", "value": "opt/x.jar"}]},
    {"type": "library", "name": "by-cdxgen", "bom-ref": "cdxgen",
     "evidence": {"occurrences": [{"location": "/c#12"}, {"location": "/d"}]}},
    {"type": "library", "name": "by-cyclonedx-py", "bom-ref": "py", "purl": "syft"},
    {"type": "library", "name": "of-a-project", "bom-ref": "project",
     "evidence": {"occurrences": [{"location": "a"}]}},
    {"type": "file", "name": "/a", "bom-ref": "file-a",
     "hashes": [{"alg": "SHA-256", "content": "2222222222222222222222222222222222222222222222222222222222222222"},
                {"alg": "MD5", "content": "22222222222222222222222222222222"}],
     "components": [{"type": "library", "name": "in-a", "bom-ref": "in-a"}]},
    {"type": "file", "name": "a", "bom-ref": "bare-name"}],
  "dependencies": [
    {"ref": "pkg:oci/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?arch=amd64", "dependsOn": ["syft", "trivy"]},
    {"ref": "syft", "dependsOn": ["py"]}, {"ref": "trivy", "dependsOn": ["syft"]}],
  "compositions": [{"aggregate": "complete", "bom-ref": "composition", "assemblies": ["syft"]},
                   {"aggregate": "complete", "assemblies": ["syft", "py"], "vulnerabilities": ["v1"]}],
  "vulnerabilities": [{"bom-ref": "v1", "id": "CVE-1", "affects": [{"ref": "syft"}]},
                      {"bom-ref": "v2", "id": "CVE-2", "affects": [{"ref": "syft"}, {"ref": "py"}]},
                      {"bom-ref": "v3", "id": "CVE-3"}],
  "annotations": [{"bom-ref": "n1", "subjects": ["syft"], "text": "x"}, {"subjects": ["n1"], "text": "y"}]
})";

std::vector<std::string> names(const Reissued& out) {
  return values(out.document["components"], "name");
}

TEST(CycloneDxComponents, GoOnlyIfAllTheirPlacesAreGone) {
  const auto none = reissued(parsed(kMixed), {});
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_EQ(none->packages_before, 6U);
  EXPECT_EQ(none->packages_after, 6U);
  const auto half = reissued(parsed(kMixed), {{"/b", "/c"}, {}});
  EXPECT_EQ(half->document["components"], none->document["components"]);

  const auto all = reissued(parsed(kMixed), {{"/a", "/b", "/c", "/d", "/opt/x.jar"}, {}});
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_THAT(names(*all), ElementsAre("by-cyclonedx-py", "of-a-project", "a"));
  EXPECT_EQ(all->packages_before, 6U);
  EXPECT_EQ(all->packages_after, 2U);
  EXPECT_EQ(all->files_gone, 1U);
}

TEST(CycloneDxComponents, InAFileGoWithItUnlessTheyAreElsewhere) {
  text::Json document = parsed(kMixed);
  text::Json& file = (*document.find_mutable("components")->items_mutable())[5];
  const auto out = reissued(document, {{"/a"}, {}});
  EXPECT_THAT(names(*out), Not(Contains("/a")));
  (*file.find_mutable("components")->items_mutable())[0].set(
      "evidence", parsed(R"({"occurrences": [{"location": "/e"}]})"));
  const auto kept = reissued(document, {{"/a"}, {}});
  EXPECT_THAT(names(*kept), Contains("/a"));
  EXPECT_EQ(kept->files_gone, 0U);
  EXPECT_THAT(kept->notices, Contains(HasSubstr("1 files that are gone stay listed")));
}

TEST(CycloneDxReferences, FollowWhatIsGone) {
  const auto out = reissued(parsed(kMixed), {{"/a", "/b"}, {}});
  ASSERT_TRUE(out) << out.error().message;
  const text::Json& document = out->document;
  const std::string root = "pkg:oci/app@" + kNewDigest + "?arch=amd64";
  EXPECT_EQ(document["metadata"]["component"]["bom-ref"].text(), root);
  EXPECT_EQ(text::dump_json(document["dependencies"]),
            R"([{"ref":")" + root + R"(","dependsOn":["trivy"]},{"ref":"trivy"}])");
  EXPECT_EQ(text::dump_json(document["compositions"]),
            R"([{"aggregate":"complete","assemblies":["py"]}])");
  EXPECT_THAT(values(document["vulnerabilities"], "id"), ElementsAre("CVE-2", "CVE-3"));
  EXPECT_EQ(document.find("annotations"), nullptr);
  // A package URL is no reference.
  EXPECT_EQ(document["components"].items()[2]["purl"].text(), "syft");
}

TEST(CycloneDxReferences, OfANameThatIsThereTwiceStay) {
  text::Json document = parsed(kMixed);
  (*document.find_mutable("components")->items_mutable())[3].set("bom-ref", "syft");
  const auto out = reissued(document, {{"/a", "/b"}, {}});
  EXPECT_THAT(texts(out->document["dependencies"].items()[0]["dependsOn"]),
              ElementsAre("syft", "trivy"));
}

TEST(CycloneDxReferences, TakeNoComponentWithThem) {
  text::Json document = parsed(kMixed);
  text::Json& component = (*document.find_mutable("components")->items_mutable())[3];
  component.set("ref", "syft").set("vulnerabilities", text::Json::array().push("syft"));
  document.find_mutable("metadata")->set("ref", "syft");
  const auto out = reissued(document, {{"/a", "/b"}, {}});
  EXPECT_EQ(out->packages_after, out->document["components"].items().size() - 1);
  EXPECT_THAT(names(*out), Contains("by-cyclonedx-py"));
  EXPECT_TRUE(out->document["metadata"].is_object());
}

TEST(CycloneDxReferences, AChainOfAnnotationsEnds) {
  text::Json document = parsed(kMixed);
  for (int i = 1; i < 30; ++i)
    document.find_mutable("annotations")
        ->push(parsed(fmt::format(R"({{"bom-ref": "n{}", "subjects": ["n{}"]}})", i + 1, i)));
  EXPECT_THAT(reissued(document, {{"/a", "/b"}, {}}).error().message,
              HasSubstr("annotations about annotations"));
}

TEST(CycloneDxHashes, AreThoseOfTheResult) {
  const Paths paths{{}, {"/a", "/opt/x.jar", "/b"}};
  EXPECT_THAT(changed_files(parsed(kMixed), paths), ElementsAre("/a", "/opt/x.jar"));
  const auto out = reissued(parsed(kMixed), paths);
  ASSERT_TRUE(out) << out.error().message;
  const auto& components = out->document["components"].items();
  EXPECT_THAT(values(components[1]["hashes"], "content"),
              ElementsAre(codec::sha1_hex(as_bytes("/opt/x.jar"))));
  EXPECT_THAT(values(components[5]["hashes"], "content"),
              ElementsAre(codec::sha256_digest(as_bytes("/a")).substr(7)));
  EXPECT_EQ(out->files_changed, 1U);
  EXPECT_THAT(out->notices, Contains(HasSubstr("other algorithms")));
}

TEST(CycloneDxOrigin, NamesResultAndOriginal) {
  text::Json original = parsed(kMixed);
  original.set("signature", text::Json::object());
  Origin origin = test_origin();
  origin.parts = {{"sha256:1", "sha256:2"}, {"sha256:5", "sha256:6"}};
  const auto out = reissued(original, {}, origin);
  ASSERT_TRUE(out);
  const text::Json& document = out->document;
  EXPECT_EQ(document["version"], text::Json(1));
  EXPECT_EQ(document.find("signature"), nullptr);
  EXPECT_THAT(std::string(document["serialNumber"].text()),
              ::testing::MatchesRegex("urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]"
                                      "{3}-[0-9a-f]{12}"));
  EXPECT_THAT(values(document["metadata"]["tools"]["components"], "name"),
              ElementsAre("trivy", "flense"));
  const text::Json& reference = document["externalReferences"].items().at(0);
  EXPECT_EQ(reference["url"].text(), "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/3");
  EXPECT_THAT(values(reference["hashes"], "content"), ElementsAre(std::string(64, 'd')));
  const text::Json& root = document["metadata"]["component"];
  EXPECT_EQ(root["purl"].text(), "pkg:oci/app@" + kNewDigest + "?arch=amd64");
  EXPECT_THAT(values(root["properties"], "value"), ElementsAre("sha256:6", "2"));
  EXPECT_THAT(values(root["pedigree"]["ancestors"], "version"), ElementsAre(kOldDigest));
  EXPECT_THAT(values(document["components"].items()[0]["properties"], "value"),
              Contains("sha256:2"));
}

TEST(CycloneDxOrigin, IsSaidInTheFormOfTheVersion) {
  const auto reissue_with = [](const char* version, const char* tools) {
    text::Json document = parsed(R"({"bomFormat": "CycloneDX", "version": 1})");
    document.set("specVersion", version);
    if (*tools != 0) document.set("metadata", text::Json::object().set("tools", parsed(tools)));
    return text::dump_json(reissued(document, {})->document["metadata"]["tools"]);
  };
  EXPECT_EQ(reissue_with("1.4", ""), R"([{"name":"flense","version":"9.9"}])");
  EXPECT_EQ(reissue_with("1.5", R"([{"name":"x"}])"),
            R"([{"name":"x"},{"name":"flense","version":"9.9"}])");
  EXPECT_EQ(reissue_with("1.5", ""),
            R"({"components":[{"type":"application","name":"flense","version":"9.9"}]})");
}

TEST(CycloneDxOrigin, OfADocumentWithoutAnImageIsAProperty) {
  const auto out =
      reissued(parsed(R"({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1})"), {});
  EXPECT_THAT(values(out->document["metadata"]["properties"], "value"),
              ElementsAre("docker.io/library/app:1@" + kOldDigest));
  EXPECT_EQ(out->document["externalReferences"].items()[0]["url"].text(), kDocumentDigest);
}

TEST(CycloneDxOrigin, ASecondReissueKeepsEverything) {
  const auto once = reissued(parsed(kMixed), {{"/a", "/b"}, {}});
  const auto twice = reissued(once->document, {});
  ASSERT_TRUE(twice);
  for (const char* key : {"components", "dependencies", "compositions", "vulnerabilities"})
    EXPECT_EQ(twice->document[key], once->document[key]);
  EXPECT_THAT(twice->notices, IsEmpty());
}

TEST(CycloneDxShapes, ThatAreOthersAreBadInput) {
  for (const auto& [key, value, message] : std::vector<std::array<std::string, 3>>{
           {"components", "{}", "components is not a list"},
           {"components", "[[]]", "components[0] is not an object"},
           {"components", R"([{"components": 1}])", "components is not a list"},
           {"metadata", "[]", "metadata is not an object"}}) {
    text::Json document = parsed(kMixed);
    document.set(key, parsed(value));
    const auto out = reissued(document, {});
    ASSERT_FALSE(out) << key << value;
    EXPECT_THAT(out.error().message, HasSubstr(message));
  }
}

TEST(CycloneDxCitations, GoWherePositionsShift) {
  text::Json document = parsed(kMixed);
  document.set("specVersion", "1.7")
      .set("citations", parsed(R"([{"pointers": ["/components/3"]}])"));
  EXPECT_NE(reissued(document, {})->document.find("citations"), nullptr);
  EXPECT_EQ(reissued(document, {{"/a", "/b"}, {}})->document.find("citations"), nullptr);
}

}  // namespace
}  // namespace flense::sbom
