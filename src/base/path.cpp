#include "base/path.h"

#include <algorithm>
#include <vector>

namespace flense {

namespace {

template <class Fn>
void for_each_component(std::string_view path, Fn fn) {
  std::size_t begin = 0;
  while (begin <= path.size()) {
    std::size_t end = path.find('/', begin);
    if (end == std::string_view::npos) end = path.size();
    if (end > begin) fn(path.substr(begin, end - begin));
    begin = end + 1;
  }
}

void append_component(std::string& path, std::string_view component) {
  if (!path.empty()) path += '/';
  path += component;
}

}  // namespace

Result<std::string> normalise_member_path(std::string_view name) {
  if (name.find('\0') != std::string_view::npos) return bad_input("a member name holds a NUL byte");
  std::string out;
  bool escapes = false;
  for_each_component(name, [&](std::string_view component) {
    if (component == ".") return;
    if (component == "..") escapes = true;
    append_component(out, component);
  });
  if (escapes) return bad_input("the member name '{}' would leave the image root", name);
  return out;
}

std::string resolve_link_text(std::string_view dir, std::string_view target) {
  std::vector<std::string_view> stack;
  if (target.empty() || target.front() != '/')
    for_each_component(dir, [&](std::string_view component) { stack.push_back(component); });
  for_each_component(target, [&](std::string_view component) {
    if (component == ".") return;
    if (component == "..") {
      if (!stack.empty()) stack.pop_back();
    } else {
      stack.push_back(component);
    }
  });
  std::string out;
  for (std::string_view component : stack) append_component(out, component);
  return out;
}

std::string_view parent_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace flense
