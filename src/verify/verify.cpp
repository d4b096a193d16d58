#include "verify/verify.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "verify/configuration.h"
#include "verify/contents.h"
#include "verify/members.h"
#include "verify/reading.h"

namespace flense::verify {

namespace {

/// "10.3.0" is gfx1030, "9.0.10" gfx90a; empty for what names no GPU.
std::string overridden_gpu(const std::string& version) {
  unsigned part[3] = {0, 0, 0};
  std::size_t at = 0;
  for (unsigned& one : part) {
    const std::size_t end = std::min(version.find('.', at), version.size());
    if (end == at || end > at + 2) return {};
    for (; at < end; ++at) {
      if (version[at] < '0' || version[at] > '9') return {};
      one = one * 10 + static_cast<unsigned>(version[at] - '0');
    }
    ++at;
  }
  if (at != version.size() + 1 || part[1] > 15 || part[2] > 15) return {};
  return fmt::format("gfx{}{:x}{:x}", part[0], part[1], part[2]);
}

/// For all GPUs, or with a number for one.
void honour_override(const image::Image& image, CodeRule& rule) {
  constexpr std::string_view kName = "HSA_OVERRIDE_GFX_VERSION";
  for (const text::Json& one : image.config["config"]["Env"].items()) {
    const std::string_view text = one.text();
    const std::size_t equals = text.find('=');
    if (!text.starts_with(kName) || equals == std::string_view::npos || equals + 1 == text.size() ||
        (equals != kName.size() && text[kName.size()] != '_'))
      continue;
    const std::string gpu = overridden_gpu(std::string(text.substr(equals + 1)));
    rule.keep_amd |= gpu.empty();
    if (!gpu.empty()) rule.targets.amd.push_back(gpu);
  }
}

Result<CodeRule> rule_of(const image::Image& after, const image::Image& before,
                         const Question& question) {
  const Statement said = statement_of(after);
  const Record* record = question.record ? &*question.record : nullptr;
  CodeRule rule;
  rule.targets = question.targets;
  if (rule.targets.cuda.empty() && rule.targets.amd.empty()) {
    const std::vector<std::string>& gpus = record != nullptr ? record->gpus : said.gpus;
    if (gpus.empty())
      return fail(Code::kUsage, "neither a record nor a label says for which GPUs {} was made",
                  after.name)
          .hint("name them: --gpu sm_90");
    TRY(rule.targets, device::make_targets(gpus));
  }
  rule.level = question.level                       ? *question.level
               : record != nullptr && record->level ? *record->level
                                                    : said.level.value_or(Level::kStandard);
  rule.recompressed = said.recompressed || (record != nullptr && record->recompressed);
  if (record != nullptr) {
    rule.keep_ptx = record->keep_ptx;
    rule.drop_vendor = record->drop_vendor;
    rule.modify = record->modify;
  }
  rule.vendor_unknown = !rule.vendor_may_go() && (record == nullptr || !record->whole);
  for (const std::string_view name : {"CUDA_FORCE_PTX_JIT", "CUDA_FORCE_JIT"}) {
    const std::string forced = environment_value(before, name);
    rule.keep_ptx |= !forced.empty() && forced != "0";
  }
  if (!rule.targets.amd.empty()) honour_override(before, rule);
  return rule;
}

/// The record speaks of these two images.
void check_record(const Record& record, const image::Image& after, const image::Image& before,
                  Findings& findings) {
  const auto other = [&](const char* where, std::string expected, std::string found) {
    findings.differ({"", "record", where, std::move(expected), std::move(found)});
  };
  if (!record.input_digest.empty() && !before.manifest_digest.empty() &&
      record.input_digest != before.manifest_digest)
    other("digest of the original", before.manifest_digest, record.input_digest);
  const std::size_t layers = before.layers.size() + (record.compiled ? 1 : 0);
  if (record.layers.size() != layers)
    other("layers", fmt::format("{}", layers), fmt::format("{}", record.layers.size()));
  for (std::size_t i = 0; i < std::min(before.layers.size(), record.layer_digests.size()); ++i)
    if (!record.layer_digests[i].empty() && !before.layers[i].blob.digest.empty() &&
        record.layer_digests[i] != before.layers[i].blob.digest)
      other("digest of a layer", before.layers[i].blob.digest, record.layer_digests[i]);
  if (record.minimal && after.layers.size() != 1)
    other("layers of --minimal", "1", fmt::format("{}", after.layers.size()));
  const Statement said = statement_of(after);
  if (!said.gpus.empty() && std::set(said.gpus.begin(), said.gpus.end()) !=
                                std::set(record.gpus.begin(), record.gpus.end()))
    other("GPUs", fmt::format("{}", fmt::join(said.gpus, ",")),
          fmt::format("{}", fmt::join(record.gpus, ",")));
  if (said.level && record.level && *said.level != *record.level)
    other("level", std::string(to_string(*said.level)), std::string(to_string(*record.level)));
  if (!record.output_digest.empty() && !after.manifest_digest.empty() &&
      record.output_digest != after.manifest_digest)
    findings.count("manifest digests other than the record's: the image was converted or changed");
}

/// No member of a directory says what its top is.
Result<void> compare_tops(const image::Image& before, const image::Image& after,
                          Findings& findings) {
  if (before.form != image::Form::kDirectory || after.form != image::Form::kDirectory) return {};
  const auto mode_of = [](const image::Image& image) -> Result<std::string> {
    struct stat status{};
    if (::stat(image.name.c_str(), &status) != 0)
      return system_error(errno, "cannot read " + image.name);
    return fmt::format("{:04o} of {}:{}", status.st_mode & 07777, status.st_uid, status.st_gid);
  };
  TRY(std::string was, mode_of(before));
  TRY(std::string is, mode_of(after));
  if (was != is) findings.differ({"", "mode", "", std::move(was), std::move(is)});
  return {};
}

}  // namespace

Result<Answer> verify_image(const image::Image& after, const image::Image& before,
                            const Question& question, Findings& findings) {
  Answer out;
  TRY(out.rule, rule_of(after, before, question));
  const Record* record = question.record ? &*question.record : nullptr;
  if (record != nullptr) {
    out.record = record->name;
    check_record(*record, after, before, findings);
  }
  TRY(const BothReadings both, read_both(before, after, question.scratch, question.progress));
  out.paths = both.before.tree->live_count();
  TRY(TreeResult tree, compare_trees(both.before, both.after, record, out.rule, findings));
  if (record != nullptr && record->closure)
    TRY_DO(find_needs(both.before, both.after, *record, tree, findings));
  TRY_DO(compare_tops(before, after, findings));
  TRY_DO(compare_lazy_tables(both.after, findings));
  compare_order(both.before, both.after, tree.merged, findings);
  TRY_DO(compare_links(both.before, both.after, record, findings));
  TRY_DO(compare_contents(both.before, both.after, tree, out.rule, question.scratch,
                          question.progress, findings));
  const bool layers_kept = !tree.merged && after.layers.size() == before.layers.size();
  compare_configuration(before, after, out.rule, layers_kept, findings);
  return out;
}

}  // namespace flense::verify
