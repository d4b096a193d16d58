// What a verdict is about: an image, a machine, the tables; and the result of a rule.
#pragma once

#include <vector>

#include "compat/facts/check.h"
#include "compat/facts/launcher.h"
#include "host/profile.h"
#include "knowledge/knowledge.h"
#include "needs/needs.h"

namespace flense::compat {

struct ImageFacts;

struct Question {
  const needs::Needs& image;
  const host::Profile& host;
  const knowledge::Knowledge& tables;
  Launcher launcher = Launcher::kDocker;
  bool redistribution = false;  ///< also the opt-in group of licence checks
  /// Of `image` and `tables`, for who judges one image for many hosts; null: judge() works them
  /// out.
  const ImageFacts* facts = nullptr;
  /// Nobody named the launcher and nothing on the host tells it: where launchers differ, `launcher`
  /// is one of several.
  bool launcher_assumed = false;
};

/// Adds its checks; none where the question does not arise (an image without CUDA, a host without
/// GPUs of that vendor, …). A rule finds the facts of the image in its question.
using Rule = void (*)(const Question& question, std::vector<Check>& checks);

}  // namespace flense::compat
