#!/usr/bin/env python3
"""What the bytes of build/release/flense are, as the Markdown tables of docs/binary.md.

    scripts/binary-contents.py [BUILD]

Links the program once more, elsewhere, with a linker map, and sums the input sections that are loaded from the file by
where they come from."""

import collections
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

# From the first that matches. The archives of rooms have our code and, in the same objects, what it instantiates.
LIBRARIES = [(r"embedded_(\w+)\.cpp\.o", None), (r"compiled_filter", "seccomp"), (r"libflense_(\w+)\.a", "flense: {}"),
             (r"main\.cpp\.o", "flense: cli"), (r"/(lib\w[\w+]*)\.a", "{}"), (r"crt\w*\.o|rcrt1\.o|/lib/.*\.o", "C start-up")]
FEW = 30_000  # bytes that get no row of their own
OF_THE_LINKER = {".rela.dyn": "relocations", ".relr.dyn": "relocations", ".eh_frame_hdr": "index of unwinding"}
# What the program carries beside code, in embedded_*.cpp.o and by the files that it was made of.
DATA = {"tables": "data/*.json", "templates": "data/init/*/*"}


def link_with_map(build, out, map_file):
    commands = subprocess.run(["ninja", "-C", build, "-t", "commands", "flense"], check=True, capture_output=True, text=True)
    words = shlex.split(commands.stdout.splitlines()[-1])
    command = [word for word in words if word not in (":", "&&")]
    command[command.index("-o") + 1] = out
    subprocess.run([*command, f"-Wl,-Map={map_file}"], cwd=build, check=True)


def input_sections(map_file):
    """(output section, input section, size, where it comes from) of what the map places in memory."""
    with open(map_file) as lines:
        text = lines.read().split("Linker script and memory map")[1]
    text = re.sub(r"\n( ?[.\w*][^\s]*)\n +0x", r"\n\1 0x", text)  # long names have a line of their own
    output = ""
    for line in text.splitlines():
        if found := re.match(r"([.\w]\S*) +0x([0-9a-f]+) +0x([0-9a-f]+)", line):
            output = found[1] if int(found[2], 16) else ""
        elif output and (found := re.match(r" (\S+) +0x([0-9a-f]+) +0x([0-9a-f]+)(?: (\S.*))?$", line)):
            yield output, found[1], int(found[3], 16), found[4] or ""


def namespace_of(section):
    """The outermost one of a function or an object that has a section of its own; what std is made for counts as std."""
    found = re.match(r"\.(?:text|rodata|data\.rel\.ro)\.(?:\w+\.)*?_Z(?:T[VISC])?[ZN]*[VKRO]*(?:(St|S[absiod])|(\d+)(\w+))", section)
    return "rest" if not found else "std" if found[1] else found[3][:int(found[2])]


def source_of(section, origin):
    if section == "*fill*":
        return "padding"
    for pattern, name in LIBRARIES:
        if found := re.search(pattern, origin):
            return f"embedded {found[1]}" if name is None else name.format(*found.groups())
    return "linker"


def table(headings, rows):
    print("| " + " | ".join(headings) + " |")
    print("|" + "---|" + "---:|" * (len(headings) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def main():
    build = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(TOP, "build/release"))
    with tempfile.TemporaryDirectory() as work:
        program, map_file = os.path.join(work, "flense"), os.path.join(work, "map")
        link_with_map(build, program, map_file)
        size = os.path.getsize(program)
        sections = list(input_sections(map_file))
    by_source, by_kind, by_namespace = collections.defaultdict(collections.Counter), collections.Counter(), collections.Counter()
    for output, section, length, origin in sections:
        if output in (".bss", ".tbss", "__libc_freeres_ptrs"):
            continue
        kind = "code" if output in (".text", ".init", ".fini", ".plt") else "unwinding" \
            if output in (".eh_frame", ".eh_frame_hdr", ".gcc_except_table") else "data"
        source = OF_THE_LINKER.get(output) or source_of(section, origin)
        by_source[source][kind] += length
        by_kind[kind] += length
        if source.startswith("flense: "):
            by_namespace[namespace_of(section)] += length
    few = [name for name, counts in by_source.items() if sum(counts.values()) < FEW]
    by_source[f"{len(few)} others"] = sum((by_source.pop(name) for name in few), collections.Counter())
    rows = sorted(by_source.items(), key=lambda row: -sum(row[1].values()))
    kinds = ("code", "data", "unwinding")
    kilo = lambda value: f"{value / 1000:,.0f}" if value >= 500 else "" if value == 0 else "< 1"  # noqa: E731
    print(f"{size:,} bytes, of which the map places {sum(by_kind.values()):,}.\n")
    table(("from", "kB", *kinds), [(name, kilo(sum(counts.values())), *(kilo(counts[kind]) for kind in kinds)) for name, counts in rows])
    print("flense's own archives by outermost namespace: " + ", ".join(
        f"{name} {kilo(length)}" for name, length in by_namespace.most_common() if length >= FEW) + " kB.\n")
    for name, pattern in DATA.items():
        files = sorted(((os.path.getsize(path), os.path.relpath(path, os.path.join(TOP, "data"))) for path in glob.glob(os.path.join(TOP, pattern))), reverse=True)
        print(f"{name}: {sum(size for size, _ in files):,} bytes in {len(files)} files; the largest "
              + ", ".join(f"{path} {kilo(size)} kB" for size, path in files[:5]) + ".")


if __name__ == "__main__":
    main()
