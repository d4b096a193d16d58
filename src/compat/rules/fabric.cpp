// The user space of RDMA cards: the kernel part is on the host, the card's library in the image.
#include <algorithm>

#include "base/path.h"
#include "compat/facts/image_facts.h"
#include "compat/facts/software.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

/// The provider library of rdma-core for a card, by the name its driver gives it ("mlx5_0"); empty
/// for names that udev gave ("ibp24s0").
std::string_view provider_of(const host::Network& card) {
  struct Driver {
    std::string_view device, library;
  };
  constexpr Driver kDrivers[] = {
      {"mlx5_", "libmlx5"},      {"mlx4_", "libmlx4"},      {"efa_", "libefa"},
      {"rdmap", "libefa"},       {"bnxt_re", "libbnxt_re"}, {"irdma", "libirdma"},
      {"hfi1_", "libhfi1verbs"}, {"qedr", "libqedr"},       {"cxgb4_", "libcxgb4"},
      {"ionic_", "libionic"},    {"erdma_", "liberdma"},    {"rxe", "librxe"},
      {"siw", "libsiw"}};
  for (const Driver& driver : kDrivers)
    if (card.name.starts_with(driver.device)) return driver.library;
  return {};
}

const needs::Sighting* find(const needs::Needs& image, std::string_view library) {
  // By file name: providers are in a folder named libibverbs.
  const auto at = std::ranges::find_if(image.rdma, [&](const needs::Sighting& one) {
    return base_name(one.path).starts_with(library);
  });
  return at == image.rdma.end() ? nullptr : &*at;
}

}  // namespace

void rule_rdma_userspace(const Question& question, std::vector<Check>& checks) {
  if (question.host.networks.empty()) return;
  const std::string& user = question.facts->multi_node;
  if (user.empty()) return;
  std::vector<std::string_view> seen;
  for (const host::Network& card : question.host.networks) {
    const std::string_view provider = provider_of(card);
    if (std::ranges::find(seen, provider) != seen.end()) continue;
    seen.push_back(provider);
    Check check;
    check.id = "rdma-userspace";
    check.decisive = false;  // NCCL and MPI fall back to TCP
    check.evidence = {{"image", user},
                      {"host", fmt::format("{}{}{}", card.name, card.link_layer.value ? ", " : "",
                                           card.link_layer.value.value_or(""))}};
    check.source = "rdma-core: a provider library for each driver";
    const auto* verbs = find(question.image, "libibverbs");
    const auto* library = provider.empty() ? nullptr : find(question.image, provider);
    if (!question.image.contents) {
      check.verdict = Verdict::kUnknown;
      check.message =
          fmt::format("whether the image has the user space of {} is unknown", card.name);
      check.fix = "check the image with its layers read";
    } else if (verbs == nullptr) {
      check.verdict = Verdict::kWarn;
      check.message = fmt::format(
          "the image has no libibverbs, so NCCL and MPI will not use {} but TCP", card.name);
      check.evidence.push_back({"image", "no libibverbs"});
      check.fix = "install libibverbs1 and ibverbs-providers (rdma-core), or Amazon's EFA packages";
    } else if (provider.empty()) {
      check.verdict = Verdict::kUnknown;
      check.message = fmt::format("which provider library {} needs is unknown", card.name);
      check.evidence.push_back({"image", verbs->path});
      check.fix = "rdma link on the host shows the card's driver";
    } else if (library == nullptr) {
      check.verdict = Verdict::kWarn;
      check.message = fmt::format("the image has libibverbs and not {}, the provider of {}",
                                  provider, card.name);
      check.evidence.push_back({"image", verbs->path});
      check.fix = provider == "libefa" ? "install the packages of Amazon's EFA installer"
                                       : "install ibverbs-providers (rdma-core)";
    } else {
      check.message = fmt::format("the image has the user space of {}", card.name);
      check.evidence.push_back({"image", library->path});
    }
    checks.push_back(std::move(check));
  }
}

}  // namespace flense::compat
