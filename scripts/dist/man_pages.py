"""Man pages from the texts that the program itself shows: flense.1, and flense-COMMAND.1 of each command.

The texts are regular: `NAME: summary`, `Usage: …`, then blocks between empty lines. Lines without indent are prose;
lines with one are a list (terms, then explanations in a column of their own), options, or to be shown as they are."""

import re
import time

import project

ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}
OPTION = re.compile(r" {2,}((?:-\w, )?--[a-z][a-z-]*)(?: ([A-Z]\S*))?\s+(\S.*)")
LIST_ROW = re.compile(r"  (\S.*?)( {2,})(\S.*)")
WIDEST_TERM = 40  # beyond it columns are a table
LAST_SECTIONS = ("OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO")


def escaped(text):
    out = "".join(ESCAPES.get(one) or (one if one.isascii() else f"\\[u{ord(one):04X}]") for one in text)
    return "\\&" + out if out.startswith(".") else out


def bold(text):
    return f"\\fB{escaped(text)}\\fR"


def item(term, text):
    return [".TP", term, escaped(text)]


def prose(lines):
    return [".PP", *(escaped(line) for line in lines)] if lines else []


def list_rows(lines):
    """(term, text) of each row, or None if the lines are no list: all texts and continuations begin in one column."""
    match = next(filter(None, map(LIST_ROW.fullmatch, lines)), None)
    if not match or match.start(3) > WIDEST_TERM:
        return None
    column, rows = match.start(3), []
    for line in lines:
        indent = len(line) - len(line.lstrip())
        row = LIST_ROW.fullmatch(line)
        if indent == 2 and row and row.start(3) == column:
            rows.append([row[1], row[3]])
        elif indent == 2 and not row:
            rows.append([line.strip(), ""])
        elif indent == column and rows:
            rows[-1][1] += " " + line.strip()
        else:
            return None
    return rows if all(text for _, text in rows) else None


def indented(lines):
    rows = list_rows(lines)
    if rows:
        return [part for term, text in rows for part in item(bold(term), text.strip())]
    return [".PP", ".RS 4", ".nf", *(escaped(line[2:]) for line in lines), ".fi", ".RE"]


def options(lines):
    out = []
    for line in lines:
        match = OPTION.fullmatch(line)
        if not match:
            raise ValueError(f"no option is told in this line of a help text: {line!r}")
        name, value, text = match.groups()
        term = ", ".join(map(bold, name.split(", "))) + (f" \\fI{escaped(value)}\\fR" if value else "")
        out += item(term, text)
    return out


def runs(lines):
    """The lines in runs of equal kind: (whether indented, lines)."""
    out = []
    for line in lines:
        inside = line.startswith(" ")
        if not out or out[-1][0] != inside:
            out.append((inside, []))
        out[-1][1].append(line)
    return out


def flowing(lines):
    return [part for inside, run in runs(lines) for part in (indented(run) if inside else prose(run))]


def blocks(text):
    return [block.split("\n") for block in re.split(r"\n{2,}", text.strip("\n"))]


def sections_of(text):
    """Name of a section -> its lines in roff."""
    sections = {"DESCRIPTION": []}
    for lines in blocks(text):
        title = lines[0].rstrip(":")
        if title in ("Options", "Common options"):
            heading = [".SS " + title] if title != "Options" else []
            sections.setdefault("OPTIONS", []).extend(heading + options(lines[1:]))
        elif title in ("Example", "Examples"):
            sections["EXAMPLES"] = indented(lines[1:])
        elif lines[0].startswith("Exit status: "):
            sections["EXIT STATUS"] = prose([lines[0].removeprefix("Exit status: "), *lines[1:]])
        elif re.fullmatch(r"[A-Za-z]+( [a-z]+)?:", lines[0]) and len(lines) > 1:
            sections["DESCRIPTION"] += [".SS " + escaped(title), *flowing(lines[1:])]
        else:
            sections["DESCRIPTION"] += flowing(lines)
    return sections


def page(name, text, see_also):
    (first,), (usage,), *_ = blocks(text)
    rest = text.split(usage, 1)[1]
    subject, summary = first.split(": ", 1)
    words = usage.removeprefix(f"Usage: {subject}").strip()
    date = time.strftime("%Y-%m-%d", time.gmtime(project.epoch()))
    out = [f'.TH {escaped(name.upper())} 1 {date} "flense {project.version()}" "User Commands"',
           ".nh", ".ad l",  # words of command lines are in the prose: no hyphens of our own in them
           ".SH NAME", f"{escaped(name)} \\- {escaped(summary)}",
           ".SH SYNOPSIS", f"{bold(subject)} {escaped(words)}"]
    sections = sections_of(rest)
    sections["SEE ALSO"] = [f".BR {escaped(one)} (1){',' * (one != see_also[-1])}" for one in see_also]
    for title in ("DESCRIPTION", *LAST_SECTIONS):
        if sections.get(title):
            out += [".SH " + title, *sections[title]]
    return ("\n".join(out) + "\n").encode()


def of(binary):
    """Name of the file -> its text."""
    overview = project.said_by(binary, "help")
    commands = re.findall(r"^  ([a-z]+) +\S", overview, re.M)
    names = [f"flense-{command}" for command in commands]
    out = {"flense.1": page("flense", overview, names)}
    for command, name in zip(commands, names):
        out[f"{name}.1"] = page(name, project.said_by(binary, "help", command), ["flense"])
    return out
