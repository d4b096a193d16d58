#include "sbom/statement.h"

#include "sbom/testing_support.h"

namespace flense::sbom {
namespace {

using ::testing::HasSubstr;

TEST(Statement, IsCarriedWithTheDigestOfTheResult) {
  const text::Json json = parsed(R"({"_type": "https://in-toto.io/Statement/v0.1",
      "predicateType": "https://spdx.dev/Document",
      "subject": [{"name": "pkg:docker/app@1?platform=linux%2Famd64", "digest": {"sha256": "00"}}],
      "predicate": {"spdxVersion": "SPDX-2.3"}, "more": 1})");
  auto carried = unwrap(json);
  ASSERT_TRUE(carried);
  EXPECT_EQ(carried->document, parsed(R"({"spdxVersion": "SPDX-2.3"})"));
  const text::Json out = wrap(*std::move(carried), kNewDigest);
  EXPECT_EQ(
      text::dump_json(out),
      R"({"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document",)"
      R"("subject":[{"name":"pkg:docker/app@1?platform=linux%2Famd64","digest":{"sha256":")" +
          std::string(64, 'b') + R"("}}],"predicate":{"spdxVersion":"SPDX-2.3"},"more":1})");
}

TEST(Statement, ABareDocumentStaysBare) {
  const text::Json json = parsed(R"({"bomFormat": "CycloneDX"})");
  EXPECT_EQ(wrap(*unwrap(json), kNewDigest), json);
}

TEST(Statement, WithoutASubjectGetsOne) {
  const text::Json json = parsed(R"({"_type": "https://in-toto.io/Statement/v1",
      "predicateType": "https://cyclonedx.org/bom/v1.4", "predicate": {}})");
  EXPECT_EQ(wrap(*unwrap(json), kNewDigest)["subject"].items().at(0)["name"].text(), "_");
}

TEST(Statement, OfAnotherKindIsBadInput) {
  for (
      const auto& [json, message] : std::vector<std::pair<const char*, const char*>>{
          {R"({"payloadType": "application/vnd.in-toto+json", "payload": "e30="})", "DSSE"},
          {R"({"_type": "link"})", "expected https://in-toto.io/Statement/"},
          {R"({"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1"})",
           "slsa.dev"},
          {R"({"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://spdx.dev/Document"})",
           "predicate is not an object"},
          {R"({"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://spdx.dev/Document",
               "predicate": {}, "subject": {}})",
           "subject is not a list"}}) {
    const auto out = unwrap(parsed(json));
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::kBadInput);
    EXPECT_THAT(out.error().message, HasSubstr(message));
  }
}

TEST(Formats, OfOthersAreNamed) {
  for (
      const auto& [json, kind] : std::vector<std::pair<const char*, const char*>>{
          {R"({"spdxVersion": "SPDX-2.2"})", "SPDX 2.2"},
          {R"({"bomFormat": "CycloneDX", "specVersion": "1.2"})", "CycloneDX 1.2"},
          {R"({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []})",
           "SPDX 3 (JSON-LD)"},
          {R"({"schema": {"url": "https://raw.githubusercontent.com/anchore/syft/main/schema.json"}})",
           "syft's own JSON"},
          {"[]", "no SBOM"}})
    EXPECT_EQ(kind_of(parsed(json)), kind);
  EXPECT_EQ(format_of(parsed(R"({"bomFormat": "CycloneDX", "specVersion": "1.2"})")), std::nullopt);
  EXPECT_EQ(format_of(parsed(R"({"bomFormat": "CycloneDX", "specVersion": "1.7"})")),
            Format::kCycloneDxJson);
}

TEST(Formats, ABuildStageIsNotTheImage) {
  text::Json document = parsed(R"({"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT",
      "name": "sbom-build", "documentNamespace": "https://anchore.com/syft/dir/sbom-build-1",
      "creationInfo": {"created": "2026-01-02T03:04:05Z"}})");
  EXPECT_EQ(build_stage(document), "build");
  EXPECT_THAT(reissued(document, {}).error().message, HasSubstr("the build stage 'build'"));
  document.set("name", "/run/src/extras/sbom-x");
  EXPECT_EQ(build_stage(document), "x");
  document.set("name", "sbom");
  EXPECT_EQ(build_stage(document), std::nullopt);
  EXPECT_TRUE(reissued(document, {}));
}

TEST(Formats, TooMuchIsNotRead) {
  EXPECT_THAT(read(std::string(kMaxBytes + 1, ' '), "x.json").error().message,
              HasSubstr("expected an SBOM of at most"));
  std::string many = "[0";
  for (std::size_t i = 0; i < kMaxValues; ++i) many += ",0";
  EXPECT_THAT(read(many + "]", "x.json").error().message, HasSubstr("values, too many"));
  EXPECT_TRUE(read("[\"" + std::string(kMaxValues + 1, ',') + "\\\",\"]", "x.json"));
}

}  // namespace
}  // namespace flense::sbom
