// flense cdi list: the devices that can be asked for on this machine, and the files that engines
// pass over.
#include <array>

#include "base/version.h"
#include "cdi/spec/registry.h"
#include "cli/cdi/cdi.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "report/format/table.h"

namespace flense::cli {

namespace {

using text::Json;

constexpr std::string_view kCdiListSchema = "flense/cdi-list/v1";

constexpr std::string_view kCdiListHelp =
    R"(Devices by the name that engines take (--device NAME), from /etc/cdi and /var/run/cdi, and for a
user from $XDG_CONFIG_HOME/cdi and $XDG_RUNTIME_DIR/cdi. A device of a later directory hides one of
the same name; files that engines pass over are listed with the reason.
  flense cdi list
  flense cdi list --json --spec-dir /etc/cdi)";

Json list_json(const cdi::Registry& registry) {
  Json devices = Json::array();
  for (const cdi::ListedDevice& device : registry.listed()) {
    Json one = Json::object();
    one.set("name", device.name);
    one.set("kind", device.file->spec.kind);
    one.set("device", device.device->name);
    one.set("file", device.file->path.string());
    devices.push(std::move(one));
  }
  Json problems = Json::array();
  for (const cdi::SpecProblem& problem : registry.problems) {
    Json one = Json::object();
    one.set("file", problem.path.string());
    if (!problem.device.empty()) one.set("device", problem.device);
    one.set("message", problem.message);
    problems.push(std::move(one));
  }
  Json out = Json::object();
  out.set("schema", kCdiListSchema);
  out.set("flense", kVersion);
  out.set("devices", std::move(devices));
  out.set("problems", std::move(problems));
  return out;
}

std::string list_text(const cdi::Registry& registry, const report::Style& style) {
  using report::Column;
  report::Table devices({{"device"}, {"file", report::Align::kLeft, Column::Flex::kPath}});
  for (const cdi::ListedDevice& device : registry.listed())
    devices.add({device.name, device.file->path.string()});
  std::string out = devices.empty() ? "no devices\n" : devices.text(style);
  if (registry.problems.empty()) return out;
  report::Table problems({{"passed over", report::Align::kLeft, Column::Flex::kPath},
                          {"why", report::Align::kLeft, Column::Flex::kWrap}});
  for (const cdi::SpecProblem& problem : registry.problems)
    problems.add({problem.path.string(), problem.message}, report::Ink::kRed);
  return out + "\n" + problems.text(style);
}

struct CdiListRequest : Request {
  std::vector<std::string> spec_dirs;
  bool json = false;
  PlaceOptions places;
};

void declare(Options& options, CdiListRequest& request) {
  add_spec_dir(options, request.spec_dirs);
  add_cdi_json(options, request.json);
  add_root(options, request.places);
}

Result<int> run_cdi_list(const CdiListRequest& request, Io& io) {
  const cdi::Registry registry =
      cdi::read_registry(spec_directories_of(request.spec_dirs, request.places, io));
  TRY_DO(request.json ? write_text(io, text::dump_json(list_json(registry), 2) + "\n")
                      : write_report(io, list_text(registry, output_style(request, io))));
  return 0;
}

}  // namespace

const Command& cdi_list_action() {
  static const Command kAction{
      .name = "list",
      .summary = "the devices that engines offer, and files they pass over",
      .help = kCdiListHelp,
      .call = [] { return call_of(run_cdi_list); }};
  return kAction;
}

}  // namespace flense::cli
