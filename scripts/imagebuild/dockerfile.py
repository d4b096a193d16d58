"""The subset of the Dockerfile language that the project's own images use.

Anything outside the subset is an error, never ignored: a recipe that builds here must mean the
same to an engine.
"""

import json
import re
import shlex
from dataclasses import dataclass, field

SUPPORTED = {"FROM", "ARG", "RUN", "COPY", "ENV", "WORKDIR", "USER", "EXPOSE", "LABEL", "CMD", "ENTRYPOINT"}


class DockerfileError(Exception):
    """The file uses something outside the subset."""


@dataclass
class Instruction:
    line: int
    name: str
    text: str
    flags: dict = field(default_factory=dict)

    def words(self):
        return shlex.split(self.text)

    def argv(self):
        """Exec form as it stands, shell form through /bin/sh."""
        if self.text.startswith("["):
            return json.loads(self.text)
        return ["/bin/sh", "-c", self.text]

    def pairs(self):
        result = {}
        for word in self.words():
            key, equals, value = word.partition("=")
            if not equals:
                raise DockerfileError(f"line {self.line}: {self.name} wants KEY=VALUE, got {word!r}")
            result[key] = value
        return result


@dataclass
class Stage:
    name: str
    base: str
    instructions: list


def logical_lines(text):
    """Yields (line number, text) with continuations joined and comment lines dropped."""
    pending, start = [], 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("#") or (not stripped and not pending):
            continue
        if not pending:
            start = number
        if stripped.endswith("\\"):
            pending.append(stripped[:-1].rstrip())
            continue
        pending.append(stripped)
        yield start, " ".join(part for part in pending if part)
        pending = []
    if pending:
        raise DockerfileError(f"line {start}: continuation without an end")


def parse(text):
    instructions = []
    for number, line in logical_lines(text):
        name, _, rest = line.partition(" ")
        name = name.upper()
        if name not in SUPPORTED:
            raise DockerfileError(f"line {number}: {name} is not supported here")
        flags = {}
        while match := re.match(r"--([a-z]+)=(\S+)\s+", rest):
            flags[match.group(1)] = match.group(2)
            rest = rest[match.end():]
        if flags and (name != "COPY" or set(flags) - {"chown", "from"}):
            raise DockerfileError(f"line {number}: flags {sorted(flags)} are not supported here")
        instructions.append(Instruction(number, name, rest.strip(), flags))
    if not instructions or instructions[0].name != "FROM":
        raise DockerfileError("the first instruction must be FROM")
    return instructions


def stages(text):
    """The file's stages in order; each begins with its FROM."""
    result = []
    for instruction in parse(text):
        if instruction.name == "FROM":
            match = re.fullmatch(r"(\S+)(?:\s+AS\s+(\S+))?", instruction.text, re.I)
            if not match:
                raise DockerfileError(f"line {instruction.line}: FROM {instruction.text} is not supported here")
            result.append(Stage(match[2] or str(len(result)), match[1], []))
        if not result:
            raise DockerfileError(f"line {instruction.line}: {instruction.name} before FROM is not supported here")
        result[-1].instructions.append(instruction)
    return result


def expand(text, env):
    """$NAME and ${NAME} as COPY, ENV and WORKDIR expand them."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: env.get(m.group(1) or m.group(2), ""), text)
