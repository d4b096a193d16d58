"""What the Markdown of this repository says: its links, its anchors, and the options that it names."""

import os
import re
import shlex

import harness


def pages():
    """Every Markdown file, as a path relative to the repository."""
    out = []
    for folder, folders, files in os.walk(harness.TOP):
        folders[:] = [name for name in folders if not name.startswith((".", "build", "__pycache__"))]
        out += [os.path.relpath(os.path.join(folder, name), harness.TOP) for name in files if name.endswith(".md")]
    return sorted(out)


def read(page):
    with open(os.path.join(harness.TOP, page), encoding="utf-8") as text:
        return text.read()


def without_blocks(text):
    """The text and its code blocks, fenced or indented."""
    prose, blocks, fenced = [], [], False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
            if fenced:
                blocks.append("")
        elif fenced:
            blocks[-1] += line + "\n"
        elif re.match(r" {4}(?! *[-*] )", line) and (not prose or not prose[-1].strip()):
            blocks.append(line.strip() + "\n")
        else:
            prose.append(line)
    return "\n".join(prose), blocks


def links(text):
    prose = re.sub(r"`[^`]*`", "", without_blocks(text)[0])
    found = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'\bsrc(?:set)?="([^"]+)"', prose)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(text):
    """What GitHub makes of the headings."""
    out = set()
    for heading in re.findall(r"^#+ (.*)$", without_blocks(text)[0], re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip())
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        out.add(name if name not in out else next(n for i in range(1, 99) if (n := f"{name}-{i}") not in out))
    return out


def spans(text):
    return re.findall(r"`([^`]+)`", without_blocks(text)[0].replace("\n", " "))


def options_in(text):
    """The options that spans begin with, up to the first quote."""
    words = [word for span in spans(text) if span.startswith("-") for word in re.split("[\"']", span)[0].split()]
    return {word.split("=")[0] for word in words if re.match(r"-\w$|--\w", word.split("=")[0])}


def options_of_help(text):
    """Option -> whether it takes a value, of what `flense COMMAND --help` prints."""
    out = {}
    for line in text[text.rindex("\nOptions:") if "\nOptions:" in text else text.index("\nCommon options:"):].splitlines():
        if found := re.match(r"  (?:(-\w), |    )(--[\w-]+)( [A-Z][^ ]*)?", line):
            for name in filter(None, found.group(1, 2)):
                out[name] = found[3] is not None
    return out


def calls(text):
    """Each `flense COMMAND …` of code blocks and spans, as its words up to the end of that shell command."""
    prose, blocks = without_blocks(text)
    out = []
    for code in blocks + spans(prose):
        code = re.sub(r"\\\n\s*", " ", code)
        for words in re.findall(r"(?<![\w/.-])flense ([^\n]*)", code):
            lexer = shlex.shlex(words, posix=True, punctuation_chars="();<>|&")
            lexer.whitespace_split = True
            call = []
            try:
                for word in lexer:
                    if set(word) <= set("();<>|&") or word.startswith("#"):
                        break
                    call.append(word)
            except ValueError:  # a quote that is prose's
                pass
            if call:
                out.append(call)
    return out


def options_of_call(call, takes_value):
    """The options of a call that are the command's own: those of `run` and `exec` end at the first other word."""
    out, words = [], iter(call[1:])
    for word in words:
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            if call[0] in ("run", "exec"):
                break
            continue
        name = word.split("=")[0].rstrip("…,.:")
        if re.match(r"-\w\w+$", name):  # -it
            out += [f"-{letter}" for letter in name[1:]]
            continue
        out.append(name)
        if takes_value.get(name) and "=" not in word:
            next(words, None)
    return out
