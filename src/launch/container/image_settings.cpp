#include "launch/container/image_settings.h"

namespace flense::launch {

namespace {

constexpr std::size_t kMaxImageWords = 4096, kMaxWordBytes = 128u << 10;

Result<std::string> word(const text::Json& json, std::string_view what) {
  if (!json.is_string() && !json.is_null())
    return bad_input("the configuration's {} is not a text", what);
  const std::string_view text = json.text();
  if (text.size() > kMaxWordBytes || text.find('\0') != std::string_view::npos)
    return bad_input("the configuration's {} cannot be passed to a program", what);
  return std::string(text);
}

Result<std::vector<std::string>> words(const text::Json& json, std::string_view what) {
  std::vector<std::string> out;
  if (!json.is_array() && !json.is_null())
    return bad_input("the configuration's {} is not a list", what);
  if (json.items().size() > kMaxImageWords)
    return bad_input("the configuration's {} has {} items; at most {} are read", what,
                     json.items().size(), kMaxImageWords);
  for (const text::Json& item : json.items()) {
    TRY(std::string text, word(item, what));
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace

Result<ImageSettings> image_settings(const text::Json& config) {
  const text::Json& said = config["config"];
  ImageSettings out;
  TRY(out.env, words(said["Env"], "Env"));
  TRY(out.entrypoint, words(said["Entrypoint"], "Entrypoint"));
  TRY(out.command, words(said["Cmd"], "Cmd"));
  TRY(out.working_directory, word(said["WorkingDir"], "WorkingDir"));
  TRY(out.user, word(said["User"], "User"));
  if (out.user.find('/') != std::string::npos)
    return bad_input("the configuration's User '{}' is neither a name nor an id", out.user);
  return out;
}

}  // namespace flense::launch
