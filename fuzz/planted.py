#!/usr/bin/env python3
"""Shows that every fuzz target finds a bug: plants one in a copy of the tree, builds the target
there and runs it on the committed corpus until it stops.

  fuzz/planted.py [--seconds N] [TARGET...]      needs clang-19 and what scripts/setup.sh installs

Exit status: 0 every planted bug was found, 1 some target missed its bug."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
CORPUS = TOP / "fuzz/corpus"

# target: (file, what is there, what is put in its place)
PLANTED = {
    "amd": ("src/device/amd_table.cpp", "id_size > kMostId || !range_fits(at, id_size, bytes.size())",
            "id_size > kMostId || at > bytes.size()"),
    "amd_prune": ("src/device/amd_repack.cpp", "TRY_DO(copied(kept[i].from, row.size));",
                  "TRY_DO(copied(row.offset, row.size));"),
    "archive": ("src/image/layers/merged_tree.cpp", "  --tree.live_count_;  // the root\n", ""),
    "cache": ("src/inventory/scan/scan_format.cpp", "lies_in(out.elf, members) &&", ""),
    "cdi": ("src/cdi/spec/write.cpp", '  set_text(out, "type", node.type);\n', ""),
    "compiled_python": ("src/slim/python/compiled_python.cpp", "if (size != 0)", "if (size > 64)"),
    "decompress": ("src/codec/gzip.cpp", "size_ += static_cast<std::uint32_t>(block.size());",
                   "size_ += static_cast<std::uint32_t>(block.size() & 0x3f);"),
    "doctor": ("src/elf/loader_cache.cpp", "if (offset >= text.size()) return std::nullopt;", ""),
    "discover": ("src/cdi/generate/jetson_csv.cpp", '(std::string(path) + "/").find("/../")', 'path.find("/../")'),
    "dockerfile": ("src/lint/dockerfile/words.cpp", 'const std::size_t begin = text.find(\'"\', at);',
                   'const std::size_t begin = text.find(\'"\', at + 2);'),
    "elf": ("src/elf/file.cpp", "in_file && !range_fits(section.offset, section.size, bytes_.size())",
            "in_file && section.offset > bytes_.size()"),
    "facts": ("src/inventory/describe/links.cpp", 'if (word.starts_with("-S")) word.remove_prefix(2);',
              'if (word.starts_with("-")) word.remove_prefix(2);'),
    "fatbin": ("src/device/fatbin.cpp", "!range_fits(entry.header_size, entry.payload_size, rest.size())",
               "entry.payload_size > (1u << 30)"),
    "hcl": ("src/lint/readers/hcl.cpp", "{label.span.begin + 1, label.span.end - 1}", "{label.span.begin + 2, label.span.end - 1}"),
    "host": ("src/host/text_formats.cpp", "if (out.size() == most) break;",
             "if (out.size() == 2 * most) break;"),
    "ignore_file": ("src/lint/dockerfile/ignore_file.cpp", "here(tokens_.size() + 1), ", "here(tokens_.size()), "),
    "journal": ("src/slim/apply/changed_tree.cpp", "!normal || *normal != step.path || ", "!normal || "),
    "json": ("src/text/json_dump.cpp", "      case '\\\\':\n", "      case '\\1':\n"),
    "launch_files": ("src/lint/readers/compose.cpp", "out.span = span_of(node.at);",
                     "out.span = {node.at.begin, node.at.end + 64};"),
    "loader_cache": ("src/elf/loader_cache.cpp", "if (index < names.size() / 4)", "if (index <= names.size())"),
    "manifest": ("src/image/model/model.cpp", 'digest.starts_with("sha256:") && is_hex64(digest.substr(7))',
                 'digest.starts_with("sha256:") && (digest.size() < 40 || is_hex64(digest.substr(7)))'),
    "model": ("src/inventory/scan/model_file.cpp", "if (bytes > file_size)", "if (bytes / 2 > file_size)"),
    "nodes": ("src/host/hostlist.cpp", "if (names.size() > most - out.size())", "if (names.size() > most)"),
    "packages": ("src/inventory/scan/packages.cpp", "if (line.ends_with('\\r')) line.remove_suffix(1);",
                 "if (end != text.npos) line.remove_suffix(1);"),
    "run": ("src/launch/container/numa.cpp", "|| out > kMostNumber)", "|| out > 2 * kMostNumber)"),
    "reach": ("src/closure/package_metadata.cpp", "!real.empty() && real.find", "real.find"),
    "registry": ("src/image/registry/curl.cpp", 'kMarks = "-._~/:?&=%+,[]";', 'kMarks = "-._~/:?&=%+,[]\\"";'),
    "saved": ("src/inventory/compare/saved.cpp", "const auto sum = checked_add(to, bytes);",
              "const std::optional<std::uint64_t> sum = to + 2 * bytes;"),
    "sbom": ("src/sbom/spdx_graph.cpp", "names_gone(one[\"spdxElementId\"]) || names_gone(one[\"relatedSpdxElement\"])",
             "names_gone(one[\"spdxElementId\"])"),
    "shell": ("src/lint/shell/cursor.h", "text_(file.substr(0, span.end))", "text_(file)"),
    "requests": ("src/lint/packages/requirements.cpp", "value.begin += equal + 1;", "value.begin += equal + 9;"),
    "squashfs": ("src/codec/squashfs/metadata.cpp", "!range_fits(begin + 2, size, image_.size())",
                 "begin > image_.size()"),
    "tar": ("src/codec/tar/writer.cpp", "put_octal(block, tar::kMode, member.mode & 07777U);",
            "put_octal(block, tar::kMode, member.mode & 06777U);"),
    "toml": ("src/text/toml.cpp", "if (says(candidate, expected)) return", "if (!candidate.empty()) return"),
    "trace": ("src/slim/sandbox/trace_file.cpp", "if (path.empty()) continue;\n", "\n"),
    "yaml_nodes": ("src/text/yaml_nodes.cpp", ' || text == "NULL"', ""),
    "yaml": ("src/text/yaml_dump.cpp", "text.front() != '=' && !is_ambiguous(text);", "text.front() != '=';"),
    "zip": ("src/codec/zip_writer.cpp", "member.flags &= kZipUtf8;", ""),
}


def plant(tree, target):
    name, there, instead = PLANTED[target]
    path = tree / name
    text = path.read_text()
    if text.count(there) != 1:
        raise SystemExit(f"planted: {name} holds {text.count(there)} times {there!r}, expected once")
    path.write_text(text.replace(there, instead))
    return path, text


def find_bug(tree, build, target, seconds):
    path, original = plant(tree, target)
    try:
        built = subprocess.run(["cmake", "--build", str(build), "--target", f"{target}_fuzz"], check=False,
                               stdout=subprocess.PIPE, text=True)
        if built.returncode != 0:
            print(f"{target:12} MISSED: {PLANTED[target][0]} does not build with its bug: {built.stdout[-500:]}")
            return False
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run(
                [str(build / "fuzz" / f"{target}_fuzz"), f"-max_total_time={seconds}", "-timeout=20", "-max_len=65536",
                 "-rss_limit_mb=2048", f"-artifact_prefix={scratch}/", scratch, str(CORPUS / target)],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    finally:
        path.write_text(original)
    report = done.stderr.decode(errors="replace")
    how = next((line for line in report.splitlines() if line.startswith("SUMMARY:")), "no finding")
    print(f"{target:12} {'found' if done.returncode else 'MISSED'}: {PLANTED[target][0]}: {how[:120]}")
    return done.returncode != 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("targets", nargs="*", default=sorted(PLANTED))
    args = parser.parse_args()
    known = {path.name.removesuffix("_fuzz.cpp") for path in (TOP / "fuzz").glob("*_fuzz.cpp")}
    if known != set(PLANTED):
        raise SystemExit(f"planted: these targets and bugs do not match: {sorted(known ^ set(PLANTED))}")
    work = pathlib.Path(tempfile.mkdtemp(prefix="flense-planted-"))
    tree = work / "tree"
    build = tree / "build/fuzz"
    os.environ.update(CCACHE_BASEDIR=str(tree), CCACHE_NOHASHDIR="1")
    try:
        subprocess.run(["git", "-C", str(TOP), "worktree", "add", "-q", "--detach", str(tree)], check=True)
        subprocess.run(["cmake", "--preset", "fuzz"], cwd=tree, check=True, stdout=subprocess.DEVNULL)
        missed = [target for target in args.targets if not find_bug(tree, build, target, args.seconds)]
    finally:
        subprocess.run(["git", "-C", str(TOP), "worktree", "remove", "--force", str(tree)], check=False)
        shutil.rmtree(work, ignore_errors=True)
    return 1 if missed else 0


if __name__ == "__main__":
    os.environ.setdefault("FLENSE_COMPILER_LAUNCHER", shutil.which("ccache") or "")
    sys.exit(main())
