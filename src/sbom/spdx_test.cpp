#include "sbom/testing_support.h"

namespace flense::sbom {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// As syft writes it of an image: the root, a package of a database with its files, one of Python
// that is evident by its metadata.
constexpr const char* kSyft = R"({
  "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "app",
  "documentNamespace": "https://example.com/syft/image/app-1",
  "creationInfo": {"created": "2026-01-02T03:04:05Z", "creators": ["Tool: syft-1.0"]},
  "packages": [
    {"name": "six", "SPDXID": "SPDXRef-six", "versionInfo": "1.16", "downloadLocation": "NOASSERTION",
     "filesAnalyzed": false,
     "sourceInfo": "acquired package info from installed python package manifest file: /s/six/METADATA, /s/six/RECORD"},
    {"name": "zlib", "SPDXID": "SPDXRef-zlib", "downloadLocation": "NOASSERTION", "filesAnalyzed": true,
     "packageVerificationCode": {"packageVerificationCodeValue": "0000000000000000000000000000000000000001"},
     "licenseInfoFromFiles": ["NOASSERTION"],
     "sourceInfo": "acquired package info from DPKG DB: /var/lib/dpkg/status"},
    {"name": "unplaced", "SPDXID": "SPDXRef-unplaced", "downloadLocation": "NOASSERTION", "filesAnalyzed": false},
    {"name": "app", "SPDXID": "SPDXRef-DocumentRoot-Image-app", "versionInfo": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
     "checksums": [{"algorithm": "SHA256", "checksumValue": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}],
     "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
       "referenceLocator": "pkg:oci/app@sha256%3Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?arch=amd64&repository_url=docker.io/library&tag=1"}],
     "primaryPackagePurpose": "CONTAINER"}],
  "files": [
    {"fileName": "usr/lib/libz.so", "SPDXID": "SPDXRef-F1", "comment": "layerID: sha256:1",
     "checksums": [{"algorithm": "SHA1", "checksumValue": "1111111111111111111111111111111111111111"},
                   {"algorithm": "MD5", "checksumValue": "11111111111111111111111111111111"}]},
    {"fileName": "./usr/share/doc/zlib", "SPDXID": "SPDXRef-F2",
     "checksums": [{"algorithm": "SHA1", "checksumValue": "2222222222222222222222222222222222222222"}]},
    {"fileName": "/usr/lib/libz.h", "SPDXID": "SPDXRef-F3", "fileDependencies": ["SPDXRef-F2"],
     "checksums": [{"algorithm": "SHA1", "checksumValue": "3333333333333333333333333333333333333333"}]},
    {"fileName": "/s/six/METADATA", "SPDXID": "SPDXRef-F4",
     "checksums": [{"algorithm": "SHA1", "checksumValue": "0000000000000000000000000000000000000000"}]}],
  "snippets": [{"SPDXID": "SPDXRef-S1", "snippetFromFile": "SPDXRef-F1",
    "ranges": [{"startPointer": {"offset": 1, "reference": "SPDXRef-F1"}, "endPointer": {"offset": 2, "reference": "SPDXRef-F1"}}]}],
  "relationships": [
    {"spdxElementId": "SPDXRef-zlib", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-F1"},
    {"spdxElementId": "SPDXRef-zlib", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-F2"},
    {"spdxElementId": "SPDXRef-F3", "relationshipType": "CONTAINED_BY", "relatedSpdxElement": "SPDXRef-zlib"},
    {"spdxElementId": "SPDXRef-six", "relationshipType": "OTHER", "relatedSpdxElement": "SPDXRef-F4",
     "comment": "evident-by: indicates the package's existence is evident by the given file"},
    {"spdxElementId": "SPDXRef-S1", "relationshipType": "OTHER", "relatedSpdxElement": "SPDXRef-zlib"},
    {"spdxElementId": "SPDXRef-six", "relationshipType": "DEPENDENCY_OF", "relatedSpdxElement": "SPDXRef-zlib"},
    {"spdxElementId": "SPDXRef-DocumentRoot-Image-app", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-six"},
    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-DocumentRoot-Image-app"}]
})";

TEST(SpdxPackages, GoOnlyIfAllTheirPlacesAreGone) {
  const auto half = reissued(parsed(kSyft), {{"/s/six/METADATA"}, {}});
  ASSERT_TRUE(half) << half.error().message;
  EXPECT_EQ(half->packages_after, 4U);

  const auto all = reissued(parsed(kSyft), {{"/s/six/METADATA", "/s/six/RECORD"}, {}});
  ASSERT_TRUE(all);
  EXPECT_THAT(values(all->document["packages"], "name"), ElementsAre("zlib", "unplaced", "app"));
  EXPECT_THAT(values(all->document["relationships"], "spdxElementId"),
              Not(Contains("SPDXRef-six")));
  EXPECT_THAT(values(all->document["relationships"], "relatedSpdxElement"),
              Not(Contains("SPDXRef-six")));
  EXPECT_EQ(all->packages_before, 4U);
  EXPECT_EQ(all->files_gone, 1U);
}

TEST(SpdxPackages, StayForWhatTheyHold) {
  text::Json document = parsed(kSyft);
  document.find_mutable("packages")
      ->push(parsed(
          R"({"name": "layer", "SPDXID": "SPDXRef-layer", "hasFiles": ["SPDXRef-F2"], "downloadLocation": "NOASSERTION"})"));
  const Paths paths{{"/usr/share/doc/zlib"}, {}};
  EXPECT_EQ(reissued(document, paths)->packages_after, 4U);
  document.find_mutable("relationships")
      ->push(parsed(
          R"({"spdxElementId": "SPDXRef-layer", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-unplaced"})"));
  const auto kept = reissued(document, paths);
  EXPECT_EQ(kept->packages_after, 5U);
  EXPECT_EQ(kept->document["packages"].items()[4].find("hasFiles"), nullptr);
}

TEST(SpdxPackages, WhatTheDocumentDescribesStays) {
  text::Json document = parsed(kSyft);
  document.set("documentDescribes", text::Json::array().push("SPDXRef-six"));
  EXPECT_EQ(reissued(document, {{"/s/six/METADATA", "/s/six/RECORD"}, {}})->packages_after, 4U);
}

TEST(SpdxFiles, ThatAreChangedGetWhatWeHash) {
  const Paths paths{{"/usr/share/doc/zlib"}, {"/usr/lib/libz.so", "/elsewhere"}};
  EXPECT_THAT(changed_files(parsed(kSyft), paths), ElementsAre("/usr/lib/libz.so"));
  const auto out = reissued(parsed(kSyft), paths);
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_THAT(values(out->document["files"], "SPDXID"),
              ElementsAre("SPDXRef-F1", "SPDXRef-F3", "SPDXRef-F4"));
  const std::string now = codec::sha1_hex(as_bytes("/usr/lib/libz.so"));
  const text::Json& checksums = out->document["files"].items()[0]["checksums"];
  EXPECT_THAT(values(checksums, "checksumValue"), ElementsAre(now));
  EXPECT_THAT(out->notices, Contains(HasSubstr("other algorithms")));
  EXPECT_EQ(out->document["files"].items()[1].find("fileDependencies"), nullptr);
  // SHA-1 of the sorted hashes that are left (SPDX 2.3, 7.9).
  const std::string code = codec::sha1_hex(
      as_bytes(std::min(now, std::string(40, '3')) + std::max(now, std::string(40, '3'))));
  EXPECT_EQ(out->document["packages"].items()[1]["packageVerificationCode"],
            text::Json(text::Json::object().set("packageVerificationCodeValue", code)));
  // A range of bytes of the file as it was, and what names it.
  EXPECT_EQ(out->document.find("snippets"), nullptr);
  EXPECT_THAT(values(out->document["relationships"], "spdxElementId"), Not(Contains("SPDXRef-S1")));
}

TEST(SpdxFiles, AFileWithoutSha1GetsOne) {
  text::Json document = parsed(kSyft);
  text::Json& file = (*document.find_mutable("files")->items_mutable())[0];
  file.set("checksums", parsed(R"([{"algorithm": "SHA512", "checksumValue": "12"}])"));
  const auto out = reissued(document, {{}, {"/usr/lib/libz.so"}});
  EXPECT_THAT(values(out->document["files"].items()[0]["checksums"], "algorithm"),
              ElementsAre("SHA1"));
}

TEST(SpdxFiles, DigestsThatTheCallerLacksAreItsDefect) {
  const Paths paths{{}, {"/usr/lib/libz.so"}};
  const auto out = reissue(parsed(kSyft), paths, {}, test_origin());
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Code::kInternal);
}

TEST(SpdxVerificationCode, IsLeftOutWhereItCannotBeKnown) {
  text::Json document = parsed(kSyft);
  const Paths all{{"/usr/lib/libz.so", "/usr/share/doc/zlib", "/usr/lib/libz.h"}, {}};
  const auto none_left = reissued(document, all);
  const text::Json& bare = none_left->document["packages"].items()[1];
  EXPECT_EQ(bare["filesAnalyzed"], text::Json(false));
  EXPECT_EQ(bare.find("packageVerificationCode"), nullptr);
  EXPECT_EQ(bare.find("licenseInfoFromFiles"), nullptr);

  (*document.find_mutable("files")->items_mutable())[0].erase("checksums");
  const auto unknown = reissued(document, {{"/usr/share/doc/zlib"}, {}});
  const text::Json& analysed = unknown->document["packages"].items()[1];
  EXPECT_EQ(analysed["filesAnalyzed"], text::Json(true));
  EXPECT_EQ(analysed.find("packageVerificationCode"), nullptr);
}

TEST(SpdxPackages, ThatAreOneFileHaveItsChecksums) {
  text::Json document = parsed(kSyft);
  text::Json& package = (*document.find_mutable("packages")->items_mutable())[2];
  package.set(
      "checksums",
      parsed(R"([{"algorithm": "SHA1", "checksumValue": "1111111111111111111111111111111111111111"},
                         {"algorithm": "SHA256", "checksumValue": "77"}])"));
  const auto out = reissued(document, {{}, {"/usr/lib/libz.so"}});
  EXPECT_THAT(values(out->document["packages"].items()[2]["checksums"], "checksumValue"),
              ElementsAre(codec::sha1_hex(as_bytes("/usr/lib/libz.so")), "77"));
}

TEST(SpdxOrigin, NamesResultAndOriginal) {
  Origin origin = test_origin();
  origin.parts = {{"sha256:1", "sha256:2"}};
  const auto out = reissued(parsed(kSyft), {}, origin);
  ASSERT_TRUE(out);
  const text::Json& document = out->document;
  EXPECT_THAT(std::string(document["documentNamespace"].text()),
              ::testing::MatchesRegex("urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]"
                                      "{3}-[0-9a-f]{12}"));
  EXPECT_THAT(texts(document["creationInfo"]["creators"]),
              ElementsAre("Tool: syft-1.0", "Tool: flense-9.9"));
  EXPECT_EQ(document["creationInfo"]["created"].text(), "2026-01-02T03:04:05Z");
  const text::Json& reference = document["externalDocumentRefs"].items().at(0);
  EXPECT_EQ(reference["externalDocumentId"].text(), "DocumentRef-original-dddddddddddd");
  EXPECT_EQ(reference["spdxDocument"].text(), "https://example.com/syft/image/app-1");
  EXPECT_EQ(reference["checksum"]["checksumValue"].text(), std::string(64, 'd'));
  EXPECT_THAT(values(document["relationships"], "relatedSpdxElement"),
              Contains("DocumentRef-original-dddddddddddd:SPDXRef-DOCUMENT"));
  EXPECT_EQ(document["files"].items()[0]["comment"].text(), "layerID: sha256:2");

  const text::Json& root = document["packages"].items()[3];
  EXPECT_EQ(root["versionInfo"].text(), kNewDigest);
  EXPECT_THAT(values(root["checksums"], "checksumValue"), ElementsAre(std::string(64, 'b')));
  EXPECT_EQ(root["externalRefs"].items()[0]["referenceLocator"].text(),
            "pkg:oci/app@sha256%3A" + std::string(64, 'b') + "?arch=amd64");
  EXPECT_THAT(std::string(root["annotations"].items()[0]["comment"].text()),
              HasSubstr("docker.io/library/app:1@" + kOldDigest));
}

TEST(SpdxOrigin, SaysWhatTrivySaysOfTheImageOnlyIfItIsTrueOfTheResult) {
  text::Json document = parsed(kSyft);
  text::Json& root = (*document.find_mutable("packages")->items_mutable())[3];
  root.set("attributionTexts",
           parsed(R"(["SchemaVersion: 2", "ImageID: sha256:5", "DiffID: sha256:1",
                                          "DiffID: sha256:9", "RepoDigest: app@sha256:7"])"));
  Origin origin = test_origin();
  origin.parts = {{"sha256:1", "sha256:2"}, {"sha256:9", ""}};
  const auto out = reissued(document, {}, origin);
  EXPECT_THAT(texts(out->document["packages"].items()[3]["attributionTexts"]),
              ElementsAre("SchemaVersion: 2", "DiffID: sha256:2"));
}

TEST(SpdxOrigin, ASecondReissueKeepsEverything) {
  const auto once = reissued(parsed(kSyft), {{"/usr/share/doc/zlib"}, {}});
  const auto twice = reissued(once->document, {});
  ASSERT_TRUE(twice) << twice.error().message;
  for (const char* key : {"files", "snippets"})
    EXPECT_EQ(twice->document[key], once->document[key]);
  EXPECT_EQ(twice->packages_after, once->packages_after);
  EXPECT_EQ(texts(twice->document["creationInfo"]["creators"]).size(), 2U);
  EXPECT_THAT(
      values(twice->document["externalDocumentRefs"], "externalDocumentId"),
      ElementsAre("DocumentRef-original-dddddddddddd", "DocumentRef-original-dddddddddddd-2"));
  EXPECT_EQ(text::dump_json(reissued(once->document, {})->document),
            text::dump_json(twice->document));
}

TEST(SpdxOrigin, IsDatedInWholeSeconds) {
  text::Json document = parsed(kSyft);
  document.find_mutable("creationInfo")->set("created", "2022-12-15T11:47:54.546747383Z");
  const auto out = reissued(document, {});
  EXPECT_EQ(out->document["packages"].items()[3]["annotations"].items()[0]["annotationDate"].text(),
            "2022-12-15T11:47:54Z");
}

TEST(SpdxOrigin, OfADirectoryIsSaidOfTheDocument) {
  text::Json document = parsed(kSyft);
  document.find_mutable("packages")->items_mutable()->pop_back();
  const auto out = reissued(document, {});
  EXPECT_THAT(std::string(out->document["annotations"].items().at(0)["comment"].text()),
              HasSubstr("slim image of"));
}

TEST(SpdxShapes, ThatAreOthersAreBadInput) {
  for (const auto& [key, value, message] : std::vector<std::array<std::string, 3>>{
           {"packages", "{}", "packages is not a list"},
           {"files", "[1]", "files[0] is not an object"},
           {"files", "[{}]", "files[0].SPDXID is not a text"},
           {"relationships", "\"x\"", "relationships is not a list"},
           {"creationInfo", "[]", "creationInfo is not an object"},
           {"documentNamespace", "1", "documentNamespace is not a text"},
           {"SPDXID", "null", "SPDXID is not a text"},
           {"spdxVersion", "\"SPDX-2.1\"", "the document is SPDX 2.1"}}) {
    text::Json document = parsed(kSyft);
    document.set(key, parsed(value));
    const auto out = reissued(document, {});
    ASSERT_FALSE(out) << key;
    EXPECT_EQ(out.error().code, Code::kBadInput);
    EXPECT_THAT(out.error().message, HasSubstr(message));
  }
}

TEST(SpdxPaths, LeadOutOfTheImageNowhere) {
  text::Json document = parsed(kSyft);
  (*document.find_mutable("files")->items_mutable())[0].set("fileName", "../../etc/passwd");
  EXPECT_EQ(reissued(document, {{"/etc/passwd"}, {}})->files_gone, 0U);
}

}  // namespace
}  // namespace flense::sbom
