#!/usr/bin/env python3
"""Writes docs/rules/: a page for each rule of flense lint, from its row in data/lint_*.json and its
examples in tests/lint/rules/ID.txt, which the unit tests run.

  rule_docs.py           writes the pages
  rule_docs.py --check   exit status 1 when they are not what would be written
"""

import json
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
PAGES = TOP / "docs" / "rules"
HEADINGS = {"bad": "Found", "good": "Not found", "tricky": "On the edge"}
LANGUAGES = {
    ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".hcl": "hcl", ".toml": "toml", ".lock": "toml",
    ".sh": "sh", ".sbatch": "sh", ".slurm": "sh", ".container": "ini", ".service": "ini", ".def": "singularity",
}


GROUPS = {"default": "", "pedantic": "with `--pedantic`", "host": "needs `--host`"}


def group(rule):
    return rule.get("group", "default")


def rules():
    out = []
    for path in sorted((TOP / "data").glob("lint_*.json")):
        section = json.loads(path.read_text())["rules"]
        for row in section["rows"]:
            out.append(dict(row, family=path.stem[5:], source=row.get("source", section.get("source", ""))))
    return sorted(out, key=lambda row: row["number"])


def examples(rule):
    out, file = [], None
    for line in (TOP / "tests/lint/rules" / f"{rule}.txt").read_text().splitlines():
        mark, rest = line[:3], line[3:]
        if mark == "== ":
            kind, title = rest.split(": ", 1)
            out.append({"kind": kind, "title": title, "files": [], "fixes": [], "found": [], "hosts": [], "listed": []})
            file = None
        elif not out:
            continue
        elif mark == "-- " and " " in rest:
            out[-1]["listed"].append(rest)
            file = None
        elif mark in ("-- ", "=> "):
            file = [rest, []]
            out[-1]["files" if mark == "-- " else "fixes"].append(file)
        elif mark == "!! ":
            out[-1]["found"].append(rest)
            file = None
        elif mark == "%% ":
            out[-1]["hosts"].append(rest.split(" ", 1)[1])
            file = None
        elif file is not None:
            file[1].append(line)
    return out


def fenced(name, lines):
    language = LANGUAGES.get(pathlib.PurePath(name).suffix, "dockerfile" if "ockerfile" in name else "text")
    fence = "````" if any("```" in line for line in lines) else "```"
    return [f"{fence}{language}", *lines, fence]


def found_place(words):
    place, _, pedantic = words.partition(" ")
    return f"`{place}`" + (" with `--pedantic`" if pedantic else "")


def example_text(example):
    out = [f"### {HEADINGS[example['kind']]}: {example['title']}", ""]
    if example["hosts"]:
        out += ["With " + ", ".join(f"`--host {host}`" for host in example["hosts"]) + ".", ""]
    if example["listed"]:
        out += ["Beside it in the build context: " + ", ".join(f"`{one}`" for one in example["listed"]) + ".", ""]
    for name, lines in example["files"]:
        out += [f"`{name}`", "", *fenced(name, lines), ""]
    if example["found"]:
        out += ["Found at " + ", ".join(found_place(place) for place in example["found"]) + ".", ""]
    elif example["kind"] == "tricky":
        out += ["Nothing is found.", ""]
    for name, lines in example["fixes"]:
        out += [f"`{name}` after `--fix`:", "", *fenced(name, lines), ""]
    return out


def page(rule):
    facts = [f"Rule {rule['number']}", rule["severity"], GROUPS[group(rule)], ", ".join(rule["on"])]
    facts = [fact for fact in facts if fact]
    if rule.get("automatic"):
        facts.append("`--fix=unsafe` fixes it" if rule.get("unsafe") else "`--fix` fixes it")
    if rule.get("aliases"):
        facts.append("also switched off as " + ", ".join(rule["aliases"]))
    out = [f"# {rule['id']}", "", " · ".join(facts), "", rule["summary"], "",
           f"**Why.** {rule['why']}", "", f"**Told from.** {rule['detect']}", "", f"**Fix.** {rule['fix']}", "",
           f"**Source.** {rule['source']}", "", "## Examples", ""]
    for example in examples(rule["id"]):
        out += example_text(example)
    return "\n".join(out).rstrip() + "\n"


def index(all_rules):
    out = ["# Rules of flense lint", "",
           "`flense explain RULE` prints the essence of a page. Rules of the group `pedantic` are shown with",
           "`--pedantic`, those of `host` with `--host`. Written by scripts/rule_docs.py.", ""]
    for family in dict.fromkeys(rule["family"] for rule in all_rules):
        out += [f"## {family.capitalize()}", "", "| number | rule | severity | group | finds |", "|---|---|---|---|---|"]
        out += [f"| {rule['number']} | [{rule['id']}]({rule['id']}.md) | {rule['severity']} | {group(rule)} | "
                f"{rule['summary']} |"
                for rule in all_rules if rule["family"] == family]
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def main():
    all_rules = rules()
    wanted = {f"{rule['id']}.md": page(rule) for rule in all_rules}
    wanted["README.md"] = index(all_rules)
    PAGES.mkdir(parents=True, exist_ok=True)
    there = {path.name: path.read_text() for path in PAGES.glob("*.md")}
    different = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if "--check" in sys.argv[1:]:
        for name in different:
            print(f"docs/rules/{name} is not what scripts/rule_docs.py writes", file=sys.stderr)
        sys.exit(1 if different else 0)
    for name in different:
        if name in wanted:
            (PAGES / name).write_text(wanted[name])
        else:
            (PAGES / name).unlink()
    print(f"{len(wanted)} pages, {len(different)} changed")


if __name__ == "__main__":
    main()
