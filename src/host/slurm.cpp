#include "host/slurm.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"
#include "host/hostlist.h"
#include "host/node_facts.h"
#include "host/text_formats.h"

namespace flense::host {

namespace {

using text::Json;

/// One node in Slurm's words.
struct SlurmNode {
  std::string name, architecture, os, gres;
  std::string_view gres_member = "Gres";  ///< that tells `gres`
  std::vector<std::string> features;
  std::optional<std::uint64_t> cpus, memory_mib;
};

std::vector<std::string> parts_of(std::string_view text, char at) {
  constexpr std::size_t kMostParts = 256, kMostPart = 64u << 10;  // a fragmented host list is long
  std::vector<std::string> out;
  while (!text.empty() && out.size() < kMostParts) {
    const std::size_t end = std::min(text.find(at), text.size());
    if (std::string part = clean(text.substr(0, end), kMostPart); !part.empty())
      out.push_back(std::move(part));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

/// Gres without what stands in parentheses: the sockets and indices also hold commas.
std::string without_parentheses(std::string_view text) {
  std::string out;
  unsigned depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (depth == 0) out += c;
    if (c == ')' && depth > 0) --depth;
  }
  return out;
}

struct GpuGres {
  std::string type;  ///< "h100", "nvidia_h100_80gb_hbm3", "a100_3g.20gb"; empty: not told
  std::uint64_t count = 0;
};

/// gpu[:type]:count, or gpu alone for one; nullopt for other resources.
std::optional<GpuGres> parse_gpu_gres(std::string_view text) {
  const std::vector<std::string> parts = parts_of(text, ':');
  if (parts.empty() || parts[0] != "gpu") return std::nullopt;
  GpuGres out;
  out.count = 1;
  if (parts.size() == 1) return out;
  const auto count = parse_number(parts.back());
  if (count) out.count = *count;
  if (parts.size() > 2 || !count) out.type = parts[1];
  return out;
}

/// CfgTRES tells the GPUs as well, once by type and once in all:
/// "cpu=64,gres/gpu=4,gres/gpu:h100=4".
void gres_of_tres(std::string_view tres, SlurmNode& node) {
  constexpr std::string_view kGpu = "gres/gpu";
  std::string typed, all;
  for (const std::string& part : parts_of(tres, ',')) {
    const std::size_t equals = part.find('=');
    if (!part.starts_with(kGpu) || equals == std::string::npos) continue;
    const std::string type = part.substr(kGpu.size(), equals - kGpu.size());
    if (!type.empty() && !type.starts_with(':')) continue;  // gres/gpumem, gres/gpuutil
    std::string& out = type.empty() ? all : typed;
    out += fmt::format("{}gpu{}:{}", out.empty() ? "" : ",", type, part.substr(equals + 1));
  }
  if (typed.empty() && all.empty()) return;
  node.gres = typed.empty() ? all : typed;
  node.gres_member = "CfgTRES";
}

/// "a100_3g.20gb", "1g.10gb": a type that is a MIG profile.
bool is_mig_type(std::string_view type) {
  const std::size_t at = type.find("g.");
  return at != std::string_view::npos && at > 0 && type[at - 1] >= '1' && type[at - 1] <= '7' &&
         type.ends_with("gb");
}

/// A feature that names a GPU, where exactly one architecture is named.
std::string gpu_feature(const SlurmNode& node, NodeTables& tables) {
  std::string found, architecture;
  for (const std::string& feature : node.features) {
    const Text& known = tables.architecture_of(feature);
    if (!known.value) continue;
    if (!architecture.empty() && architecture != *known.value) return {};
    architecture = *known.value;
    found = feature;
  }
  return found;
}

void add_gres(const SlurmNode& node, const GpuGres& gres, NodeTables& tables, Profile& out) {
  const std::string evidence =
      fmt::format("node record, {}={}", node.gres_member, clean(node.gres));
  Gpu gpu;
  std::string type = gres.type;
  gpu.name = Text::known(type, evidence);
  Text architecture = type.empty() ? Text() : tables.architecture_of(type);
  if (!architecture.value) {
    type = gpu_feature(node, tables);
    if (type.empty()) {
      // Not even the vendor is known, so nothing can be judged.
      out.gpu_count = Number::unknown(
          gres.type.empty()
              ? evidence + " names no GPU model"
              : fmt::format("{} has a type that is not in the product table", evidence));
      return;
    }
    architecture = tables.architecture_of(type);
    gpu.name = Text::known(type, "node record, feature " + type);
  }
  gpu.vendor = architecture.value->starts_with("gfx") ? "amd" : "nvidia";
  gpu.architecture = architecture;
  std::uint64_t count = gres.count;
  if (is_mig_type(gres.type)) {
    gpu.mig = Flag::known(true, evidence);
    gpu.mig_instances = Number::known(count, evidence + ", over all GPUs of the node");
    out.gpu_count = Number::unknown(evidence + " counts MIG devices");
    count = 1;
  } else {
    if (const auto memory = memory_in_name(to_upper(type)))
      gpu.memory_bytes = Number::known(*memory, gpu.name.evidence);
    if (count > kMaxGpusOfNode) {
      out.gpu_count = Number::unknown(fmt::format("{} is not a plausible count", evidence));
      count = 1;
    } else if (out.gpus.empty() || out.gpu_count.value) {
      out.gpu_count = Number::known(out.gpu_count.value.value_or(0) + count, evidence);
    }
  }
  out.gpus.insert(out.gpus.end(), count, gpu);
}

Profile profile_of_node(const SlurmNode& node, NodeTables& tables) {
  Profile out;
  out.source = node.name;
  if (!node.architecture.empty())
    out.system.architecture = Text::known(node.architecture, "node record, Arch");
  if (std::string kernel = kernel_of_os(node.os); !kernel.empty())
    out.system.kernel = Text::known(std::move(kernel), "node record, OS");
  if (node.cpus) out.system.cpus = Number::known(*node.cpus, "node record, CPUs");
  if (node.memory_mib && *node.memory_mib < (std::uint64_t{1} << 40))
    out.system.memory_bytes = Number::known(*node.memory_mib << 20, "node record, RealMemory");
  bool any = false;
  for (const std::string& part : parts_of(without_parentheses(node.gres), ',')) {
    const auto gres = parse_gpu_gres(part);
    if (!gres || gres->count == 0) continue;
    any = true;
    add_gres(node, *gres, tables, out);
  }
  if (!any) out.gpu_count = Number::known(0, "node record, Gres without gpu");
  mark_unknown(out, "Slurm does not report it");
  return out;
}

Result<std::vector<Profile>> profiles_of_nodes(const std::vector<SlurmNode>& nodes,
                                               std::string_view file,
                                               const knowledge::Knowledge& known) {
  std::vector<Profile> out;
  NodeTables tables(known);
  bool any_gpu = false;
  std::size_t gpus = 0;
  for (const SlurmNode& node : nodes) {
    out.push_back(profile_of_node(node, tables));
    any_gpu |= out.back().gpu_count.value != 0;
    gpus += out.back().gpus.size();
    if (gpus > kMaxGpusOfList) return bad_input("{} has more than {} GPUs", file, kMaxGpusOfList);
  }
  if (out.empty())
    return bad_input("{} lists no Slurm node", file)
        .hint("scontrol show node, scontrol show node --json and sinfo -o \"%N %G %f\" do");
  if (!any_gpu)
    for (Profile& profile : out)
      profile.notices.push_back(fmt::format("no node of {} has a GPU among its Gres", file));
  return out;
}

/// Older versions print a number, newer ones {"set": true, "number": 96}.
std::optional<std::uint64_t> number_of(const Json& json) {
  const Json& number = json.is_object() ? json["number"] : json;
  return number.is_number() ? std::optional(number.unsigned_or(0)) : std::nullopt;
}

std::vector<std::string> features_of(const Json& json) {
  if (!json.is_array()) return parts_of(json.text(), ',');
  std::vector<std::string> out;
  for (const Json& item : json.items()) out.push_back(clean(item.text()));
  return out;
}

/// KEY=VALUE words; a word without "=" belongs to the value before it, as in OS=Linux 5.15.0 #1
/// SMP.
Pairs scontrol_pairs(std::string_view record) {
  constexpr std::string_view kBlank = " \t\r\n";
  Pairs out;
  while (true) {
    const std::size_t start = record.find_first_not_of(kBlank);
    if (start == std::string_view::npos) return out;
    record.remove_prefix(start);
    const std::size_t end = std::min(record.find_first_of(kBlank), record.size());
    const std::string_view word = record.substr(0, end);
    const std::size_t equals = word.find('=');
    const bool key = equals != std::string_view::npos && equals > 0 &&
                     std::ranges::all_of(word.substr(0, equals), [](unsigned char c) {
                       return std::isalpha(c) != 0 || c == '_';
                     });
    if (key)
      out.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    else if (!out.empty() && out.back().second.size() < 4096)
      out.back().second += " " + std::string(word);
    record.remove_prefix(end);
  }
}

constexpr std::string_view kNodeName = "NodeName=";

Result<std::vector<SlurmNode>> scontrol_nodes(std::string_view text) {
  std::vector<SlurmNode> out;
  std::size_t at = text.find(kNodeName);
  while (at != std::string_view::npos) {
    // Records begin a line; "NodeName=" inside a comment does not.
    std::size_t next = text.find("\nNodeName=", at);
    if (next != std::string_view::npos) ++next;
    const Pairs pairs =
        scontrol_pairs(text.substr(at, next == std::string_view::npos ? next : next - at));
    SlurmNode node;
    node.name = clean(value_of(pairs, "NodeName"));
    node.architecture = clean(value_of(pairs, "Arch"));
    node.os = clean(value_of(pairs, "OS"));
    node.gres = std::string(value_of(pairs, "Gres")).substr(0, 4096);
    if (node.gres.find("gpu") == std::string::npos)
      gres_of_tres(value_of(pairs, "CfgTRES").substr(0, 4096), node);
    node.features = parts_of(value_of(pairs, "ActiveFeatures"), ',');
    if (node.features.empty()) node.features = parts_of(value_of(pairs, "AvailableFeatures"), ',');
    node.cpus = parse_number(value_of(pairs, "CPUTot"));
    node.memory_mib = parse_number(value_of(pairs, "RealMemory"));
    if (out.size() == kMaxNodes) return bad_input("more than {} nodes", kMaxNodes);
    if (!node.name.empty()) out.push_back(std::move(node));
    at = next;
  }
  return out;
}

/// Where sinfo's header puts what; without a header "%N %G %f" is meant.
struct SinfoColumns {
  std::size_t names = 0, gres = 1, features = 2;
  bool header = false;
};

SinfoColumns sinfo_columns(std::string_view line) {
  const std::vector<std::string> words = parts_of(line, ' ');
  constexpr std::size_t kNone = SIZE_MAX;
  const auto column = [&](std::initializer_list<std::string_view> titles) {
    for (std::size_t i = 0; i < words.size(); ++i)
      if (std::ranges::find(titles, words[i]) != titles.end()) return i;
    return kNone;
  };
  SinfoColumns out;
  const std::size_t names = column({"NODELIST", "HOSTNAMES"});
  const std::size_t gres = column({"GRES"});
  if (names == kNone || gres == kNone) return out;
  out = {names, gres, column({"AVAIL_FEATURES", "ACTIVE_FEATURES", "FEATURES"}), true};
  return out;
}

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

Result<std::vector<SlurmNode>> sinfo_nodes(std::string_view text) {
  const SinfoColumns columns = sinfo_columns(first_line(text));
  std::vector<SlurmNode> out;
  std::set<std::string> seen;  // a node in two partitions has two lines
  bool skip = columns.header;
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    const std::string_view line = first_line(text);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (std::exchange(skip, false)) continue;
    const std::vector<std::string> words = parts_of(line, ' ');
    if (words.empty()) continue;
    if (words.size() <= std::max(columns.names, columns.gres))
      return bad_input("line {} has no column for {}", line_number,
                       words.size() <= columns.names ? "nodes" : "Gres");
    TRY(const std::vector<std::string> names,
        with_context(expand_hostlist(words[columns.names], kMaxNodes - out.size()), "line {}",
                     line_number));
    for (const std::string& name : names) {
      if (!seen.insert(name).second) continue;
      SlurmNode node;
      node.name = clean(name);
      node.gres = words[columns.gres];
      if (columns.features < words.size()) node.features = parts_of(words[columns.features], ',');
      out.push_back(std::move(node));
    }
  }
  return out;
}

}  // namespace

bool is_slurm(const Json& json) {
  return json["nodes"].is_array() && json["kind"].is_null();
}

Result<std::vector<Profile>> slurm_profiles(const Json& json, std::string_view file,
                                            const knowledge::Knowledge& tables) {
  const auto& list = json["nodes"].items();
  if (list.size() > kMaxNodes)
    return bad_input("{} has {} nodes, more than {}", file, list.size(), kMaxNodes);
  std::vector<SlurmNode> nodes;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Json& one = list[i];
    SlurmNode node;
    node.name = clean(one["name"].text(one["hostname"].text()));
    if (node.name.empty()) return bad_input("{}: nodes[{}] has no name", file, i);
    node.architecture = clean(one["architecture"].text());
    node.os = clean(one["operating_system"].text());
    node.gres = std::string(one["gres"].text().substr(0, 4096));
    if (node.gres.find("gpu") == std::string::npos)
      gres_of_tres(one["tres"].text().substr(0, 4096), node);
    node.features = features_of(one["active_features"]);
    if (node.features.empty()) node.features = features_of(one["features"]);
    node.cpus = number_of(one["cpus"]);
    node.memory_mib = number_of(one["real_memory"]);
    nodes.push_back(std::move(node));
  }
  return profiles_of_nodes(nodes, file, tables);
}

bool is_slurm_text(std::string_view text) {
  if (text.starts_with(kNodeName)) return true;
  const std::string_view line = first_line(text);
  if (sinfo_columns(line).header) return true;
  const std::vector<std::string> words = parts_of(line, ' ');
  return (words.size() == 2 || words.size() == 3) &&
         (words[1] == "(null)" || words[1].starts_with("gpu:"));
}

Result<std::vector<Profile>> slurm_text_profiles(std::string_view text, std::string_view file,
                                                 const knowledge::Knowledge& tables) {
  TRY(const std::vector<SlurmNode> nodes,
      with_context(text.starts_with(kNodeName) ? scontrol_nodes(text) : sinfo_nodes(text),
                   "reading the nodes in {}", file));
  return profiles_of_nodes(nodes, file, tables);
}

}  // namespace flense::host
