#include "slim/make_plan.h"

#include <algorithm>
#include <set>

#include "base/path.h"
#include "inventory/build_needs.h"
#include "slim/closure.h"
#include "slim/draft.h"

namespace flense::slim {

namespace {

std::string environment_value(const image::Image& image, std::string_view name) {
  for (const text::Json& variable : image.config["config"]["Env"].items()) {
    const std::string_view text = variable.text();
    if (text.starts_with(name) && text.size() > name.size() && text[name.size()] == '=')
      return std::string(text.substr(name.size() + 1));
  }
  return {};
}

/// musl is the C library when its loader is there and glibc's is not. Where /usr is merged, /lib is
/// a link and holds nothing of its own.
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

std::vector<std::string> split_list(std::string_view text) {
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
  return split_list(path.empty() ? std::string_view(kDefaultPath) : std::string_view(path));
}

/// Files that the words of the entry point, the command and the health check may mean: the program,
/// the script that an interpreter gets. Words that mean none did not exist before either.
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

const Edit* edit_of(const Plan& plan, image::EntryRef ref) {
  const auto& edits = plan.layers[ref.layer].edits;
  const auto found = edits.find(ref.index);
  return found == edits.end() ? nullptr : &found->second;
}

}  // namespace

bool forces_ptx(const image::Image& image) {
  const std::string forced = environment_value(image, "CUDA_FORCE_PTX_JIT");
  return !forced.empty() && forced != "0";
}

Result<Plan> make_plan(const image::Image& image, const inventory::Contents& contents,
                       const inventory::Inventory& inventory, const SlimOptions& options) {
  const inventory::BuildNeeds needs = inventory::find_build_needs(contents, inventory.packages);
  const PassContext context{image, contents, options, needs, uses_musl(contents.tree())};
  Draft draft(contents, options.keep);
  shadowed_files_pass(context, draft);
  waste_files_pass(context, draft);
  gpu_files_pass(context, draft);
  device_code_pass(context, draft);
  settle_hard_links(context, draft);
  Plan plan = std::move(draft).finish();

  plan.input = image.name;
  plan.input_digest = image.manifest_digest;
  plan.targets = options.targets;
  plan.level = options.level;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    plan.layers[i].digest = image.layers[i].blob.digest;
    plan.layers[i].content_bytes = contents.scans()[i]->content_bytes;
  }
  std::set<std::string> told;
  for (const std::string& evidence : {needs.host_compiler, needs.cuda_compiler, needs.cuda_headers})
    if (!evidence.empty() && told.insert(evidence).second)
      plan.notices.push_back("build files stay: " + evidence);
  if (forces_ptx(image)) plan.notices.emplace_back("PTX stays: the image sets CUDA_FORCE_PTX_JIT");
  if (!options.targets.amd.empty())
    plan.notices.emplace_back(
        options.targets.cuda.empty()
            ? "no device code is pruned: this version prunes for NVIDIA targets alone"
            : "AMD device code stays: this version prunes for NVIDIA targets alone");
  return plan;
}

std::vector<std::string> verify_plan(const image::Image& image, const inventory::Contents& contents,
                                     const Plan& plan) {
  const image::MergedTree& tree = contents.tree();
  ClosureInput input;
  contents.for_each_file([&](const inventory::VisibleFile& file) {
    const auto& scripts = contents.scan(file.content).scripts;
    if (const auto script = scripts.find(file.content.index); script != scripts.end())
      input.scripts.push_back({std::string(file.path), script->second});
    const inventory::ElfFacts* facts = contents.elf(file.content);
    if (facts == nullptr) return;
    input.files.push_back(
        {std::string(file.path), facts->needed, facts->rpath, facts->runpath, facts->interpreter});
  });
  input.library_path = split_list(environment_value(image, "LD_LIBRARY_PATH"));
  input.system_directories = {"lib/x86_64-linux-gnu",
                              "usr/lib/x86_64-linux-gnu",
                              "lib/aarch64-linux-gnu",
                              "usr/lib/aarch64-linux-gnu",
                              "lib64",
                              "usr/lib64",
                              "lib",
                              "usr/lib",
                              "usr/local/lib",
                              "usr/local/cuda/lib64"};
  input.program_path = program_path(image);
  input.must_exist = start_paths(image);

  const auto found = [&](const std::string& path) -> std::optional<image::MergedTree::Found> {
    const auto real = tree.resolve(path);
    if (!real) return std::nullopt;
    const auto entry = tree.find(*real);
    if (!entry || !entry->content) return std::nullopt;
    return entry;
  };
  const Exists before = [&](const std::string& path) { return found(path).has_value(); };
  const Exists after = [&](const std::string& path) {
    const auto entry = found(path);
    if (!entry) return false;
    const Edit* own = edit_of(plan, *entry->entry);
    if (own != nullptr && (own->action == Action::kDrop || own->action == Action::kRename))
      return false;
    const Edit* content = edit_of(plan, *entry->content);
    return content == nullptr || content->action != Action::kDrop;
  };
  return broken_links(input, before, after);
}

}  // namespace flense::slim
