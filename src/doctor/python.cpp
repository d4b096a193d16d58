#include "doctor/python.h"

#include <algorithm>

#include "base/format.h"
#include "base/path.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string_view without_slash(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

/// PREFIX/lib/python3.11/site-packages and their like, in the order of sys.path; `version` is
/// "python3.11", or empty where the program does not tell.
void add_packages(const host::Tree& root, std::string_view prefix, std::string_view version,
                  std::vector<std::string>& out) {
  for (const char* library : {"local/lib", "lib", "lib64"}) {
    const std::string folder = prefix.empty() ? library : fmt::format("{}/{}", prefix, library);
    for (const std::string& name : root.list(folder)) {
      // Debian's own packages are in "python3", for all versions.
      if (version.empty() ? !name.starts_with("python3") : name != version && name != "python3")
        continue;
      for (const char* kind : {"site-packages", "dist-packages"}) {
        const std::string path = fmt::format("{}/{}/{}", folder, name, kind);
        if (root.is_directory(path) && std::find(out.begin(), out.end(), path) == out.end())
          out.push_back(path);
      }
    }
  }
}

/// The text between quotes; nullopt for None and everything else.
std::optional<std::string> quoted(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos || (text[start] != '\'' && text[start] != '"'))
    return std::nullopt;
  const std::size_t end = text.find(text[start], start + 1);
  if (end == std::string_view::npos) return std::nullopt;
  return host::clean(text.substr(start + 1, end - start - 1));
}

}  // namespace

std::optional<TorchVersion> parse_torch_version(std::string_view text) {
  TorchVersion out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t equal = line.find('=');
    if (equal == std::string_view::npos) continue;
    // "cuda: Optional[str] = '12.6'"
    const std::string_view left = line.substr(0, equal);
    const std::string name = host::clean(left.substr(0, left.find(':')));
    const std::string_view value = line.substr(equal + 1);
    if (name == "__version__")
      out.version = quoted(value).value_or("");
    else if (name == "cuda")
      out.cuda = quoted(value);
    else if (name == "hip")
      out.hip = quoted(value);
    else if (name == "xpu")
      out.xpu = quoted(value);
  }
  return out.version.empty() ? std::nullopt : std::optional(std::move(out));
}

Python visible_python(const Scene& scene) {
  const host::Tree& root = scene.machine.root;
  Python out;
  const std::string* list = scene.variable("PYTHONPATH");
  if (list != nullptr)
    for (const std::string& folder : directories_of(*list))
      out.packages.emplace_back(without_slash(folder));
  const std::string* path = scene.variable("PATH");
  for (const std::string& folder :
       directories_of(path != nullptr ? std::string_view(*path) : kDefaultPath)) {
    for (const char* name : {"python3", "python"}) {
      const std::string program = fmt::format("{}/{}", folder, name);
      if (!root.exists(program)) continue;
      out.program = program;
      const std::string real = root.resolve(program).value_or("");
      const std::string_view version =
          base_name(real).starts_with("python3.") ? base_name(real) : std::string_view();
      // The prefix of a virtual environment is where its link is, not where the link points.
      const std::string prefix(without_slash(parent_path(folder)));
      const Result<std::string> venv = root.read(prefix + "/pyvenv.cfg");
      const bool shared =
          !venv || host::toml_value(*venv, "include-system-site-packages") == "true";
      if (venv) add_packages(root, prefix, version, out.packages);
      const std::string* home = scene.variable("HOME");
      if (shared && home != nullptr)
        add_packages(root, fmt::format("{}/.local", without_slash(*home)), version, out.packages);
      if (!venv) add_packages(root, prefix, version, out.packages);
      if (venv && shared) add_packages(root, parent_path(parent_path(real)), version, out.packages);
      return out;
    }
  }
  return out;
}

}  // namespace flense::doctor
