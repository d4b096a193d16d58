// Build step: the container's filter (data/seccomp/rules.json) as programs for seccomp(2), compiled
// by libseccomp and written as a source file.
//
//   compile RULES ARCHITECTURE OUT.cpp
#include <seccomp.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <span>

#include "base/file.h"
#include "codec/base64.h"
#include "filter_ranges.h"
#include "launch/container/seccomp_filter.h"

namespace flense::launch {

namespace {

using text::Json;

constexpr std::uint64_t kMaxRules = 1u << 20, kMaxProgram = 1u << 20;

struct Release {
  void operator()(void* context) const { ::seccomp_release(context); }
};

Result<std::uint32_t> action_of(const Json& rule) {
  const std::string_view name = rule["action"].text();
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name != "SCMP_ACT_ERRNO") return bad_input("no action '{}'", name);
  return static_cast<std::uint32_t>(SCMP_ACT_ERRNO(rule["errnoRet"].unsigned_or(1)));
}

Result<std::uint32_t> machine_of(std::string_view name) {
  if (name == "SCMP_ARCH_X86_64") return SCMP_ARCH_X86_64;
  if (name == "SCMP_ARCH_X86") return SCMP_ARCH_X86;
  if (name == "SCMP_ARCH_X32") return SCMP_ARCH_X32;
  if (name == "SCMP_ARCH_AARCH64") return SCMP_ARCH_AARCH64;
  if (name == "SCMP_ARCH_ARM") return SCMP_ARCH_ARM;
  return bad_input("no architecture '{}'", name);
}

Result<void> add_rule(scmp_filter_ctx context, const Json& rule) {
  TRY(const std::uint32_t action, action_of(rule));
  std::vector<scmp_arg_cmp> tests;
  for (const Json& test : rule["args"].items()) {
    const std::string_view op = test["op"].text();
    if (op != "SCMP_CMP_EQ" && op != "SCMP_CMP_NE") return bad_input("no test '{}'", op);
    tests.push_back({static_cast<unsigned>(test["index"].unsigned_or(0)),
                     op == "SCMP_CMP_EQ" ? SCMP_CMP_EQ : SCMP_CMP_NE, test["value"].unsigned_or(0),
                     0});
  }
  for (const Json& name : rule["names"].items()) {
    const std::string text(name.text());
    const int number = ::seccomp_syscall_resolve_name(text.c_str());
    // A call that this library does not know yet has the default action, as with the engines.
    if (number == __NR_SCMP_ERROR) continue;
    const int status = ::seccomp_rule_add_array(context, action, number,
                                                static_cast<unsigned>(tests.size()), tests.data());
    if (status != 0) return system_error(-status, "cannot add a rule for " + text);
  }
  return {};
}

Result<std::string> compiled(const Json& section) {
  const std::unique_ptr<void, Release> context(::seccomp_init(
      static_cast<std::uint32_t>(SCMP_ACT_ERRNO(section["defaultErrnoRet"].unsigned_or(1)))));
  if (!context) return fail(Code::kEnvironment, "libseccomp cannot begin a filter");
  bool first = true;
  for (const Json& name : section["architectures"].items()) {
    TRY(const std::uint32_t machine, machine_of(name.text()));
    // The first one replaces that of the machine that this is built on.
    if (std::exchange(first, false) && machine != ::seccomp_arch_native()) {
      if (::seccomp_arch_add(context.get(), machine) != 0 ||
          ::seccomp_arch_remove(context.get(), ::seccomp_arch_native()) != 0)
        return fail(Code::kEnvironment, "libseccomp has no {}", name.text());
    } else if (const int status = ::seccomp_arch_add(context.get(), machine);
               status != 0 && status != -EEXIST) {
      return system_error(-status, "cannot add an architecture");
    }
  }
  // A search tree: a tenth of the steps for each call.
  if (::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0)
    return fail(Code::kEnvironment, "libseccomp 2.5 or newer is needed");
  for (const Json& rule : section["syscalls"].items()) TRY_DO(add_rule(context.get(), rule));
  TRY(const UniqueFd file, open_scratch("/tmp"));
  if (const int status = ::seccomp_export_bpf(context.get(), file.get()); status != 0)
    return system_error(-status, "cannot compile the filter");
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return system_error(errno, "cannot rewind a file");
  FdSource source(file.get(), "the filter");
  TRY(const std::string whole, read_all(source, kMaxProgram, "the filter"));
  std::vector<sock_filter> program(whole.size() / sizeof(sock_filter));
  std::memcpy(program.data(), whole.data(), program.size() * sizeof(sock_filter));
  TRY(const std::vector<sock_filter> shorter, in_ranges(program));
  return codec::base64(std::as_bytes(std::span(shorter)));
}

Result<void> write_source(const std::string& rules_file, const std::string& architecture,
                          const std::string& out) {
  TRY(const std::string text, read_file(rules_file, kMaxRules));
  TRY(const Json rules, text::parse_json(text, rules_file));
  std::string source =
      "#include \"launch/container/seccomp_filter.h\"\n\nnamespace flense::launch {\n\n"
      "Result<text::Json> seccomp_rules() {\n  return text::parse_json(R\"json(" +
      text::dump_json(rules) +
      ")json\", \"seccomp/rules.json\");\n}\n\n"
      "std::string_view compiled_filter([[maybe_unused]] const FilterInput& input) {\n";
  const bool known = architecture == "amd64" || architecture == "arm64";
  for (const int kind : {0, 1, 2, 3}) {
    if (!known) break;
    const bool pretend = (kind & 1) != 0, no_keys = (kind & 2) != 0;
    TRY(const std::string program,
        compiled(seccomp_section(rules, {architecture, pretend, no_keys, {}})));
    source += fmt::format(
        "  if (input.traced.empty() && input.architecture == \"{}\" && input.pretend == {} &&\n"
        "      input.no_keys == {})\n    return \"{}\";\n",
        architecture, pretend, no_keys, program);
  }
  source += "  return {};\n}\n\n}  // namespace flense::launch\n";
  TRY(AtomicFile file, AtomicFile::create(out));
  TRY_DO(write_fully(file.fd(), as_bytes(source), out));
  return file.commit();
}

}  // namespace

}  // namespace flense::launch

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto done = flense::launch::write_source(argv[1], argv[2], argv[3]);
  if (done) return 0;
  std::cerr << flense::render(done.error());
  return 1;
}
