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
# tests/e2e and a test in it.
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
        "src/launch/stage.cpp", "::execve(arguments[0], arguments.data(), environment.data());",
        "static_cast<void>(environment); ::execve(arguments[0], arguments.data(), environ);",
        ("e2e", "test_run.py", "RunAsUser.test_the_engines_environment")),
    "set-uid": (
        "set-uid files of an image as files of the caller", "src/image/extract.cpp",
        "return (mode & ~kPrivilegeBits) | (directory ? 0700U : 0400U);", "return mode | (directory ? 0700U : 0400U);",
        ("e2e", "test_run.py", "RunAsUser.test_privileges_stay_behind")),
    "new-privileges": (
        "CVE-2024-0135 to 0137: privileges inside the container", "src/launch/oci_config.cpp",
        'out.set("noNewPrivileges", true);', 'out.set("noNewPrivileges", false);',
        ("e2e", "test_run.py", "RunAsUser.test_the_caller")),
    "driver-root": (
        "CVE-2025-23267: links of a driver's root followed on the host", "src/host/tree.cpp",
        "if (std::optional<std::string> real; resolve_by_kernel(rest, real)) return real;",
        "std::error_code error; if (auto real = std::filesystem::canonical(where_ / rest, error); !error) return real.string();",
        ("unit", "cdi", "Generate.HostileLinksOfADriverRootStayInside")),
    "driver-lists": (
        "a list of the driver that names files above its root", "src/cdi/jetson_csv.cpp",
        """if ((std::string(path) + "/").find("/../") != std::string::npos) return "holds '..'";""", "",
        ("unit", "cdi", "JetsonCsv.WhatCannotBeAPath")),
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
        command = [sys.executable, str(tree / "tests/e2e" / where), what]
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
    print(f"{name:16} {'noticed' if found else 'NOT NOTICED'} by {test[2]} in {time.monotonic() - started:.0f} s   ({likeness})",
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
