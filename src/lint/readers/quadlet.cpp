// Podman's Quadlet units (podman-systemd.unit(5)): the [Container] section as a workload.
#include <iterator>

#include "lint/readers/launch_words.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"
#include "lint/readers/unit_file.h"

namespace flense::lint {

namespace {

bool is_switched_on(std::string_view value) {
  return value == "true" || value == "yes" || value == "on" || value == "1";
}

class Container {
 public:
  explicit Container(const SourceText& source) {
    out_.kind = WorkloadKind::kQuadlet;
    out_.path = source.path();
  }

  void take(const UnitEntry& entry) {
    const std::string& key = entry.key.text;
    const Word& value = entry.value;
    // Specifiers such as %h are systemd's; a text that contains one is kept as written.
    if (key == "Image") set_image(out_, value);
    if (key == "ContainerName") out_.name = value.text;
    if (key == "Exec") out_.arguments = words(value);
    if (key == "Entrypoint") out_.command = words(value);
    if (key == "Environment") environment(value);
    if (key == "Volume") volume(value);
    if (key == "Mount") out_.mounts.push_back(mount_of(value));
    if (key == "Tmpfs") tmpfs(value);
    if (key == "AddDevice") device(value);
    if (key == "GroupAdd") out_.groups.push_back(value);
    if (key == "ShmSize") out_.shm_bytes = docker_bytes(value.text);
    if (key == "Memory") out_.memory_limit = docker_bytes(value.text);
    if (key == "ReadOnly") out_.writable_root = !is_switched_on(value.text);
    if (key == "PodmanArgs") engine_arguments(words(value));
  }

  Workload finish(Span section) {
    out_.span = out_.image.text.empty() ? section : out_.image.span;
    return std::move(out_);
  }

 private:
  static std::vector<Word> words(const Word& value) {
    return split_words(value.text, value.span.begin);
  }

  void environment(const Word& value) {
    for (const Word& word : words(value)) {
      const std::size_t equals = word.text.find('=');
      Variable variable{word.text.substr(0, equals), std::nullopt, word.span};
      if (equals != word.text.npos) variable.value = word.text.substr(equals + 1);
      out_.variables.push_back(std::move(variable));
    }
  }

  void tmpfs(const Word& value) {
    WorkloadMount mount;
    mount.kind = MountKind::kTmpfs;
    mount.span = value.span;
    mount.target = value.text.substr(0, value.text.find(':'));
    out_.mounts.push_back(std::move(mount));
  }

  void volume(const Word& value) {
    WorkloadMount mount = short_mount(value.text, value.span);
    // %h/data is a path, data.volume a unit.
    if (mount.source.starts_with('%')) mount.kind = MountKind::kBind;
    out_.mounts.push_back(std::move(mount));
  }

  /// PodmanArgs= are options of podman run: as if they stood there.
  void engine_arguments(const std::vector<Word>& options) {
    std::vector<LaunchWord> line = {{{"podman", {}}}, {{"run", {}}}};
    for (const Word& option : options) line.push_back({option});
    line.push_back({{"image", {}}});
    std::vector<Workload> started;
    read_docker(line, 0, Workload(), started);
    for (Workload& one : started) {
      const auto append = [](auto& to, auto& from) {
        to.insert(to.end(), std::make_move_iterator(from.begin()),
                  std::make_move_iterator(from.end()));
      };
      append(out_.mounts, one.mounts);
      append(out_.variables, one.variables);
      append(out_.gpus, one.gpus);
      append(out_.devices, one.devices);
      append(out_.groups, one.groups);
      if (one.shm_bytes) out_.shm_bytes = one.shm_bytes;
      if (one.memory_limit) out_.memory_limit = one.memory_limit;
      if (one.privileged) out_.privileged = one.privileged;
      if (one.runtime) out_.runtime = one.runtime;
      out_.host_ipc = out_.host_ipc || one.host_ipc;
    }
  }

  void device(Word value) {
    if (value.text.starts_with('-')) value.text.erase(0, 1);
    add_device(out_, std::move(value));
  }

  Workload out_;
};

}  // namespace

FileContent read_quadlet(const SourceText& source) {
  UnitFile unit = parse_unit(source);
  Container container(source);
  Span section;
  for (const UnitEntry& entry : unit.entries) {
    if (entry.section != "Container") continue;
    if (section.empty()) section = entry.key.span;
    container.take(entry);
  }
  FileContent out;
  out.problems = std::move(unit.problems);
  if (!section.empty()) out.workloads.push_back(container.finish(section));
  return out;
}

}  // namespace flense::lint
