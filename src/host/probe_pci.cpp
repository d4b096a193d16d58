#include "base/format.h"
#include "base/numbers.h"
#include "base/path.h"
#include "host/probe_support.h"

namespace flense::host {

namespace {

std::string hexadecimal(const Tree& sys, const std::string& path) {
  const Result<std::string> text = sys.read(path);
  if (!text) return {};
  std::string value = clean(*text);
  if (value.starts_with("0x")) value.erase(0, 2);
  return value.size() <= 8 ? value : std::string();
}

}  // namespace

PciFacts pci_facts(const Tree& sys, const std::string& address) {
  const std::string folder = "bus/pci/devices/" + address;
  PciFacts out{hexadecimal(sys, folder + "/vendor"), hexadecimal(sys, folder + "/device"),
               hexadecimal(sys, folder + "/class"), ""};
  if (const auto driver = sys.resolve(folder + "/driver")) out.driver = clean(base_name(*driver));
  return out;
}

std::vector<std::string> pci_functions(const Tree& sys,
                                       const std::function<bool(const PciFacts&)>& wanted) {
  std::vector<std::string> out;
  for (const std::string& name : sys.list("bus/pci/devices"))
    if (pci_address(name) && wanted(pci_facts(sys, name))) out.push_back(name);
  return out;
}

Gpu pci_gpu(const Tree& sys, const std::string& address, std::string vendor) {
  Gpu gpu;
  gpu.vendor = std::move(vendor);
  const std::string folder = "bus/pci/devices/" + address;
  gpu.pci_address = Text::known(address, sys.label(folder));
  const PciFacts facts = pci_facts(sys, address);
  gpu.pci_id = facts.vendor.empty() || facts.device.empty()
                   ? Text::unknown("no vendor and device in " + sys.label(folder))
                   : Text::known(fmt::format("{}:{}", facts.vendor, facts.device),
                                 sys.label(folder + "/device"));
  gpu.kernel_driver = facts.driver.empty()
                          ? Text::unknown("no driver is bound in " + sys.label(folder))
                          : Text::known(facts.driver, sys.label(folder + "/driver"));
  gpu.numa_node = numa_fact(sys, folder + "/numa_node");
  gpu.link_speed = parsed_fact<std::string>(sys, folder + "/current_link_speed", link_speed);
  gpu.link_speed_max = parsed_fact<std::string>(sys, folder + "/max_link_speed", link_speed);
  // 0 and 255 mean that the link could not be read.
  const auto width = [](std::string_view text) -> std::optional<std::uint64_t> {
    const auto lanes = parse_number(text);
    return lanes && *lanes > 0 && *lanes <= 32 ? lanes : std::nullopt;
  };
  gpu.link_width = parsed_fact<std::uint64_t>(sys, folder + "/current_link_width", width);
  gpu.link_width_max = parsed_fact<std::uint64_t>(sys, folder + "/max_link_width", width);
  return gpu;
}

}  // namespace flense::host
