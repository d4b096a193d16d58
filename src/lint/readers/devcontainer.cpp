// devcontainer.json (containers.dev, "Dev Container metadata reference"): JSON with comments and
// trailing commas; an image, or the arguments of a build, and docker's own arguments.
#include <algorithm>

#include "lint/readers/launch_words.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

using text::YamlMember;
using text::YamlNode;

/// Comments as blanks, so that every place stays; what is left is YAML's flow style.
std::string without_comments(std::string_view text) {
  std::string out(text);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at)
        if (text[at] == '\\') ++at;
      continue;
    }
    const std::string_view two = text.substr(at, 2);
    if (two != "//" && two != "/*") continue;
    std::size_t end = two == "//" ? text.find('\n', at) : text.find("*/", at + 2);
    end = end == text.npos ? text.size() : two == "//" ? end : end + 2;
    for (; at < end; ++at)
      if (out[at] != '\n') out[at] = ' ';
    --at;
  }
  return out;
}

void read_build(const YamlNode& top, const std::string& path, FileContent& out) {
  const YamlNode& build = top["build"];
  BuildTarget target;
  target.path = path;
  // Both names are in use; the path begins at the file's own directory.
  target.dockerfile =
      word_of(build.find("dockerfile") != nullptr ? build["dockerfile"] : top["dockerFile"]);
  if (target.dockerfile.text.empty()) return;
  target.dockerfile.text = path_below(directory_of(path), target.dockerfile.text);
  for (const YamlMember& member : build["args"].members)
    target.args.emplace_back(Word{member.key, span_of(member.at)}, word_of(*member.value));
  if (!target.args.empty()) out.names.builds.push_back(std::move(target));
}

void read_container(const YamlNode& top, const std::string& path, FileContent& out) {
  std::vector<LaunchWord> words = {{Word{"docker", {}}}, {Word{"run", {}}}};
  for (const YamlNode* item : top["runArgs"].items) words.push_back({word_of(*item)});
  words.push_back({word_of(top["image"])});
  Workload base;
  base.path = path;
  base.span = words.back().word.span;
  const std::size_t before = out.workloads.size();
  read_docker(words, 0, std::move(base), out.workloads);
  if (out.workloads.size() == before) return;
  Workload& made = out.workloads.back();
  for (const YamlMember& member : top["containerEnv"].members)
    made.variables.push_back({member.key, member.value->text, span_of(member.at)});
  for (const YamlNode* item : top["mounts"].items)
    if (item->is_scalar()) made.mounts.push_back(mount_of(word_of(*item)));
  const YamlNode* gpu = top["hostRequirements"].find("gpu");
  if (gpu != nullptr && gpu->text_or() != "false" && made.gpus.empty()) {
    GpuAsk ask;
    ask.vendor = "nvidia";
    ask.all = true;
    ask.span = span_of(gpu->at);
    made.gpus.push_back(std::move(ask));
  }
}

}  // namespace

FileContent read_devcontainer(const SourceText& source) {
  const SourceText plain(source.path(), without_comments(source.text()));
  FileContent out = read_yaml(plain);
  for (const YamlNode* document : out.yaml->documents) {
    read_build(*document, source.path(), out);
    read_container(*document, source.path(), out);
  }
  return out;
}

}  // namespace flense::lint
