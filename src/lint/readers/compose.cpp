// Compose files (Compose Specification): the services as workloads. Whatever Compose itself would
// reject as malformed is a problem; values that depend on the caller's environment are unknown.
#include <algorithm>

#include "base/format.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"

namespace flense::lint {

namespace {

using text::YamlMember;
using text::YamlNode;

class Service {
 public:
  Service(const SourceText& source, const YamlMember& member, FileContent& file)
      : source_(source), node_(*member.value), file_(file) {
    out_.kind = WorkloadKind::kCompose;
    out_.path = source.path();
    out_.name = member.key;
    out_.span = span_of(member.at);
    out_.node = out_.object = &node_;
  }

  Workload read() {
    image_and_build();
    commands();
    environment();
    mounts();
    devices();
    gpus();
    runtime();
    return std::move(out_);
  }

 private:
  /// "volumes: !reset": what an earlier file says is taken away.
  static bool is_reset(const YamlNode& node) { return node.tag == "!reset"; }

  /// What the service says at a key.
  const YamlNode& given(std::string_view key) const {
    static const YamlNode kNone;
    const YamlNode& node = node_[key];
    return is_reset(node) ? kNone : node;
  }

  void problem(const YamlNode& at, std::string message) {
    if (is_reset(at)) return;
    file_.problems.push_back({span_of(at.at), std::move(message)});
  }

  /// A scalar with its variables replaced where they have defaults.
  static Word value(const YamlNode& node) {
    Word word = word_of(node);
    if (auto known = interpolate(word.text)) word.text = std::move(*known);
    return word;
  }

  /// The list at a key; a problem, and nothing, where it is something else.
  const std::vector<const YamlNode*>& list(const YamlNode& parent, std::string_view key) {
    static const std::vector<const YamlNode*> kNone;
    const YamlNode* node = parent.find(key);
    if (node == nullptr || node->is_null() || is_reset(*node)) return kNone;
    if (!node->is_sequence()) problem(*node, fmt::format("{} is a list", key));
    return node->items;
  }

  void image_and_build() {
    const YamlNode& image = given("image");
    if (image.is_mapping() || image.is_sequence()) problem(image, "image is a text");
    if (image.is_scalar()) set_image(out_, value(image));
    const YamlNode& build = given("build");
    if (build.is_sequence()) problem(build, "build is a text or a mapping");
    if (build.is_scalar()) out_.build_context = value(build);
    if (!build.is_mapping()) return;
    const YamlNode& context = build["context"];
    out_.build_context = context.is_scalar() ? value(context) : Word{".", span_of(build.at)};
    if (build["dockerfile"].is_scalar()) out_.dockerfile = value(build["dockerfile"]);
  }

  std::vector<Word> words(std::string_view key) {
    const YamlNode& node = given(key);
    std::vector<Word> out;
    if (node.is_mapping()) problem(node, fmt::format("{} is a text or a list", key));
    if (node.is_scalar()) {
      out = split_words(source_, node);
      for (Word& word : out)
        if (auto known = interpolate(word.text)) word.text = std::move(*known);
    }
    for (const YamlNode* item : node.items) out.push_back(value(*item));
    return out;
  }

  void commands() {
    out_.command = words("entrypoint");
    out_.arguments = words("command");
  }

  void environment() {
    const YamlNode& node = given("environment");
    if (node.is_scalar()) problem(node, "environment is a mapping or a list");
    for (const YamlMember& member : node.members) {
      Variable variable{member.key, std::nullopt, span_of(member.at)};
      if (member.value->is_scalar()) variable.value = interpolate(member.value->text);
      out_.variables.push_back(std::move(variable));
    }
    for (const YamlNode* item : node.items) {
      const Word word = word_of(*item);
      const std::size_t equals = word.text.find('=');
      Variable variable{word.text.substr(0, equals), std::nullopt, word.span};
      if (equals != word.text.npos) variable.value = interpolate(word.text.substr(equals + 1));
      out_.variables.push_back(std::move(variable));
    }
  }

  void mounts() {
    for (const YamlNode* item : list(node_, "volumes")) {
      if (item->is_scalar()) {
        const Word word = word_of(*item);
        out_.mounts.push_back(short_mount(word.text, word.span));
      } else if (item->is_mapping()) {
        out_.mounts.push_back(long_mount(*item));
      } else if (item->tag != "!template") {
        problem(*item, "a volume is a text or a mapping");
      }
    }
    const YamlNode& tmpfs = given("tmpfs");
    if (tmpfs.is_scalar()) add_tmpfs(tmpfs);
    for (const YamlNode* item : tmpfs.items) add_tmpfs(*item);
    const YamlNode& read_only = given("read_only");
    if (read_only.boolean() == true) out_.writable_root = false;
  }

  WorkloadMount long_mount(const YamlNode& node) {
    WorkloadMount out;
    out.span = span_of(node.at);
    const std::string_view type = node["type"].text_or("volume");
    out.kind = type == "bind"     ? MountKind::kBind
               : type == "volume" ? MountKind::kVolume
               : type == "tmpfs"  ? MountKind::kTmpfs
                                  : MountKind::kOther;
    out.source = value(node["source"]).text;
    out.target = value(node["target"]).text;
    out.read_only = node["read_only"].boolean() == true;
    const YamlNode& size = node["tmpfs"]["size"];
    if (size.is_scalar()) out.bytes = docker_bytes(size.text);
    return out;
  }

  void add_tmpfs(const YamlNode& node) {
    const Word word = value(node);
    WorkloadMount out;
    out.kind = MountKind::kTmpfs;
    out.span = word.span;
    const std::size_t colon = word.text.find(':');
    out.target = word.text.substr(0, colon);
    if (const std::size_t size = word.text.find("size=", colon == word.text.npos ? 0 : colon);
        colon != word.text.npos && size != word.text.npos) {
      const std::string_view rest = std::string_view(word.text).substr(size + 5);
      out.bytes = docker_bytes(rest.substr(0, rest.find(',')));
    }
    out_.mounts.push_back(std::move(out));
  }

  void devices() {
    for (const YamlNode* item : list(node_, "devices")) {
      if (item->is_scalar()) add_device(out_, value(*item));
      if (item->is_mapping()) add_device(out_, value((*item)["source"]));
    }
    for (const YamlNode* item : list(node_, "group_add")) out_.groups.push_back(value(*item));
  }

  void gpus() {
    const YamlNode& gpus = given("gpus");
    if (gpus.is_scalar()) {
      GpuAsk ask;
      ask.vendor = "nvidia";
      ask.span = word_of(gpus).span;
      if (gpus.text == "all") {
        ask.all = true;
        out_.gpus.push_back(std::move(ask));
      } else if (const auto count = gpus.integer(); count && *count >= 0) {
        // Rejected by Compose, and a rule reports it; the intention is clear.
        ask.count = static_cast<std::uint64_t>(*count);
        out_.gpus.push_back(std::move(ask));
      }
    }
    for (const YamlNode* item : gpus.items) request(*item, false);
    const YamlNode& devices = given("deploy")["resources"]["reservations"]["devices"];
    if (devices.is_mapping() || devices.is_scalar())
      problem(devices, "deploy.resources.reservations.devices is a list");
    for (const YamlNode* item : devices.items) request(*item, true);
  }

  /// One entry of `gpus:` or of deploy's devices.
  void request(const YamlNode& node, bool needs_capability) {
    if (!node.is_mapping()) return;
    GpuAsk ask;
    ask.span = span_of(node.at);
    const std::string_view driver = node["driver"].text_or();
    bool gpu = !needs_capability || driver == "nvidia" || driver == "amd";
    for (const YamlNode* one : node["capabilities"].items) {
      const std::string_view capability = one->text_or();
      gpu = gpu || capability == "gpu" || capability == "nvidia" || capability == "amdgpu";
    }
    for (const YamlNode* id : node["device_ids"].items) ask.devices.push_back(value(*id).text);
    if (driver == "cdi") {
      for (const YamlNode* id : node["device_ids"].items) add_device(out_, value(*id));
      return;
    }
    // Devices of another driver are not GPUs that we know.
    if (!gpu) return;
    ask.vendor = driver == "amd" ? "amd" : "nvidia";
    const YamlNode& count = node["count"];
    if (const auto number = count.integer(); number && *number >= 0)
      ask.count = static_cast<std::uint64_t>(*number);
    ask.all = count.text_or() == "all" || (ask.devices.empty() && count.is_null());
    if (!ask.devices.empty()) ask.count = ask.devices.size();
    out_.gpus.push_back(std::move(ask));
  }

  void runtime() {
    const YamlNode& runtime = given("runtime");
    if (runtime.is_scalar()) out_.runtime = value(runtime);
    if (out_.runtime && out_.runtime->text == "nvidia" && out_.gpus.empty()) visible_devices();
    const YamlNode& privileged = given("privileged");
    if (privileged.boolean() == true) out_.privileged = word_of(privileged);
    const YamlNode& ipc = given("ipc");
    out_.host_ipc = value(ipc).text == "host";
    const YamlNode& shm = given("shm_size");
    if (shm.is_scalar()) out_.shm_bytes = docker_bytes(value(shm).text);
    const YamlNode& limit = given("mem_limit");
    const YamlNode& deployed = given("deploy")["resources"]["limits"]["memory"];
    if (limit.is_scalar()) out_.memory_limit = docker_bytes(value(limit).text);
    const YamlNode& swap = given("memswap_limit");
    if (const auto bytes = docker_bytes(value(swap).text))
      out_.swap_limit = {*bytes, word_of(swap).span};
    if (deployed.is_scalar()) out_.memory_limit = docker_bytes(value(deployed).text);
  }

  /// The nvidia runtime gives what the variable names.
  void visible_devices() {
    for (const Variable& variable : out_.variables) {
      if (variable.name != "NVIDIA_VISIBLE_DEVICES" || !variable.value) continue;
      std::string_view rest = *variable.value;
      if (rest.empty() || rest == "void" || rest == "none") return;
      GpuAsk ask;
      ask.vendor = "nvidia";
      ask.span = variable.span;
      ask.all = rest == "all";
      while (!ask.all && !rest.empty()) {
        const std::string_view one = rest.substr(0, rest.find(','));
        ask.devices.emplace_back(one);
        rest.remove_prefix(std::min(one.size() + 1, rest.size()));
      }
      if (!ask.all) ask.count = ask.devices.size();
      out_.gpus.push_back(std::move(ask));
      return;
    }
  }

  const SourceText& source_;
  const YamlNode& node_;
  FileContent& file_;
  Workload out_;
};

void read_document(const SourceText& source, const YamlNode& document, FileContent& file) {
  if (document.is_null()) return;
  if (!document.is_mapping()) {
    file.problems.push_back({span_of(document.at), "a Compose file is a mapping with services"});
    return;
  }
  const YamlNode* services = document.find("services");
  if (services == nullptr || services->is_null()) return;
  if (!services->is_mapping()) {
    file.problems.push_back({span_of(services->at), "services is a mapping of names to services"});
    return;
  }
  for (const YamlMember& member : services->members) {
    if (member.key.starts_with("x-")) continue;
    if (member.value->is_mapping())
      file.workloads.push_back(Service(source, member, file).read());
    else if (member.value->tag.empty())
      file.problems.push_back(
          {span_of(member.at), fmt::format("the service {} is a mapping", member.key)});
  }
}

}  // namespace

FileContent read_compose(const SourceText& source) {
  FileContent out = read_yaml(source);
  for (const YamlNode* document : out.yaml->documents) read_document(source, *document, out);
  return out;
}

}  // namespace flense::lint
