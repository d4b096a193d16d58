#include "report/verdicts/requirements_text.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "base/path.h"
#include "base/printable.h"
#include "base/version.h"
#include "compat/requirements_fields.h"
#include "report/format/table.h"

namespace flense::report {

namespace {

using compat::Requirements;
using compat::ServedGpu;
using compat::Service;

bool is(const ServedGpu& gpu, Service service) {
  return gpu.service == compat::to_string(service);
}

/// "9.0" -> "sm_90"; AMD's names stay.
std::string code_name(const ServedGpu& gpu) {
  if (gpu.vendor != "nvidia") return gpu.architecture;
  std::string digits = gpu.architecture;
  std::erase(digits, '.');
  return "sm_" + digits;
}

std::vector<std::string> served(const Requirements& needs, Service service) {
  std::vector<std::string> out;
  for (const ServedGpu& gpu : needs.gpus)
    if (is(gpu, service)) out.push_back(gpu.architecture);
  return out;
}

/// "libfoo.so, libbar.so and 3 more"
std::string names_of(const std::vector<std::string>& paths) {
  constexpr std::size_t kShown = 3;
  std::string out;
  for (std::size_t i = 0; i < std::min(kShown, paths.size()); ++i)
    out += (i == 0 ? "" : ", ") + std::string(base_name(paths[i]));
  if (paths.size() > kShown) out += fmt::format(" and {} more", paths.size() - kShown);
  return out;
}

class Sheet {
 public:
  explicit Sheet(const RequirementsTextOptions& options)
      : options_(options),
        table_({{"", Align::kLeft, Column::Flex::kNone},
                {"", Align::kLeft, Column::Flex::kWrap},
                {"", Align::kLeft, Column::Flex::kWrap}}) {}

  void add(std::string name, std::string value, std::string why = {}, Ink ink = Ink::kPlain) {
    table_.add({std::move(name), std::move(value), std::move(why)}, ink);
  }
  void fact(std::string name, const host::Text& fact) {
    if (fact.value)
      add(std::move(name), *fact.value, options_.all ? fact.evidence : std::string());
    else if (!fact.evidence.empty())
      add(std::move(name), "?", fact.evidence, Ink::kDim);
  }
  std::string text() const { return table_.text(options_.style); }

 private:
  const RequirementsTextOptions& options_;
  Table table_;
};

void drivers(const Requirements& needs, const RequirementsTextOptions& options, Sheet& sheet) {
  sheet.fact("CUDA", needs.cuda);
  const auto driver = [&](const char* name, const host::Text& fact, const char* why) {
    if (fact.value && !options.all)
      sheet.add(name, *fact.value, why);
    else
      sheet.fact(name, fact);
  };
  driver("driver", needs.driver_native, "supports this CUDA itself");
  if (needs.driver_minor.value && needs.driver_minor.value != needs.driver_native.value)
    driver("driver, least", needs.driver_minor,
           "minor-version mode: machine code for the GPU, nothing compiled at run time");
  driver("driver, for PTX", needs.driver_ptx, "compiles all PTX that the image holds");
  if (needs.compat.value || !needs.compat.evidence.empty()) {
    const std::string branches = needs.compat_branches.value
                                     ? fmt::format("on data-centre GPUs with driver branch {}",
                                                   fmt::join(*needs.compat_branches.value, ", "))
                                     : needs.compat_branches.evidence;
    sheet.add("compat library", "CUDA " + needs.compat.value.value_or("?"), branches);
  }
  sheet.fact("ROCm", needs.rocm);
}

void gpu_rows(const Requirements& needs, Sheet& sheet) {
  const auto line = [&](const char* name, Service service, std::string why) {
    if (const auto list = served(needs, service); !list.empty())
      sheet.add(name, fmt::format("{}", fmt::join(list, " ")), std::move(why));
  };
  line("GPUs, native", Service::kNative, "");
  std::uint64_t most = 0;
  for (const ServedGpu& gpu : needs.gpus) most = std::max(most, gpu.ptx_bytes);
  line("GPUs, by PTX", Service::kPtx,
       fmt::format("compiled at first use, up to {} of PTX", human_bytes(most)));
  // Architectures left out by the same libraries share a line.
  std::vector<std::pair<const ServedGpu*, std::string>> partly;
  for (const ServedGpu& gpu : needs.gpus) {
    if (!is(gpu, Service::kPartly)) continue;
    if (!partly.empty() && partly.back().first->without == gpu.without)
      partly.back().second += " " + gpu.architecture;
    else
      partly.emplace_back(&gpu, gpu.architecture);
  }
  for (auto& [first, architectures] : partly)
    sheet.add("GPUs, in part", std::move(architectures), "without " + names_of(first->without));
  if (needs.ptx_onwards.value)
    sheet.add("GPUs to come", "by PTX", "of " + *needs.ptx_onwards.value + " and above");
  if (needs.gpus.empty() && needs.disk_bytes.value) sheet.add("GPUs", "none", "no device code");
}

/// Labels are substituted into command lines, where nothing reads quotes: what a shell would read
/// is replaced.
std::string label_word(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain =
        is_alphanumeric(c) || std::string_view("._,/-+").find(c) != std::string_view::npos;
    out += plain ? c : '-';
  }
  return out;
}

}  // namespace

std::string requirements_text(const Requirements& needs, const RequirementsTextOptions& options) {
  std::string out = options.style.paint(Ink::kBold, printable(needs.name)) + " needs\n";
  for (const std::string& notice : needs.notices)
    out += options.style.paint(Ink::kYellow, "note: ") + printable(notice) + "\n";
  Sheet sheet(options);
  sheet.fact("platform", needs.platform);
  drivers(needs, options, sheet);
  gpu_rows(needs, sheet);
  sheet.fact("C library", needs.libc);
  sheet.fact("processor", needs.cpu_level);
  if (needs.disk_bytes.value)
    sheet.add("disk", human_bytes(*needs.disk_bytes.value), needs.disk_bytes.evidence);
  else
    sheet.add("disk", "?", needs.disk_bytes.evidence, Ink::kDim);
  out += sheet.text();
  if (!options.all || needs.narrowest.empty()) return out;
  Table table({{"LIBRARY", Align::kLeft, Column::Flex::kPath},
               {"DEVICE CODE", Align::kRight, Column::Flex::kNone},
               {"CODE FOR", Align::kLeft, Column::Flex::kWrap}});
  for (const compat::NarrowLibrary& library : needs.narrowest)
    table.add({library.path, human_bytes(library.device_bytes),
               fmt::format("{}", fmt::join(library.code, " "))});
  return out + "\n" + options.style.paint(Ink::kBold, "NARROWEST LIBRARIES") + "\n" +
         table.text(options.style);
}

text::Json requirements_json(const Requirements& needs) {
  text::Json out = text::Json::object();
  out.set("schema", kRequirementsSchema);
  out.set("flense", kVersion);
  const text::Json fields = text::fields_to_json(needs);
  for (const auto& [name, value] : fields.members()) out.set(name, value);
  return out;
}

std::vector<std::pair<std::string, std::string>> requirements_labels(const Requirements& needs) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto add = [&](const char* name, std::string_view value) {
    if (!value.empty())
      out.emplace_back(std::string("dev.flense.requires.") + name, label_word(value));
  };
  const auto list = [&](Service service) {
    std::vector<std::string> names;
    for (const ServedGpu& gpu : needs.gpus)
      if (is(gpu, service)) names.push_back(code_name(gpu));
    return fmt::format("{}", fmt::join(names, ","));
  };
  add("platform", needs.platform.value.value_or(""));
  add("cuda", needs.cuda.value.value_or(""));
  add("driver", needs.driver_native.value.value_or(""));
  add("driver-minor", needs.driver_minor.value.value_or(""));
  add("driver-ptx", needs.driver_ptx.value.value_or(""));
  add("rocm", needs.rocm.value.value_or(""));
  add("gpus", list(Service::kNative));
  add("gpus-ptx", list(Service::kPtx));
  add("gpus-partly", list(Service::kPartly));
  add("libc", needs.libc.value.value_or(""));
  add("cpu", needs.cpu_level.value.value_or(""));
  if (needs.disk_bytes.value) add("disk-bytes", std::to_string(*needs.disk_bytes.value));
  return out;
}

}  // namespace flense::report
