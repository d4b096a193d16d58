#!/usr/bin/env python3
"""Enforces the house rules that a compiler does not see, over src/:

  - a room includes only rooms below it (the table is docs/architecture.md's), a sub-room only what stands before it
  - no folder shows more than fits on a screen
  - third-party headers stay behind their adapter room
  - standard output and standard error are written by those alone who show text as printable
  - the proof (verify) shares readers with what it judges, and no decision
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
    "codec": 1, "text": 1, "guard": 1,
    "elf": 2, "image": 2,
    "device": 3, "knowledge": 3,
    "inventory": 4, "host": 4, "fleet": 4, "sbom": 4,
    "needs": 5, "closure": 5, "cdi": 5, "lint": 5,
    "compat": 6, "doctor": 6, "mirror": 6, "slim": 6, "verify": 6,
    "scaffold": 7, "launch": 7, "report": 7,
    "cli": 8,
}
# Sub-rooms, bottom-up; those between commas do not include each other. Files directly in the room stand above them all.
SUBROOMS = {
    "codec": "tar squashfs",
    "image": "model layers sources registry output",
    "inventory": "names scan describe compare",
    "cdi": "spec generate,install",
    "lint": "source shell dockerfile,packages project readers facts rules images,launches,installs,compiles,layers,secrets",
    "compat": "facts rules",
    "slim": "candidates plan apply,sandbox python job",
    "report": "format lint,hosts,images verdicts,html",
    "launch": "rootfs inject gpus container bench",
    "cli": "shared run,cdi,slim",
}
RANK = {f"{room}/{name}": rank for room, order in SUBROOMS.items()
        for rank, names in enumerate(order.split()) for name in names.split(",")}
ABOVE_ALL = 100
# A unit is a header with its source and test. So many names are half a screen and read at once; base, in which nobody
# would look for a second level, has just as many.
MAX_UNITS = 32
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
}
# main.cpp hands the streams to base/screen.h; the trace gives its child another standard error.
STREAM_OWNERS = {"src/main.cpp", "src/base/progress.cpp", "src/slim/sandbox/trace.cpp"}
# Other programs get three descriptors of us, which one file sees to.
EXEC_OWNERS = {"src/base/become.cpp", "src/base/process.cpp"}
EXEC = re.compile(r"\b(f?execv[ep]?|execvpe|execveat|execl[ep]?|posix_spawnp?|popen)\s*\(")
# A proof that asks the code which it judges proves nothing: verify takes the readers of elf and device, and neither
# what decides or edits, nor the functions that say what runs where.
PROOF = "verify"
DECIDES = re.compile(r"(slim/.*|inventory/.*|elf/(code_scan|cuts|edit|editable|layout|moves|output|references|relink"
                     r"|section_table|wrappers)"
                     r"|device/(amd_prune|amd_repack|keep_rule|layout|prune|recompress|region_standing))\.h")
DECISION = re.compile(r"\b(cubin_runs_on|cubin_surely_runs_on|ptx_compiles_for|amd_code_runs_on|amd_generic_members"
                      r"|same_entry|zstd_entry_header)\b")
STREAM = re.compile(r"\b(stdout|stderr|STDOUT_FILENO|STDERR_FILENO)\b|\b(?:std|fmt)::(cout|cerr|clog|print(ln)?)\b"
                    r"|\b(printf|puts|putchar|perror)\s*\(|\bwrite\s*\(\s*[12]\s*,")
COMMENT_OR_TEXT = re.compile(r'//.*|"(?:[^"\\]|\\.)*"')
MAX_LINES = 600
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
OPEN_END = re.compile(r"\b(TODO|FIXME|XXX)\b")


def place_of(parts):
    """Room and sub-room of a path below src/, with its rank in the room; parts without the file's name."""
    room = parts[0] if parts else None
    sub = "/".join(parts[:2]) if len(parts) > 1 else room
    return room, sub, RANK.get(sub, ABOVE_ALL)


def climbs(here, there):
    """What is wrong with an include, by the places of both; empty when nothing is."""
    (room, sub, rank), (to_room, to_sub, to_rank) = here, there
    if to_room != room:
        if LAYERS[to_room] >= LAYERS[room]:
            return f"{room}/ (layer {LAYERS[room]}) includes {to_room}/ (layer {LAYERS[to_room]})"
    elif to_sub != sub and to_rank >= rank:
        return f"{sub}/ includes {to_sub}/, which does not stand below it"
    return ""


def problems_in(path, relative):
    here = place_of(relative.parts[1:-1])
    room, sub, _ = here
    if room is not None and room not in LAYERS:
        yield f"{relative}: folder {room}/ is not in the table of rooms"
        return
    if len(relative.parts) > 4 or sub != room and sub not in RANK:
        yield f"{relative}: folder {'/'.join(relative.parts[1:-1])}/ is not in the table of sub-rooms"
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > MAX_LINES:
        yield f"{relative}: {len(lines)} lines, at most {MAX_LINES}; split it by concept"
    is_test = path.name.endswith("_test.cpp")
    sees_room = is_test or path.name.startswith("testing_")
    for number, line in enumerate(lines, 1):
        if OPEN_END.search(line):
            yield f"{relative}:{number}: open end in the source: {line.strip()}"
        if not is_test and str(relative) not in STREAM_OWNERS and STREAM.search(COMMENT_OR_TEXT.sub("", line)):
            yield f"{relative}:{number}: past base/screen.h to the terminal: {line.strip()}"
        if not is_test and str(relative) not in EXEC_OWNERS and EXEC.search(COMMENT_OR_TEXT.sub("", line)):
            yield f"{relative}:{number}: another program without base/become.h: {line.strip()}"
        match = INCLUDE.match(line)
        if room == PROOF and DECISION.search(COMMENT_OR_TEXT.sub("", line)):
            yield f"{relative}:{number}: the proof asks what it judges: {line.strip()}"
        if not match or room is None:
            continue
        kind, header = match.groups()
        if room == PROOF and DECIDES.fullmatch(header):
            yield f"{relative}:{number}: the proof includes what it judges: {header}"
        target = header.split("/")[0] if "/" in header else None
        if kind == '"' and target is None:
            yield f'{relative}:{number}: write the room: #include "{room}/{header}"'
        elif kind == '"' and target in LAYERS:
            there = place_of(header.split("/")[:-1])
            wrong = climbs(here, there)
            if wrong and not (sees_room and there[0] == room):
                yield f"{relative}:{number}: {wrong}"
        for prefix, rooms in ADAPTERS.items():
            if header.startswith(prefix) and room not in rooms:
                yield f"{relative}:{number}: {header} belongs behind {' or '.join(sorted(rooms))}/"
            elif header.startswith(prefix) and path.suffix == ".h" and not is_test:
                yield f"{relative}:{number}: {header} in a public header; an adapter is one .cpp"


def check(root):
    found, files, units = [], 0, {}
    for path in sorted((root / "src").rglob("*")):
        if path.suffix in {".cpp", ".h"}:
            files += 1
            units.setdefault(path.parent.relative_to(root), set()).add(path.stem.removesuffix("_test"))
            found += problems_in(path, path.relative_to(root))
    for folder, names in units.items():
        if len(names) > MAX_UNITS:
            found.append(f"{folder}: {len(names)} units, at most {MAX_UNITS} at one level; find the roles in it")
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
        "src/lint/shell/up.cpp": '#include "lint/rules/stage_rules.h"\n',
        "src/lint/packages/side.h": '#include "lint/dockerfile/words.h"\n',
        "src/lint/rules/room.cpp": '#include "lint/lint.h"\n',
        "src/lint/notes/x.cpp": "\n",
        "src/verify/plan.cpp": '#include "slim/plan/plan.h"\n',
        "src/verify/keep.cpp": '#include "device/keep_rule.h"\n',
        "src/verify/edit.cpp": '#include "elf/edit.h"\n',
        "src/verify/rule.cpp": "  return device::cubin_runs_on(code, gpu);\n",
        "src/lint/rules/deep/x.cpp": "\n",
        **{f"src/text/u{number}.h": "\n" for number in range(MAX_UNITS + 1)},
    }
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {**plants, "src/slim/fine.cpp": '#include "elf/file.h"\n',
                           "src/verify/fine.cpp": '#include "device/fatbin.h"\n',
                           "src/lint/fine.cpp": '#include "lint/rules/rules.h"\n',
                           "src/lint/shell/up_test.cpp": '#include "lint/lint.h"\n'}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        _, found = check(root)
        caught = {line.split(":")[0] for line in found}
        wanted = {name for name in plants if not name.startswith("src/text/")} | {"src/text"}
        missed, extra = wanted - caught, caught - wanted
        if missed or extra:
            print(f"not found: {sorted(missed)}; wrongly found: {sorted(extra)}")
            return 1
        print(f"{len(wanted)} planted violations found")
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
