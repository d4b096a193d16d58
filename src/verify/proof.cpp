#include "verify/proof.h"

#include <algorithm>

#include "base/file.h"
#include "base/version.h"
#include "codec/sha256.h"
#include "verify/reading.h"

namespace flense::verify {

namespace {

using text::Json;

constexpr const char* kStatement = "https://in-toto.io/Statement/v1";
constexpr const char* kPredicate = "urn:flense:verification:v1";
constexpr std::uint64_t kMostProof = 64U << 20;

Json digest_json(const std::string& digest) {
  return Json::object().set("sha256", digest.substr(digest.find(':') + 1));
}

std::string digest_of(const Json& holder) {
  return "sha256:" + std::string(holder["digest"]["sha256"].text());
}

/// Every member with all that verify compares, by path.
std::string members_digest(const Reading& reading) {
  std::vector<std::string> lines;
  for (std::uint32_t layer = 0; layer < reading.layers.size(); ++layer) {
    for (std::uint32_t i = 0; i < reading.layers[layer]->listing->size(); ++i) {
      const Member member = reading.member({layer, i});
      const auto& entry = member.entry;
      std::string line = fmt::format(
          "{}\n{} {:o} {}:{} {} {}:{} {}\n", entry.path, static_cast<int>(entry.type), entry.mode,
          entry.uid, entry.gid, entry.link, member.facts.device_major, member.facts.device_minor,
          entry.type == codec::MemberType::kFile ? member.sha256() : "");
      for (const auto& [name, value] : member.attributes)
        line += fmt::format("{}={}\n", name, codec::sha256_digest(as_bytes(value)));
      lines.push_back(std::move(line));
    }
  }
  std::ranges::sort(lines);
  codec::Sha256 hash;
  for (const std::string& line : lines) hash.update(as_bytes(line));
  return hash.digest();
}

Json gpus_json(const device::Targets& targets) {
  Json out = Json::array();
  for (const device::CudaArch gpu : targets.cuda) out.push(device::to_string(gpu));
  for (const std::string& gpu : targets.amd) out.push(gpu);
  return out;
}

void check_gpus(const Proof& proof, const device::Targets& wanted, Findings& findings) {
  const Json names = gpus_json(wanted);
  for (const Json& gpu : names.items())
    if (std::ranges::find(proof.gpus, gpu.text()) == proof.gpus.end())
      findings.differ({"", "proof", "GPUs", std::string(gpu.text()), "not named"});
}

}  // namespace

Result<std::string> content_digest(const image::Image& image, const std::filesystem::path& scratch,
                                   Progress* progress) {
  TRY(const Reading reading, read_one(image, scratch, progress));
  return image.config_digest.empty() ? members_digest(reading) : image.config_digest;
}

Json proof_statement(const Proved& proved) {
  const CodeRule& rule = proved.answer.rule;
  Json facts = Json::array(), unknowns = Json::array();
  for (const auto& [what, number] : proved.findings.counts())
    facts.push(Json::object().set("what", what).set("number", number));
  for (const Unknown& one : proved.findings.unknowns())
    unknowns.push(one.path.empty() ? one.why : one.path + ": " + one.why);
  Json rules = Json::object();
  rules.set("gpus", gpus_json(rule.targets))
      .set("level", to_string(rule.level))
      .set("keep_ptx", rule.keep_ptx)
      .set("drop_vendor", rule.drop_vendor)
      .set("recompressed_code", rule.recompressed);
  Json predicate = Json::object();
  predicate.set("schema", "flense/proof/v1")
      .set("verifier", Json::object().set("id", "urn:flense:verify").set("version", kVersion))
      .set("original", Json::object()
                           .set("name", proved.original)
                           .set("digest", digest_json(proved.original_digest)))
      .set("rules", std::move(rules))
      .set("result", unknowns.items().empty() ? "equal" : "unknown")
      .set("proved", std::move(facts))
      .set("unknowns", std::move(unknowns));
  Json subject = Json::array();
  subject.push(
      Json::object().set("name", proved.subject).set("digest", digest_json(proved.subject_digest)));
  return Json::object()
      .set("_type", kStatement)
      .set("subject", std::move(subject))
      .set("predicateType", kPredicate)
      .set("predicate", std::move(predicate));
}

Result<Proof> read_proof(const std::string& file) {
  TRY(const std::string text, read_file(file, kMostProof));
  TRY(const Json json, text::parse_json(text, file));
  const Json& predicate = json["predicate"];
  const auto level = level_named(predicate["rules"]["level"].text());
  const std::string_view result = predicate["result"].text();
  if (json["_type"].text() != kStatement || json["predicateType"].text() != kPredicate ||
      predicate["schema"].text() != "flense/proof/v1" || json["subject"].items().size() != 1 ||
      !level || (result != "equal" && result != "unknown"))
    return bad_input("{} is no proof of flense", file).hint("name what slim --prove wrote");
  Proof out;
  out.file = file;
  out.subject_digest = digest_of(json["subject"].items().front());
  out.original = predicate["original"]["name"].text();
  out.original_digest = digest_of(predicate["original"]);
  out.level = *level;
  for (const Json& gpu : predicate["rules"]["gpus"].items()) out.gpus.emplace_back(gpu.text());
  for (const Json& one : predicate["unknowns"].items()) out.unknowns.emplace_back(one.text());
  if (out.gpus.empty() || (result == "unknown") == out.unknowns.empty())
    return bad_input(
        "{} contradicts itself: {}", file,
        out.gpus.empty() ? "it is for no GPU" : "its result and its list of unknowns do not agree");
  return out;
}

Result<Answer> check_proof(const Proof& proof, const image::Image& after,
                           const image::Image* before, const Question& question,
                           Findings& findings) {
  Answer out;
  out.record = proof.file;
  out.rule.level = proof.level;
  TRY(out.rule.targets, device::make_targets(proof.gpus));
  check_gpus(proof, question.targets, findings);
  if (question.level && *question.level != proof.level)
    findings.differ({"", "proof", "level", std::string(to_string(*question.level)),
                     std::string(to_string(proof.level))});
  const auto compare = [&](const image::Image& image, const char* where,
                           const std::string& expected) -> Result<void> {
    TRY(const std::string digest, content_digest(image, question.scratch, question.progress));
    if (digest == expected)
      findings.count("images that are those of the proof");
    else
      findings.differ({"", "proof", where, expected, digest});
    return {};
  };
  TRY_DO(compare(after, "digest of the result", proof.subject_digest));
  if (before != nullptr) TRY_DO(compare(*before, "digest of the original", proof.original_digest));
  for (const std::string& one : proof.unknowns) findings.unknown("", one);
  return out;
}

}  // namespace flense::verify
