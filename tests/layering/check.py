#!/usr/bin/env python3
"""Enforces the house rules that a compiler does not see, over src/:

  - a room includes only rooms below it (the table is docs/architecture.md's)
  - third-party headers stay behind their adapter room
  - standard output and standard error are written by those alone who show text as printable
  - no file over 600 lines, no open ends left in comments

check.py ROOT          checks ROOT/src, exit status 1 if anything is wrong
check.py --self-test   plants one violation of each kind and expects each to be found
"""

import pathlib
import re
import sys
import tempfile

LAYERS = {
    "base": 0,
    "codec": 1, "text": 1,
    "elf": 2, "image": 2,
    "device": 3, "knowledge": 3,
    "inventory": 4, "host": 4,
    "compat": 5, "doctor": 5, "slim": 5, "cdi": 5, "lint": 5,
    "scaffold": 6,
    "launch": 6, "report": 6,
    "cli": 7,
}
# header prefix -> rooms that may include it
ADAPTERS = {
    "nlohmann/": {"text"},
    "yaml.h": {"text"},
    "toml++/": {"text"},
    "CLI/": {"cli"},
    "openssl/": {"codec"},
    "zlib.h": {"codec"},
    "isa-l/": {"codec"},
    "zstd": {"codec"},
    "sqfs/": {"codec"},
    "squashfs/": {"codec"},
    "lzma.h": {"codec"},
    "lz4": {"codec"},
    "lzo/": {"codec"},
    "bzlib.h": {"codec"},
}
# main.cpp hands the streams to base/screen.h; the trace gives its child another standard error.
STREAM_OWNERS = {"src/main.cpp", "src/base/progress.cpp", "src/slim/sandbox/trace.cpp"}
# Other programs get three descriptors of us, which one file sees to.
EXEC_OWNERS = {"src/base/become.cpp", "src/base/process.cpp"}
EXEC = re.compile(r"\b(f?execv[ep]?|execvpe|execveat|execl[ep]?|posix_spawnp?|popen)\s*\(")
STREAM = re.compile(r"\b(stdout|stderr|STDOUT_FILENO|STDERR_FILENO)\b|\b(?:std|fmt)::(cout|cerr|clog|print(ln)?)\b"
                    r"|\b(printf|puts|putchar|perror)\s*\(|\bwrite\s*\(\s*[12]\s*,")
COMMENT_OR_TEXT = re.compile(r'//.*|"(?:[^"\\]|\\.)*"')
MAX_LINES = 600
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
OPEN_END = re.compile(r"\b(TODO|FIXME|XXX)\b")


def problems_in(path, relative):
    room = relative.parts[1] if len(relative.parts) > 2 else None
    if room is not None and room not in LAYERS:
        yield f"{relative}: folder {room}/ is not in the table of rooms"
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > MAX_LINES:
        yield f"{relative}: {len(lines)} lines, at most {MAX_LINES}; split it by concept"
    is_test = path.name.endswith("_test.cpp")
    for number, line in enumerate(lines, 1):
        if OPEN_END.search(line):
            yield f"{relative}:{number}: open end in the source: {line.strip()}"
        if not is_test and str(relative) not in STREAM_OWNERS and STREAM.search(COMMENT_OR_TEXT.sub("", line)):
            yield f"{relative}:{number}: past base/screen.h to the terminal: {line.strip()}"
        if not is_test and str(relative) not in EXEC_OWNERS and EXEC.search(COMMENT_OR_TEXT.sub("", line)):
            yield f"{relative}:{number}: another program without base/become.h: {line.strip()}"
        match = INCLUDE.match(line)
        if not match or room is None:
            continue
        kind, header = match.groups()
        target = header.split("/")[0] if "/" in header else None
        if kind == '"' and target is None:
            yield f'{relative}:{number}: write the room: #include "{room}/{header}"'
        elif kind == '"' and target in LAYERS:
            if target != room and LAYERS[target] >= LAYERS[room]:
                yield f"{relative}:{number}: {room}/ (layer {LAYERS[room]}) includes {target}/ (layer {LAYERS[target]})"
        for prefix, rooms in ADAPTERS.items():
            if header.startswith(prefix) and room not in rooms:
                yield f"{relative}:{number}: {header} belongs behind {' or '.join(sorted(rooms))}/"
            elif header.startswith(prefix) and path.suffix == ".h" and not is_test:
                yield f"{relative}:{number}: {header} in a public header; an adapter is one .cpp"


def check(root):
    found, files = [], 0
    for path in sorted((root / "src").rglob("*")):
        if path.suffix in {".cpp", ".h"}:
            files += 1
            found += problems_in(path, path.relative_to(root))
    return files, found


def self_test():
    plants = {
        "src/base/up.cpp": '#include "elf/file.h"\n',
        "src/elf/side.cpp": '#include "image/model/image.h"\n',
        "src/slim/json.cpp": "#include <nlohmann/json.hpp>\n",
        "src/device/packed.cpp": "#include <zstd.h>\n",
        "src/report/cli.cpp": "#include <CLI/CLI.hpp>\n",
        "src/codec/leak.h": "#include <zlib.h>\n",
        "src/base/long.cpp": "//\n" * (MAX_LINES + 1),
        "src/base/open.cpp": "// TO" + "DO: later\n",
        "src/slim/exec.cpp": "  ::execve(path, argv, env);\n",
        "src/elf/bare.cpp": '#include "file.h"\n',
        "src/attic/x.cpp": "\n",
        "src/launch/told.cpp": 'std::fputs(name, stderr);\n',
        "src/cdi/told.cpp": "std::cerr << name;\n",
        "src/lint/told.cpp": "::write(2, name, 1);\n",
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {**plants, "src/slim/fine.cpp": '#include "elf/file.h"\n'}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        _, found = check(root)
        caught = {line.split(":")[0] for line in found}
        missed, extra = set(plants) - caught, caught - set(plants)
        if missed or extra:
            print(f"not found: {sorted(missed)}; wrongly found: {sorted(extra)}")
            return 1
        print(f"{len(plants)} planted violations found")
        return 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    files, found = check(pathlib.Path(sys.argv[1]))
    print(*found, sep="\n")
    print(f"{files} files, {len(found)} problems")
    return 1 if found or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
