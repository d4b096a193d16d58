#include "lint/facts/torch_installs.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/sure_installs.h"

namespace flense::lint {

namespace {

/// Packages that require torch, and so bring PyPI's newest where none is there.
bool brings_torch(std::string_view name) {
  return is_one_of(name, {"accelerate", "deepspeed", "demucs", "easyocr", "kornia", "lightning",
                          "lpips", "monai", "open-clip-torch", "openai-whisper", "peft",
                          "pytorch-lightning", "sentence-transformers", "stanza", "timm",
                          "torchmetrics", "trl", "ultralytics", "whisperx"});
}

}  // namespace

bool is_companion(std::string_view name) {
  return name == "torchvision" || name == "torchaudio";
}

bool brings_torchvision(std::string_view name) {
  return is_one_of(name, {"basicsr", "easyocr", "facexlib", "lpips", "open-clip-torch",
                          "segmentation-models-pytorch", "timm", "ultralytics"});
}

bool is_forced(const Install& install) {
  return install.command.has_option("--force-reinstall") ||
         install.command.has_option("--reinstall");
}

bool is_nightly(const Install& install) {
  return std::ranges::any_of(install.command.indexes,
                             [](const Word& index) { return index.text.contains("/nightly"); });
}

std::string own_environment(const Install& install) {
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  if (command == nullptr) return {};
  const Program program = program_of(*command);
  if (program.first >= command->words.size()) return {};
  std::string directory = directory_of(command->words[program.first].text);
  return directory.contains("env") ? directory : std::string();
}

TorchInstalls torch_installs(const Project& project, const FileView& view, const StageView& stage,
                             const std::string& environment) {
  TorchInstalls out;
  for (const Install* install : view.installs_in(stage.index)) {
    if (!install->command.installs || own_environment(*install) != environment) continue;
    for (const PackageList* list : lists_of(*install)) {
      const ProjectFile& file = file_of(*install, *list, *view.file);
      // A lock holds all extras, and an extra is only installed where it is asked for.
      if (file.kind == FileKind::kUvLock) continue;
      for (Framework& one : frameworks_of(*list, project.knowledge->frameworks)) {
        if (!one.request->group.empty()) continue;
        const bool sure = surely_installs(view, *install, *list, *one.request);
        // The command's index decides, and not the list's default.
        if (list != &install->command && list->indexes.empty() && !install->command.indexes.empty())
          one.variant = {};
        if (one.package == "torch" || one.package == "pytorch")
          out.torch.push_back({install, std::move(one), &file, sure});
        else if (is_companion(one.package) && !install->command.has_option("--no-deps"))
          out.companions.push_back({install, std::move(one), &file, sure});
      }
      if (is_of_system(install->command.manager) || !list->indexes.empty() ||
          !install->command.indexes.empty() || install->command.has_option("--no-deps") ||
          file.kind == FileKind::kPyproject)
        continue;
      for (const PackageRequest& request : list->packages)
        if ((brings_torch(request.name) || brings_torchvision(request.name)) &&
            request.manager != PackageManager::kConda) {
          Framework brought;
          brought.package = request.name;
          brought.request = &request;
          out.bringers.push_back({install, std::move(brought), &file,
                                  surely_installs(view, *install, *list, request)});
        }
    }
  }
  return out;
}

}  // namespace flense::lint
