#include "host/driver_query.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"
#include "base/process.h"
#include "host/text_formats.h"

namespace flense::host {

namespace {

constexpr std::size_t kMostOutput = 1u << 20;
constexpr std::size_t kMostGpus = 256;
constexpr const char* kAsked = "nvidia-smi --query-gpu";
constexpr auto kPatience = std::chrono::seconds(30);

/// In this order in each line of the answer.
enum Column : std::size_t {
  kIndex,
  kAddress,
  kUuid,
  kName,
  kArchitecture,
  kMemory,
  kComputeMode,
  kPersistence,
  kMig,
  kDriver,
  kColumns
};
constexpr const char* kQuery =
    "--query-gpu=index,pci.bus_id,uuid,name,compute_cap,memory.total,compute_mode,"
    "persistence_mode,mig.mode.current,driver_version";

/// Standard output of a program that may hang: a wedged driver blocks all who ask it.
Result<std::string> answer_of(const std::vector<std::string>& argv) {
  ChildProcess::Options options;
  options.pipe_stdout = true;
  options.discard_stderr = true;
  TRY(const auto child, ChildProcess::start(argv, options));
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::string out;
  std::array<char, 1 << 14> block;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd one{child->stdout_fd(), POLLIN, 0};
    const int ready = left.count() > 0 ? ::poll(&one, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      child->kill();
      return fail(Code::kEnvironment, "{} did not answer within {} seconds", argv[0],
                  kPatience.count());
    }
    const ssize_t got = ::read(child->stdout_fd(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    out.append(block.data(), static_cast<std::size_t>(got));
    if (out.size() > kMostOutput) {
      child->kill();
      return fail(Code::kEnvironment, "{} printed more than {} bytes", argv[0], kMostOutput);
    }
  }
  TRY(const int status, child->wait());
  if (status != 0)
    return fail(Code::kEnvironment, "{} ended with status {}: {}", argv[0], status,
                clean(out.substr(0, out.find('\n'))));
  return out;
}

/// NVML says "[N/A]" or "[Not Supported]" of what a GPU does not have.
bool says_nothing(std::string_view value) {
  return value.empty() || value.starts_with('[') || value == "N/A";
}

Flag enabled(std::string_view value, const std::string& evidence) {
  if (value == "Enabled" || value == "Disabled") return Flag::known(value == "Enabled", evidence);
  return Flag::unknown(fmt::format("{}: {}", evidence, clean(value)));
}

void take(const std::vector<std::string>& row, Gpu& gpu, std::vector<std::string>& notices) {
  const std::string evidence = kAsked;
  const auto text = [&](Column column, Text& fact, const char* what) {
    const std::string& value = row[column];
    if (says_nothing(value)) return;
    if (fact.value && *fact.value != value)
      notices.push_back(fmt::format("{} of {} is {} by {} and {} by nvidia-smi", what,
                                    row[kAddress], clean(*fact.value), clean(fact.evidence),
                                    clean(value)));
    fact = Text::known(value, evidence);
  };
  text(kUuid, gpu.uuid, "the UUID");
  text(kName, gpu.name, "the name");
  text(kArchitecture, gpu.architecture, "the architecture");
  text(kComputeMode, gpu.compute_mode, "the compute mode");
  if (const auto mib = parse_number(row[kMemory]); mib && *mib > 0 && *mib < (1u << 30))
    gpu.memory_bytes = Number::known(*mib << 20, evidence);
  if (!says_nothing(row[kPersistence])) gpu.persistence = enabled(row[kPersistence], evidence);
  if (!says_nothing(row[kMig])) gpu.mig = enabled(row[kMig], evidence);
}

/// The matrix of `nvidia-smi topo -m`: by GPU number, the numbers of those that NVLink connects to
/// it.
std::map<std::uint64_t, std::vector<std::uint64_t>> nvlinks(std::string_view topology) {
  const auto number_of = [](std::string_view word) -> std::optional<std::uint64_t> {
    if (!word.starts_with("GPU")) return std::nullopt;
    return parse_number(word.substr(3));
  };
  std::map<std::uint64_t, std::vector<std::uint64_t>> out;
  std::vector<std::optional<std::uint64_t>> columns;
  for (const std::string_view line : split(topology, '\n')) {
    std::vector<std::string> cells;
    for (const std::string_view cell : split(line, '\t')) {
      // The header is underlined on terminals and, by some versions, off them.
      std::string plain(cell);
      for (const char* mark : {"\x1b[4m", "\x1b[0m"})
        if (const auto at = plain.find(mark); at != std::string::npos) plain.erase(at, 4);
      cells.push_back(clean(plain));
    }
    if (columns.empty()) {
      if (cells.size() < 2 || !number_of(cells[1])) continue;
      for (const std::string& cell : cells) columns.push_back(number_of(cell));
      continue;
    }
    const auto row = number_of(cells[0]);
    if (!row) continue;
    for (std::size_t i = 1; i < std::min(cells.size(), columns.size()); ++i)
      if (columns[i] && cells[i].starts_with("NV")) out[*row].push_back(*columns[i]);
  }
  return out;
}

}  // namespace

std::string kernel_address(std::string_view bus_id) {
  std::string out(bus_id);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
  });
  if (out.size() == 16 && out.starts_with("0000")) out.erase(0, 4);
  return out;
}

Result<std::string> ask_nvidia_smi(const std::vector<std::string>& arguments) {
  // The Windows driver brings WSL2's nvidia-smi, outside PATH.
  std::string program = find_program("nvidia-smi").value_or("/usr/lib/wsl/lib/nvidia-smi");
  if (::access(program.c_str(), X_OK) != 0)
    return fail(Code::kEnvironment, "there is no nvidia-smi on PATH")
        .hint("it comes with NVIDIA's driver; inside containers with the capability utility");
  std::vector<std::string> argv = {std::move(program)};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return with_context(answer_of(argv), "asking the driver");
}

Result<DriverAnswer> ask_driver() {
  DriverAnswer out;
  TRY(out.gpus, ask_nvidia_smi({kQuery, "--format=csv,noheader,nounits"}));
  if (auto topology = ask_nvidia_smi({"topo", "-m"})) out.topology = *std::move(topology);
  return out;
}

void add_answer(Profile& profile, const DriverAnswer& answer) {
  std::map<std::string, std::size_t> by_address;
  for (std::size_t i = 0; i < profile.gpus.size(); ++i)
    if (const Gpu& gpu = profile.gpus[i]; gpu.vendor == "nvidia" && gpu.pci_address.value)
      by_address[*gpu.pci_address.value] = i;
  std::map<std::uint64_t, std::string> address_of;
  for (const std::string_view line : split(answer.gpus, '\n')) {
    if (clean(line).empty()) continue;
    std::vector<std::string> row;
    for (const std::string_view cell : split(line, ',')) row.push_back(clean(cell));
    const auto index = parse_number(row[0]);
    if (row.size() != kColumns || !index) {
      profile.notices.push_back(
          fmt::format("the output of nvidia-smi cannot be parsed: {}", clean(line.substr(0, 80))));
      continue;
    }
    const std::string address = row[kAddress] = kernel_address(row[kAddress]);
    // WSL2 shows no GPU in /sys.
    if (!by_address.contains(address) && profile.system.wsl2.value == true &&
        profile.gpus.size() < kMostGpus) {
      by_address[address] = profile.gpus.size();
      Gpu& gpu = profile.gpus.emplace_back();
      gpu.vendor = "nvidia";
      gpu.pci_address = Text::known(address, kAsked);
      profile.gpu_count = Number::known(profile.gpus.size(), kAsked);
    }
    const auto found = by_address.find(address);
    if (found == by_address.end()) {
      profile.notices.push_back(
          fmt::format("nvidia-smi names a GPU at {} that /sys does not show", address));
      continue;
    }
    if (const Text& module = profile.nvidia.module_version; address_of.empty() && module.value &&
                                                            !says_nothing(row[kDriver]) &&
                                                            row[kDriver] != *module.value)
      profile.notices.push_back(fmt::format("the driver is {} by {} and {} by nvidia-smi",
                                            *module.value, module.evidence, row[kDriver]));
    address_of[*index] = address;
    take(row, profile.gpus[found->second], profile.notices);
  }
  for (const auto& [index, peers] : nvlinks(answer.topology)) {
    const auto here = address_of.find(index);
    if (here == address_of.end()) continue;
    std::vector<std::string> addresses;
    for (const std::uint64_t peer : peers)
      if (const auto there = address_of.find(peer); there != address_of.end())
        addresses.push_back(there->second);
    profile.gpus[by_address[here->second]].nvlink_peers =
        List::known(std::move(addresses), "nvidia-smi topo -m");
  }
}

}  // namespace flense::host
