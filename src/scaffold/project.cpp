#include "scaffold/project.h"

#include <algorithm>
#include <map>

#include "base/format.h"
#include "base/version_numbers.h"
#include "host/processor.h"
#include "scaffold/reasons.h"
#include "scaffold/render.h"

namespace flense::scaffold {

namespace {

using host::Profile;
using knowledge::Knowledge;
using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr std::size_t kMaxHosts = 32;

std::string digits(std::string text) {
  std::erase(text, '.');
  return text;
}

/// "90" for the newest, which then also gives PTX, and "80-real" for the others (CMake).
std::string cmake_architectures(const std::vector<std::string>& architectures) {
  std::string out;
  for (std::size_t i = 0; i < architectures.size(); ++i) {
    const bool last = i + 1 == architectures.size();
    out += digits(architectures[i]) + (last ? "" : "-real;");
  }
  return out;
}

std::string image_for(const Knowledge& tables, std::string_view use) {
  const knowledge::PlainImage* row = tables.releases.image(use);
  return row == nullptr ? std::string() : row->image;
}

std::string build_image(const Template& chosen, const Candidate& candidate,
                        const Knowledge& tables) {
  if (chosen.stack == Stack::kToolkit)
    return fmt::format("nvidia/cuda:{}-devel-{}", candidate.cuda, candidate.variant);
  return chosen.stack == Stack::kConda ? image_for(tables, "micromamba") : std::string();
}

std::string run_image(const Template& chosen, const Candidate& candidate, const Knowledge& tables) {
  if (chosen.stack == Stack::kConda) return image_for(tables, "debian");
  if (chosen.stack != Stack::kToolkit) return image_for(tables, "python");
  return image_for(tables, chosen.build_on.empty() ? candidate.variant : "distroless");
}

/// ARGs of the Dockerfile that differ between hosts.
Pairs build_args(const Template& chosen, const Choice& choice, const Knowledge& tables) {
  const Candidate& one = choice.candidate;
  switch (chosen.stack) {
    case Stack::kTorch:
    case Stack::kRocm:
      return {{"TORCH_VERSION", fmt::format("{}+{}", one.version, one.variant)},
              {"TORCH_INDEX", "https://download.pytorch.org/whl/" + one.variant}};
    case Stack::kJax:
      return {{"JAX_VERSION", one.version}, {"JAX_CUDA", one.variant}, {"CUDA_TOOLKIT", one.cuda}};
    case Stack::kToolkit: {
      Pairs out = {{"BUILD_IMAGE", build_image(chosen, one, tables)},
                   {"CUDA_ARCHITECTURES", cmake_architectures(choice.architectures)},
                   {"CPU_MARCH", choice.march}};
      if (chosen.build_on.empty()) out.emplace_back("RUN_IMAGE", run_image(chosen, one, tables));
      return out;
    }
    case Stack::kConda:
      break;
  }
  return {};
}

/// What the image asks of a host, by the names that `flense check --emit labels` gives.
Pairs labels(const Choice& choice) {
  Pairs out;
  const auto add = [&](const char* name, std::string value) {
    if (!value.empty())
      out.emplace_back(std::string("dev.flense.requires.") + name, std::move(value));
  };
  add("platform", choice.platform);
  add("cuda", choice.candidate.cuda.empty() ? "" : major_minor(choice.candidate.cuda));
  add("driver", choice.native_driver);
  add("driver-minor", choice.driver);
  add("rocm", choice.candidate.rocm);
  add("gpus", fmt::format("{}", fmt::join(gpu_words(choice.architectures), ",")));
  if (choice.march.starts_with("x86-64")) add("cpu", choice.march);
  return out;
}

std::string label_lines(const Pairs& pairs) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : pairs)
    lines.push_back(fmt::format("      {}=\"{}\"", name, value));
  return fmt::format("{}", fmt::join(lines, " \\\n"));
}

std::string hcl_object(const Pairs& pairs) {
  std::vector<std::string> members;
  for (const auto& [name, value] : pairs)
    members.push_back(fmt::format("\"{}\" = \"{}\"", name, value));
  return fmt::format("{{{}}}", fmt::join(members, ", "));
}

/// A word that may name a target, a job or a tag: "h100-550-54-15".
std::string slug(std::string_view words) {
  std::string out;
  for (const char c : words) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
    if (plain)
      out += c;
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  return out;
}

struct HostRow {
  std::string words;
  const Choice* choice = nullptr;
};

std::string bake_rows(const Template& chosen, const std::vector<HostRow>& rows,
                      const Knowledge& tables) {
  std::string out;
  for (const HostRow& row : rows)
    out += fmt::format(
        "      {{\n        name   = \"{}\"\n        args   = {}\n        labels = {}\n      }},\n",
        slug(row.words), hcl_object(build_args(chosen, *row.choice, tables)),
        hcl_object(labels(*row.choice)));
  if (!out.empty()) out.pop_back();
  return out;
}

std::string workflow_rows(const std::vector<HostRow>& rows) {
  std::string out;
  for (const HostRow& row : rows)
    out += fmt::format("          - name: {}\n            host: {}\n            gpu: {}\n",
                       slug(row.words), row.words,
                       fmt::join(gpu_words(row.choice->architectures), ","));
  if (!out.empty()) out.pop_back();
  return out;
}

/// A cell of a Markdown table.
std::string cell(std::string text) {
  std::string out;
  for (const char c : text)
    out += c == '|' ? std::string("\\|") : std::string(1, c == '\n' ? ' ' : c);
  return out;
}

std::string reason_rows(const std::vector<Reason>& reasons) {
  std::string out;
  for (const Reason& one : reasons)
    out += fmt::format("| {} | `{}` | {} | {} |\n", one.name, one.value, cell(one.why),
                       cell(one.source));
  if (!out.empty()) out.pop_back();
  return out;
}

std::string passed_over(const Choice& choice) {
  std::string out;
  for (const Rejection& one : choice.rejected) out += fmt::format("- {}\n", cell(sentence(one)));
  if (!out.empty()) out.pop_back();
  return out;
}

Marks marks_for(const Project& project, const Knowledge& tables) {
  const Choice& choice = project.choice;
  const Candidate& candidate = choice.candidate;
  std::vector<std::string> words, arguments;
  std::vector<HostRow> rows;
  for (std::size_t i = 0; i < choice.hosts.size(); ++i) {
    words.push_back(choice.hosts[i].name);
    arguments.push_back("--host " + choice.hosts[i].name);
    rows.push_back({choice.hosts[i].name, i < project.each.size() ? &project.each[i] : &choice});
  }
  Marks out = {
      {"project", project.chosen.name},
      {"summary", project.chosen.summary},
      {"hosts", fmt::format("{}", fmt::join(words, ", "))},
      {"host_arguments", fmt::format("{}", fmt::join(arguments, " "))},
      {"build_image", build_image(project.chosen, candidate, tables)},
      {"run_image", run_image(project.chosen, candidate, tables)},
      {"environment", project.chosen.stack == Stack::kConda ? "/opt/conda/envs/app" : "/opt/venv"},
      {"version", candidate.version},
      {"cuda", candidate.cuda},
      {"cuda_minor", major_minor(candidate.cuda)},
      {"least_driver", choice.driver},
      {"gpus", fmt::format("{}", fmt::join(gpu_words(choice.architectures), ","))},
      {"platform", choice.platform},
      {"labels", label_lines(labels(choice))},
      {"gpu_resource", project.chosen.vendor == "amd" ? "amd.com/gpu" : "nvidia.com/gpu"},
      {"bake_args", hcl_object(build_args(project.chosen, choice, tables))},
      {"bake_hosts", bake_rows(project.chosen, rows, tables)},
      {"workflow_hosts", workflow_rows(rows)},
      {"reasons", reason_rows(project.reasons)},
      {"passed_over", passed_over(choice)},
      {"nvidia", project.chosen.vendor == "nvidia" ? "yes" : ""},
      {"amd", project.chosen.vendor == "amd" ? "yes" : ""},
  };
  for (auto& [name, value] : build_args(project.chosen, choice, tables)) out[name] = value;
  if (const auto& releases = tables.releases.flense; releases.empty())
    out["unpublished"] = "yes";
  else
    out.insert({{"flense_version", releases.front().version},
                {"flense_sha256", releases.front().sha256},
                {"flense_url", releases.front().url}});
  return out;
}

/// Machines that one choice is right for: the same twice, or a thousand of a cluster.
using Alike = std::vector<Profile>;

std::vector<Alike> different(const std::vector<Profile>& hosts, const Knowledge& tables) {
  std::vector<Alike> out;
  std::map<std::string, std::size_t> places;
  for (const Profile& host : hosts) {
    const std::string key = host_words(host, tables) + host.system.architecture.value.value_or("");
    const auto [at, fresh] = places.try_emplace(key, out.size());
    if (fresh) out.emplace_back();
    out[at->second].push_back(host);
  }
  return out;
}

/// Only programs that the project itself compiles have use for it.
std::string march_for(const Template& chosen, const std::vector<Profile>& hosts) {
  return chosen.stack == Stack::kToolkit ? host::weakest_processor(hosts).march : std::string();
}

}  // namespace

std::vector<std::string> gpu_words(const std::vector<std::string>& architectures) {
  std::vector<std::string> out;
  for (const std::string& one : architectures)
    out.push_back(one.starts_with("gfx") ? one : "sm_" + digits(one));
  return out;
}

Result<Project> make_project(const Template& chosen, const std::vector<Profile>& told,
                             const Knowledge& tables) {
  const std::vector<Alike> groups = different(told, tables);
  std::vector<Profile> hosts;
  for (const Alike& alike : groups) hosts.push_back(alike.front());
  if (hosts.size() > kMaxHosts)
    return fail(Code::kUsage, "{} different hosts are named, and one project is for at most {}",
                hosts.size(), kMaxHosts);
  Project out;
  out.chosen = chosen;
  TRY(out.choice, choose(chosen, hosts, tables));
  out.choice.march = march_for(chosen, told);
  // Conda's versions are in environment.yml, of which there is only one.
  if (chosen.stack != Stack::kConda)
    for (const Alike& alike : groups) {
      TRY(Choice one, choose(chosen, {alike.front()}, tables));
      one.march = march_for(chosen, alike);
      out.each.push_back(std::move(one));
    }
  out.reasons =
      reasons_for(chosen, out.choice, tables, run_image(chosen, out.choice.candidate, tables),
                  build_image(chosen, out.choice.candidate, tables));
  Marks marks = marks_for(out, tables);
  TRY(marks["why"], render(embedded_text("common/why.md"), marks, "common/why.md"));
  for (const TemplateFile& file : chosen.files) {
    TRY(const std::string text, template_text(file.source));
    TRY(std::string rendered, render(text, marks, file.source));
    out.files.push_back({file.path, std::move(rendered)});
  }
  return out;
}

}  // namespace flense::scaffold
