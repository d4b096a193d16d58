#include "scaffold/project_json.h"

namespace flense::scaffold {

namespace {

using text::Json;

Json texts(const std::vector<std::string>& all) {
  Json out = Json::array();
  for (const std::string& one : all) out.push(one);
  return out;
}

Json host_json(const HostSide& host) {
  Json out = Json::object();
  out.set("name", host.name);
  out.set("source", host.source);
  out.set("architectures", texts(host.architectures));
  if (!host.driver.empty()) out.set("driver", host.driver);
  out.set("driver_assumed", host.assumed);
  out.set("minor_version_mode", !host.native);
  out.set("verdict", compat::to_string(host.verdict));
  return out;
}

Json build_json(const Choice& choice) {
  const Candidate& one = choice.candidate;
  Json out = Json::object();
  out.set("name", one.name);
  if (!one.version.empty()) out.set("version", one.version);
  out.set("variant", one.variant);
  if (!one.cuda.empty()) out.set("cuda", one.cuda);
  if (!one.rocm.empty()) out.set("rocm", one.rocm);
  out.set("platform", choice.platform);
  out.set("architectures", texts(choice.architectures));
  if (!choice.march.empty()) out.set("march", choice.march);
  if (!choice.driver.empty()) out.set("least_driver", choice.driver);
  out.set("source", one.source);
  return out;
}

}  // namespace

Json project_json(const Project& project, std::string_view directory, bool written) {
  Json out = Json::object();
  out.set("schema", "flense/init/v1");
  out.set("template", project.chosen.name);
  out.set("directory", directory);
  out.set("written", written);
  out.set("build", build_json(project.choice));
  Json hosts = Json::array();
  for (const HostSide& host : project.choice.hosts) hosts.push(host_json(host));
  out.set("hosts", std::move(hosts));
  Json reasons = Json::array();
  for (const Reason& one : project.reasons) {
    Json row = Json::object();
    row.set("name", one.name);
    row.set("value", one.value);
    row.set("why", one.why);
    row.set("source", one.source);
    reasons.push(std::move(row));
  }
  out.set("reasons", std::move(reasons));
  Json rejected = Json::array();
  for (const Rejection& one : project.choice.rejected) {
    Json row = Json::object();
    row.set("build", one.candidate);
    row.set("host", one.host);
    row.set("why", one.why);
    row.set("source", one.source);
    rejected.push(std::move(row));
  }
  out.set("rejected", std::move(rejected));
  Json files = Json::array();
  for (const ProjectFile& file : project.files) {
    Json row = Json::object();
    row.set("path", file.path);
    row.set("bytes", std::uint64_t{file.text.size()});
    files.push(std::move(row));
  }
  out.set("files", std::move(files));
  return out;
}

Json templates_json(const std::vector<Template>& all) {
  Json rows = Json::array();
  for (const Template& one : all) {
    Json row = Json::object();
    row.set("name", one.name);
    row.set("summary", one.summary);
    row.set("vendor", one.vendor);
    row.set("files", std::uint64_t{one.files.size()});
    rows.push(std::move(row));
  }
  Json out = Json::object();
  out.set("schema", "flense/init/v1");
  out.set("templates", std::move(rows));
  return out;
}

}  // namespace flense::scaffold
