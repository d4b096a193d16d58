#include "cli/shared/variants.h"

#include "base/format.h"
#include "device/target.h"
#include "host/probe.h"
#include "image/model/variant.h"

namespace flense::cli {

namespace {

std::string names_of(const std::vector<image::Variant>& offered) {
  std::set<std::string> out;
  for (const image::Variant& one : offered)
    out.insert(fmt::format("{}", fmt::join(one.targets, "+")));
  return fmt::format("{}", fmt::join(out, ", "));
}

}  // namespace

void declare_no_variant(Options& options, ImageOptions& image) {
  options.flag("--no-variant", "of an index with images for some GPUs, take the one for all",
               image.no_variant);
}

std::set<std::string> gpu_targets(const std::vector<host::Profile>& hosts) {
  std::set<std::string> out;
  for (const host::Profile& host : hosts) {
    if (host.gpus.empty()) return {};
    for (const host::Gpu& gpu : host.gpus) {
      const auto targets = device::make_targets({gpu.architecture.value.value_or("")});
      if (!targets) return {};
      out.insert(targets->text());
    }
  }
  return out;
}

VariantChoice::VariantChoice(const ImageOptions& image,
                             std::function<Result<std::set<std::string>>()> targets)
    : options_(image), told_(std::make_shared<std::string>()) {
  if (options_.no_variant) return;
  options_.choose = [targets = std::move(targets), told = told_](
                        const std::vector<image::Variant>& offered) -> std::optional<std::size_t> {
    const auto wanted = targets();
    const std::optional<std::size_t> best =
        wanted ? image::variant_for(offered, *wanted) : std::nullopt;
    if (best)
      *told = fmt::format("the image for {} is taken; --no-variant takes the one for all GPUs",
                          names_of({offered[*best]}));
    else
      *told = fmt::format("the image for all GPUs is taken: {}; the index also has images for {}",
                          !wanted ? wanted.error().message
                          : wanted->empty()
                              ? "which GPUs it shall run on is not known"
                              : fmt::format("none is for {}", fmt::join(*wanted, " and ")),
                          names_of(offered));
    return best;
  };
}

VariantChoice VariantChoice::here(const TableRequest& request, const ImageOptions& image,
                                  const PlaceOptions& places, Io& io) {
  return VariantChoice(image, [&request, &places, &io]() -> Result<std::set<std::string>> {
    TRY(const knowledge::Knowledge tables, tables_of(request, io, judging_tables()));
    return gpu_targets({host::probe(host::Machine(places_of(places)), tables)});
  });
}

Result<void> VariantChoice::tell(const Request& request, Io& io) const {
  if (told_->empty() || request.quiet) return {};
  return io.err.line("variant: " + *told_);
}

}  // namespace flense::cli
