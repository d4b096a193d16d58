#include "inventory/describe/start.h"

#include <utility>

#include "base/path.h"

namespace flense::inventory {

std::map<std::string, std::string> environment(const image::Image& image) {
  std::map<std::string, std::string> out;
  for (const text::Json& item : image.config["config"]["Env"].items()) {
    const std::string_view text = item.text();
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

std::string environment_value(const image::Image& image, std::string_view name) {
  for (const text::Json& variable : image.config["config"]["Env"].items()) {
    const std::string_view text = variable.text();
    if (text.starts_with(name) && text.size() > name.size() && text[name.size()] == '=')
      return std::string(text.substr(name.size() + 1));
  }
  return {};
}

std::string_view forces_ptx(const std::map<std::string, std::string>& environment) {
  for (const char* name : {"CUDA_FORCE_PTX_JIT", "CUDA_FORCE_JIT"})
    if (const auto at = environment.find(name);
        at != environment.end() && !at->second.empty() && at->second != "0")
      return name;
  return {};
}

std::vector<std::string> split_path_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view item = text.substr(0, colon);
    if (!item.empty()) out.push_back(resolve_link_text("", item));
    text = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  }
  return out;
}

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::vector<std::string> program_path(const image::Image& image) {
  const std::string path = environment_value(image, "PATH");
  return split_path_list(path.empty() ? std::string_view(kDefaultPath) : std::string_view(path));
}

std::vector<std::string> start_paths(const image::Image& image) {
  std::vector<std::string> out;
  const text::Json& container = image.config["config"];
  const std::vector<std::string> directories = program_path(image);
  for (const text::Json* words :
       {&container["Entrypoint"], &container["Cmd"], &container["Healthcheck"]["Test"]}) {
    for (const text::Json& item : words->items()) {
      const std::string word(item.text());
      if (word.empty()) continue;
      out.push_back(resolve_link_text(container["WorkingDir"].text(), word));
      if (word.find('/') != std::string::npos) continue;
      for (const std::string& directory : directories) out.push_back(directory + "/" + word);
    }
  }
  return out;
}

LibraryPaths library_paths(const image::Image& image) {
  return {split_path_list(environment_value(image, "LD_LIBRARY_PATH")),
          {"lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu",
           "usr/lib/aarch64-linux-gnu", "lib64", "usr/lib64", "lib", "usr/lib", "usr/local/lib",
           "usr/local/cuda/lib64"}};
}

// Where /usr is merged, /lib is a link and holds nothing of its own.
bool uses_musl(const image::MergedTree& tree) {
  bool musl = false, glibc = false;
  for (const char* directory : {"lib", "lib64", "usr/lib", "usr/lib64"}) {
    for (const std::string& name : tree.list(directory)) {
      musl |= name.starts_with("ld-musl-");
      glibc |= name.starts_with("ld-linux");
    }
  }
  return musl && !glibc;
}

}  // namespace flense::inventory
