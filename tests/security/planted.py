#!/usr/bin/env python3
"""Shows that each guard against a hostile image or driver root is held up by a test: takes the guard out in a copy
of the tree, builds it there, and runs the test, which has to fail.

  tests/security/planted.py [--tree DIR] [--jobs N] [NAME...]      needs what scripts/setup.sh installs, and root

Builds as `make test` does, unit tests with sanitizers and the release binary, so that ccache has nearly all of it;
a guard costs the file that it stands in and what links it. --tree names a copy to work in, whose files are put
back, instead of one made for this run. Exit status: 0 every test noticed, 1 some test did not."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
RESOLVE = "how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;"

# name: (what it is like, file, the guard, without it, test). A test is a unit test's room and filter, or a file of
# tests/e2e or tests/security and a test in it.
GUARDS = {
    "mount-targets": (
        "CVE-2024-0132, CVE-2025-23359: a path of the image resolved on the host", "src/base/in_root.cpp", RESOLVE,
        "how.resolve = 0;", ("e2e", "test_run.py", "RunAsUser.test_nothing_outside_the_root")),
    "libraries": (
        "CVE-2024-0132: libraries of the image looked up on the host", "src/base/in_root.cpp", RESOLVE,
        "how.resolve = 0;", ("unit", "launch", "Injection.LinksOfTheImageDoNotLeaveIt")),
    "unpacking": (
        "CVE-2024-0133, CVE-2024-0134: files and links made outside of the root", "src/base/in_root.cpp", RESOLVE,
        "how.resolve = 0;", ("unit", "image", "Extraction.*")),
    "environment": (
        "CVE-2025-23266: an engine that starts with what somebody else put into the environment",
        "src/base/become.cpp", "::execve(path_.c_str(), arguments_.data(), variables_.data());",
        "::execve(path_.c_str(), arguments_.data(), environ);",
        ("e2e", "test_run.py", "RunAsUser.test_the_engines_environment")),
    "set-uid": (
        "set-uid files of an image as files of the caller", "src/image/layers/extract.cpp",
        "return (mode & ~kPrivilegeBits) | (directory ? 0700U : 0400U);", "return mode | (directory ? 0700U : 0400U);",
        ("e2e", "test_run.py", "RunAsUser.test_privileges_stay_behind")),
    "new-privileges": (
        "CVE-2024-0135 to 0137: privileges inside the container", "src/launch/container/oci_config.cpp",
        'out.set("noNewPrivileges", true);', 'out.set("noNewPrivileges", false);',
        ("e2e", "test_run.py", "RunAsUser.test_the_caller")),
    "driver-root": (
        "CVE-2025-23267: links of a driver's root followed on the host", "src/host/tree.cpp",
        "if (const auto known = memory_->place(name)) return *known;",
        "std::error_code error; if (auto real = std::filesystem::canonical(where_ / name, error); !error) return real.string();",
        ("unit", "cdi", "Generate.HostileLinksOfADriverRootStayInside")),
    "driver-lists": (
        "a list of the driver that names files above its root", "src/cdi/generate/jetson_csv.cpp",
        """if ((std::string(path) + "/").find("/../") != std::string::npos) return "holds '..'";""", "",
        ("unit", "cdi", "JetsonCsv.WhatCannotBeAPath")),
    "compat-links": (
        "CVE-2024-0132: links of the image under the driver's mounts", "src/base/in_root.cpp", RESOLVE, "how.resolve = 0;",
        ("security", "test_toolkit.py", "ToolkitAsUser.test_cve_2024_0132_links_under_mounts")),
    "loader-cache": (
        "CVE-2025-23267: the loader's cache through a link", "src/base/in_root.cpp", RESOLVE, "how.resolve = 0;",
        ("security", "test_toolkit.py", "ToolkitAsUser.test_cve_2025_23267_loader_cache_through_links")),
    "tar-traversal": (
        "members, hard links and whiteouts of a layer outside of the root", "src/base/in_root.cpp", RESOLVE, "how.resolve = 0;",
        ("security", "test_unpacking.py", "UnpackingAsUser.test_tar_traversal_run")),
    "accounts": (
        "CVE-2024-21626: accounts read through links of the image", "src/base/in_root.cpp", RESOLVE, "how.resolve = 0;",
        ("security", "test_descriptors.py", "DescriptorsAsUser.test_cve_2024_21626_user")),
    "working-directory-links": (
        "CVE-2024-21626: a working directory through links of the image", "src/base/in_root.cpp", RESOLVE, "how.resolve = 0;",
        ("security", "test_descriptors.py", "DescriptorsAsUser.test_cve_2024_21626_working_directory_by_a_link")),
    "placer": (
        "CVE-2024-0135: a program of the host in the container, writable", "src/launch/container/mount_plan.cpp",
        'add(kPlacer, "bind", input_.placer, {"bind", "ro", "nosuid", "nodev"});',
        'add(kPlacer, "bind", input_.placer, {"bind", "nosuid", "nodev"});',
        ("security", "test_engine_binary.py", "EngineBinaryAsUser.test_cve_2024_0135_program_in_the_container")),
    "vendor-hooks": (
        "CVE-2024-0136: programs run beside the container", "src/launch/inject/inject.cpp", "prepared.dropped_hooks.push_back(i);", "",
        ("security", "test_toolkit.py", "ToolkitAsUser.test_cve_2024_0136_programs_of_the_image")),
    "hooks-environment": (
        "CVE-2025-23266: a vendor's hook that starts at all", "src/launch/inject/inject.cpp", "prepared.dropped_hooks.push_back(i);", "",
        ("security", "test_toolkit.py", "ToolkitAsUser.test_cve_2025_23266_hooks_with_the_images_environment")),
    "devices": (
        "CVE-2024-0136: devices that a root brings", "src/launch/container/stage.cpp",
        "MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV", "MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID",
        ("security", "test_toolkit.py", "ToolkitAsUser.test_cve_2024_0136_devices")),
    "network": (
        "CVE-2024-0137: the host's network", "src/launch/assemble.cpp",
        'if (!options.host_network) out.emplace_back("network");', "",
        ("security", "test_toolkit.py", "ToolkitAsUser.test_cve_2024_0137_network_namespace")),
    "abstract-sockets": (
        "sockets without a path", "src/launch/assemble.cpp", 'if (!options.host_network) out.emplace_back("network");', "",
        ("security", "test_surroundings.py", "SurroundingsAsUser.test_abstract_sockets_need_the_network")),
    "capabilities": (
        "CVE-2024-23653: privileges that nobody gave", "src/launch/container/oci_config.cpp",
        "capabilities(input.fake_root || (input.uids > 1 && input.user.uid == 0))", "capabilities(true)",
        ("security", "test_teardown.py", "TeardownAsUser.test_cve_2024_23653_privileges_of_an_image")),
    "agents": (
        "sockets of agents in /tmp", "src/launch/container/mount_plan.cpp",
        "return options_.isolate || options_.sub_ids || options_.other_id;", "return false;",
        ("security", "test_surroundings.py", "SurroundingsAsUser.test_agents_in_tmp_are_not_there")),
    "run": (
        "sockets of D-Bus and systemd in /run", "src/launch/container/mount_plan.cpp",
        'add("/run", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=755", "size=64m"});', 'bind("/run", "/run");',
        ("security", "test_surroundings.py", "SurroundingsAsUser.test_sockets_of_run_are_not_there")),
    "keyring": (
        "the caller's session keyring", "src/launch/launch.cpp",
        'if (!options.isolate) out.emplace_back("--no-new-keyring");',
        'out.emplace_back("--no-new-keyring");',
        ("security", "test_surroundings.py", "SurroundingsAsUser.test_session_keyring_is_another")),
    "home": (
        "the home directory where it was left out", "src/launch/container/mount_plan.cpp", "if (!options_.home) return", "if (false) return",
        ("security", "test_surroundings.py", "SurroundingsAsUser.test_home_is_out_of_reach")),
    "session-variables": (
        "the caller's environment", "src/launch/container/environment.cpp", "if (item.starts_with(prefix)) out.set(item);",
        "if (!prefix.empty()) out.set(item);",
        ("security", "test_surroundings.py", "SurroundingsAsUser.test_variables_of_the_session_stay_outside")),
    "processes": (
        "other processes of the caller", "src/launch/assemble.cpp", 'if (options.isolate) out = {"pid", "ipc", "uts"};',
        'if (options.isolate) out = {"ipc", "uts"};',
        ("security", "test_surroundings.py", "SurroundingsAsUser.test_other_processes_are_not_there")),
    "privilege-bits": (
        "set-uid files of an image as files of the caller", "src/image/layers/extract.cpp",
        "return (mode & ~kPrivilegeBits) | (directory ? 0700U : 0400U);", "return mode | (directory ? 0700U : 0400U);",
        ("security", "test_unpacking.py", "UnpackingAsUser.test_what_is_unpacked_is_the_callers")),
    "descriptors": (
        "CVE-2024-21626: what was left open goes along to the engine", "src/base/become.cpp",
        "if (::syscall(SYS_close_range, kFirst, ~0U, CLOSE_RANGE_CLOEXEC) != 0) mark_each();",
        "if (kFirst < 0) mark_each();",
        ("security", "test_descriptors.py", "DescriptorsAsUser.test_cve_2024_21626_descriptors_of_the_engine")),
    "working-directory": (
        "CVE-2024-21626: a working directory in /proc", "src/launch/assemble.cpp",
        "TRY(oci.cwd, check_directory(paths, oci.cwd));", "",
        ("security", "test_descriptors.py", "DescriptorsAsUser.test_cve_2024_21626_working_directory")),
    "working-directory-link": (
        "CVE-2024-21626: a working directory that leads into /proc", "src/launch/container/container_path.cpp",
        'if (leads_into_proc || (is_below(next, "/proc") && link.empty()))', "if (leads_into_proc && links < 0)",
        ("security", "test_descriptors.py", "DescriptorsAsUser.test_cve_2024_21626_working_directory_by_a_link")),
    "commands": (
        "CVE-2024-21626, CVE-2019-5736: a command in /proc", "src/launch/assemble.cpp",
        "TRY(out.command, check_command(paths, oci.args, oci.env.items(), oci.cwd));", "",
        ("security", "test_descriptors.py", "DescriptorsAsUser.test_cve_2024_21626_command_and_entry_point")),
    "targets-in-proc": (
        "CVE-2025-52881: mounts on what leads into /proc", "src/launch/assemble.cpp",
        "TRY(const ContainerPaths paths, check_mounts(root, oci.mounts, out.missing, as_caller));",
        "const ContainerPaths paths(root, as_caller);",
        ("security", "test_descriptors.py", "DescriptorsAsUser.test_cve_2024_21626_mount_targets")),
    "masked": (
        "CVE-2025-31133: what tells of the host", "src/launch/container/oci_config.cpp", 'out.set("maskedPaths", list(kMasked));', "",
        ("security", "test_kernel_files.py", "KernelFiles.test_masked_and_read_only")),
    "read-only": (
        "CVE-2025-52881: settings of the kernel, as root", "src/launch/container/oci_config.cpp",
        'out.set("readonlyPaths", list(kReadOnly));', "",
        ("security", "test_kernel_files.py", "KernelFiles.test_masked_and_read_only")),
    "explained": (
        "a mount that nobody is told of", "src/launch/assemble.cpp", "describe_contents(oci, out.reasons);",
        "if (out.reasons.empty()) describe_contents(oci, out.reasons);",
        ("security", "test_explained.py", "ExplainedAsUser.test_what_explain_tells_is_all_there_is")),
    "in-place": (
        "CVE-2024-23651: directories that become links while slim works in them", "src/slim/apply/in_place.cpp",
        "TRY(UniqueFd directory, open_in_root(root_.get(), parent_path(path), O_PATH | O_DIRECTORY));",
        'UniqueFd directory(::open(fmt::format("/proc/self/fd/{}/{}", root_.get(), parent_path(path)).c_str(), '
        "O_PATH | O_DIRECTORY | O_CLOEXEC));",
        ("security", "test_teardown.py", "Slim.test_cve_2024_23651_links_that_change_in_place")),
    "filter": (
        "rare system calls", "src/launch/assemble.cpp", "} else if (options.filter) {", "} else if (options.filter && options.tty) {",
        ("e2e", "test_run_kernel.py", "FilterAsUser.test_calls")),
    "links-in-binds": (
        "CVE-2024-0134: what links of the image have made in bound directories", "src/launch/container/start_check.cpp",
        "if (is_led_astray(mount, place))", "if (is_led_astray(mount, place) && place.fresh)",
        ("security", "test_found.py", "FoundAsUser.test_links_have_nothing_made_in_what_is_bound")),
    "overlay": (
        "an overlay whose directories became links", "src/launch/container/stage.cpp",
        "UniqueFd out(::openat(above.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));",
        "UniqueFd out(::openat(above.get(), name, O_PATH | O_DIRECTORY | O_CLOEXEC));",
        ("security", "test_found.py", "Found.test_an_overlay_takes_no_links")),
    "covers": (
        "state and roots of flense within a bind", "src/launch/container/mount_plan.cpp", "    cover_own();\n    return", "    return",
        ("security", "test_found.py", "FoundAsUser.test_state_and_roots_are_covered")),
    "streams": (
        "CVE-2024-21626: a directory as standard input", "src/launch/launch.cpp",
        "TRY_DO(check_standard_streams());\n  TRY(out.id, new_id(options));", "TRY(out.id, new_id(options));",
        ("security", "test_found.py", "FoundAsUser.test_no_directory_as_standard_stream")),
    "keyrings": (
        "keys of others, by number", "src/launch/assemble.cpp", "options.isolate || options.other_id, input.traced};",
        "false, input.traced};", ("security", "test_found.py", "FoundAsUser.test_keys_and_control_groups_of_others")),
    "control-groups": (
        "control groups of others, by a namespace", "src/launch/launch.cpp",
        "stage.cgroup_namespaces = !options.isolate && !options.other_id;", "stage.cgroup_namespaces = true;",
        ("security", "test_found.py", "FoundAsUser.test_keys_and_control_groups_of_others")),
    "die-with-parent": (
        "what kill -9 leaves running", "src/launch/container/supervise.cpp", "if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)",
        "if (lifeline.get() < 0)", ("e2e", "test_run_signals.py", "DieWithParentAsUser.test_kill_9_ends_all")),
    "cdi-vendor": (
        "another vendor's device made of NVIDIA's", "src/cdi/spec/modes.cpp",
        'fmt::format("{}/{}", row.vendor, row.device_class) == kind)', 'row.vendor != "amd.com" && !kind.empty())',
        ("unit", "launch", "GpuDevicesTest.AnotherVendorsDeviceIsNoneOfOurs")),
    "cdi-parent": (
        "a device node of a specification over /etc/passwd", "src/cdi/spec/hazards.cpp",
        'if (part == "..") return true;', "", ("e2e", "test_cdi_untrusted.py", "Untrusted.test_hostile_paths_are_refused")),
    "cdi-node": (
        "a device node of a specification outside of /dev", "src/cdi/spec/hazards.cpp",
        ' || !clean.starts_with("/dev/"))', ")", ("unit", "cdi", "CdiSpec.EachHazardHasItsName")),
    "cdi-mount": (
        "CVE-2025-31133, -52881: a mount over what the engine sets up and masks", "src/cdi/spec/hazards.cpp",
        "if (below || holds(kOfTheEngine, target))", "if (below && holds(kOfTheEngine, target))",
        ("unit", "cdi", "CdiSpec.EachHazardHasItsName")),
    "cdi-apply": (
        "edits that came past the reader of specifications", "src/cdi/spec/apply.cpp",
        'hazards_of(edits, "edits"); !hazards.empty())', 'hazards_of(Edits(), "edits"); !hazards.empty())',
        ("unit", "cdi", "CdiApply.WhatIsHazardousIsRefused")),
    "cdi-owner": (
        "a specification of another user", "src/cdi/spec/file.cpp",
        "if (status.st_uid != 0 && status.st_uid != ::geteuid())", "if (false)",
        ("unit", "cdi", "CdiWrite.WhoElseMayWriteIsTold")),
    "cdi-writable": (
        "a specification that others may write", "src/cdi/spec/file.cpp",
        "if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)", "if (false)",
        ("e2e", "test_cdi_untrusted.py", "Untrusted.test_only_root_and_the_caller_write_specifications")),
    "cdi-directory": (
        "a directory of specifications that others may write", "src/cdi/spec/registry.cpp",
        "if (!searched.distrust.empty() && trust_ == Trust::kOwners)", "if (false)",
        ("unit", "cdi", "CdiRegistry.WhatOthersMayWriteIsNotRead")),
    "cdi-mode": (
        "device nodes that engines of root open to everybody", "src/cdi/generate/device_folder.cpp",
        "out.file_mode = node->mode & kPermissionBits;", "out.file_mode = 0666 & kPermissionBits;",
        ("unit", "cdi", "Generate.NodesHaveTheModeAndOwnerOfTheHost")),
}


def build(tree, test, jobs):
    kind, where, _ = test
    preset, target = ("asan", f"flense_{where}_test") if kind == "unit" else ("release", "flense")
    if not (tree / "build" / preset / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", preset], cwd=tree, check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(["cmake", "--build", str(tree / "build" / preset), f"-j{jobs}", "--target", target], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise SystemExit(f"planted: {target} does not build\n{done.stdout.decode(errors='replace')[-3000:]}")


def run_test(tree, test):
    """Whether it passed, whether it ran at all, and what it said."""
    kind, where, what = test
    if kind == "unit":
        command = [str(tree / f"build/asan/src/{where}/flense_{where}_test"), f"--gtest_filter={what}"]
        env = os.environ
    else:
        command = [sys.executable, str(tree / "tests" / kind / where), what]
        env = {**os.environ, "FLENSE_BINARY": str(tree / "build/release/flense")}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode(errors="replace")
    # A helper of the tests ends the program at the first thing that cannot be.
    mark = "[ RUN      ]" if kind == "unit" else "Ran 1 test"
    return done.returncode == 0, mark in text and "skipped" not in text.lower(), text


def planted(tree, guard):
    """The file with its guard, and without."""
    _, file, there, without, _ = GUARDS[guard]
    path = tree / file
    original = path.read_text()
    if original.count(there) != 1:
        raise SystemExit(f"planted: {file} holds {original.count(there)} times {there!r}, expected once")
    return path, original, original.replace(there, without)


def noticed(tree, name, jobs):
    likeness, _, _, _, test = GUARDS[name]
    path, original, vulnerable = planted(tree, name)
    started = time.monotonic()
    try:
        path.write_text(vulnerable)
        build(tree, test, jobs)
        passed, ran, text = run_test(tree, test)
    finally:
        path.write_text(original)
    found = ran and not passed
    print(f"{name:24} {'noticed' if found else 'NOT NOTICED'} by {test[2]} in {time.monotonic() - started:.0f} s   ({likeness})",
          flush=True)
    if not found:
        print(text[-2000:])
    return found


def check_all(tree, names, jobs):
    for name in names:
        planted(tree, name)
    # Without a plant every test passes; else its failure says nothing.
    for test in sorted({GUARDS[name][4] for name in names}):
        build(tree, test, jobs)
        passed, ran, text = run_test(tree, test)
        if not passed or not ran:
            raise SystemExit(f"planted: {test[2]} does not pass with the guard in place\n{text[-2000:]}")
    print(f"{len(names)} guards: their tests pass with them in place", flush=True)
    return all([noticed(tree, name, jobs) for name in names])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("names", nargs="*", default=sorted(GUARDS))
    args = parser.parse_args()
    if args.tree:
        return 0 if check_all(args.tree.resolve(), args.names, args.jobs) else 1
    work = pathlib.Path(tempfile.mkdtemp(prefix="flense-planted-"))
    tree = work / "tree"
    os.environ.update(CCACHE_BASEDIR=str(tree), CCACHE_NOHASHDIR="1")
    try:
        subprocess.run(["git", "-C", str(TOP), "worktree", "add", "-q", "--detach", str(tree)], check=True)
        return 0 if check_all(tree, args.names, args.jobs) else 1
    finally:
        subprocess.run(["git", "-C", str(TOP), "worktree", "remove", "--force", str(tree)], check=False)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    os.environ.setdefault("FLENSE_COMPILER_LAUNCHER", shutil.which("ccache") or "")
    sys.exit(main())
