#!/usr/bin/env python3
"""What every command prints and writes for fixed inputs, byte for byte, against tests/golden: a file for each case of
golden_cases.py and its neighbours. `test_golden.py --update [PREFIX…]` writes the files anew, all or those of these names."""

import collections
import difflib
import functools
import glob
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

import fixtures
import golden_cases
import golden_errors
import golden_inputs
import golden_machines
import harness
import hosts
import imagetree
import test_doctor

EXPECTED = os.path.join(harness.TOP, "tests/golden")
USER = 65123  # nobody's: who runs the cases `user/…`
SETTLE = 2.2  # seconds that a file rests before its times say whether it has changed: what the cases of the cache wait for
SHOWN = 80  # lines of a difference


@functools.cache
def version():
    return re.escape(subprocess.run([harness.BINARY, "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()[-1])


def normalise(text, work):
    """The only place that takes away what a machine, a version or a moment brings in."""
    text = text.replace(os.path.realpath(work), "WORK").replace(work, "WORK").replace(os.path.basename(work), "NAME").replace("WORK/bin/flense", "FLENSE")
    label = r'dev\.flense\.version(?: +- +|": ?"|",\s+(?:"before": .*\s+)?"after": ")'
    text = re.sub(rf'(flense[ /]|"flense": ?"|"version": ?"|{label}){version()}(?![.\d])', r"\1VERSION", text)
    # What was kept or written right now.
    text = re.sub(r'("(?:since|made|used|last_used)": ?)"20\d\d-[-\d]+T[:\d]+Z"', r'\1"TIME"', text)
    text = re.sub(r"read and verified 20\d\d-\d\d-\d\d \d\d:\d\d", "read and verified TIME", text)
    text = re.sub(r"\.used-from-\S+", ".used-from-MACHINE", text)
    # Too long to read.
    text = re.sub(r'(?<="run.oci.seccomp_bpf_data": ")[^"]+', lambda data: f"a filter of the digest {digest(data[0].encode())}", text)
    text = re.sub(r"injected/[0-9a-f]{64}", "injected/KEY", text)
    text = re.sub(r"\bflense-[0-9a-f]{12}\b", "flense-ID", text)
    text = re.sub(r"/proc/self/fd/\d+", "/proc/self/fd/N", text)
    # A caller who has been given some of the processors gets a step of its own in each container.
    text = re.sub(r'\n +"/run/flense/place",\n +"place-beside-gpu",\n +"[^"]*",\n +"[^"]*",', "", text)
    text = re.sub(r',\n +\{\n +"destination": "/run/flense/place",.*?\n    \}', "", text, flags=re.DOTALL)
    text = re.sub(r"\nmount: /run/flense/place .*", "", text)
    # Whether a namespace comes before crun, and which ids are seen there, is for how the machine mounts control groups.
    text = re.sub(r"unshare -Urm sh -c '.*?exec (.*)'", r"\1", text)
    text = re.sub(r'"hostID": \d+', '"hostID": N', text.replace("unshare -Urm ", ""))
    return text


def block(title, text):
    if not text:
        return ""
    return f"--- {title}\n{text}" + ("" if text.endswith("\n") else "\n--- (no line end)\n")


def digest(data):
    import hashlib
    return hashlib.sha256(data).hexdigest()


LONG = 400  # of a text, in letters


def abridged(parts):
    """The texts of a case's steps, each as (lines that tell what was done, texts); a long one that is much like one before
    is shown as what differs, so that every option can be tried and the eye sees what it did."""
    shown, out = [], ""
    for number, (head, texts) in enumerate(parts, 1):
        out += f"\n[{number}] {head}\n"
        for text in texts:
            title, _, body = text.partition("\n")
            if len(text) > LONG:
                lines, best = body.splitlines(), None
                count = collections.Counter(lines)
                for before, other in shown:
                    equal = sum((count & collections.Counter(other)).values())
                    if equal * 2 > len(lines) and (best is None or equal > best[0]):
                        best = (equal, before, other)
                shown.append((number, lines))
                if best:
                    changes = []
                    for tag, i, j, k, m in difflib.SequenceMatcher(None, best[2], lines, False).get_opcodes():
                        if tag != "equal":
                            changes += [f"@ {i + 1}", *("-" + line for line in best[2][i:j]), *("+" + line for line in lines[k:m])]
                    if sum(map(len, changes)) * 2 < len(text):
                        body = "\n".join(changes) + "\n" * bool(changes)
                        title += f", as in [{best[1]}]" + (" but for" if changes else "")
            out += f"{title}\n{body}"
    return out


class Bench:
    """The place where cases run: inputs in `in`, a folder of its own for each case, an environment that is the same everywhere."""

    def __init__(self, work):
        self.work, self.case, self.at, self.identity = work, os.path.join(work, "case"), "", {}
        self.keeps = False  # what one command leaves in the cache for the next
        os.umask(0o022)
        golden_inputs.build(os.path.join(work, "in"))
        # Else it would hang on the machine's speed whether a file is at rest, so that it is hashed once and late.
        time.sleep(2.2)
        self.built, self.before = time.monotonic(), harness.digest_tree(os.path.join(work, "in"))
        os.mkdir(os.path.join(work, "bin"))
        for name, text in golden_machines.PROGRAMS.items():
            path = os.path.join(work, "bin", name)
            golden_inputs.write(path, text)
            os.chmod(path, 0o755)
        # Where a user can start it.
        self.binary = shutil.copy(harness.BINARY, os.path.join(work, "bin"))
        os.chmod(work, 0o755)
        self.environment = {"PATH": f"{work}/bin", "HOME": f"{work}/home", "FLENSE_CACHE": f"{work}/cache", "NO_COLOR": "1",
                            "TMPDIR": f"{work}/tmp", "XDG_RUNTIME_DIR": f"{work}/runtime", "XDG_CONFIG_HOME": f"{work}/home/.config"}

    def fresh(self, *names):
        for name in names:
            path = os.path.join(self.work, name)
            if os.path.isdir(path):
                subprocess.run(["chmod", "-R", "u+rwX", path], check=False, stderr=subprocess.DEVNULL)
            shutil.rmtree(path, ignore_errors=True)
            os.mkdir(path, 0o700)
            if self.identity:
                os.chown(path, USER, USER)

    def run(self, name, steps):
        """The text of a case."""
        self.identity = {"user": USER, "group": USER, "extra_groups": []} if name.startswith("user/") else {}
        self.fresh("case", "home", "tmp", "cache", "runtime")
        os.symlink("../in", os.path.join(self.case, "in"))
        self.at = self.case
        self.keeps = name.startswith("cache/")
        if self.keeps:
            time.sleep(max(0.0, SETTLE - (time.monotonic() - self.built)))
        parts = []
        for step in steps:
            head, *texts = self.step(step)
            parts.append((head, [normalise(text, self.work) for text in texts if text]))
        out = abridged(parts)
        # Escapes and the like are shown as what they are.
        return "".join(letter if letter == "\n" or letter.isprintable() or letter == "\t" else f"\\x{ord(letter):02x}"
                       for letter in out)

    def path(self, name):
        return os.path.join(self.at, name)

    def step(self, line):
        """What is to be said of it, and the texts that it gave."""
        if line.startswith("#"):
            return [line]
        words = shlex.split(line)
        total = words[:1] == ["sum"]
        if total:
            words.pop(0)
        own = getattr(self, "do_" + words[0], None) if words else None
        if own:
            try:
                return ["# " + line, own(*words[1:])]
            except FileNotFoundError as missing:
                return ["# " + line, f"{os.path.relpath(missing.filename, self.case)} is not there\n"]
        environment, source = dict(self.environment), subprocess.DEVNULL
        while words and re.match(r"[A-Z_]+=", words[0]):
            key, _, value = words.pop(0).partition("=")
            environment[key] = value.replace("WORK", self.work)
        kept = words.pop() if ">" in words[-2:-1] else ""
        if kept:
            words.pop()
        if "<" in words[-2:]:
            source = open(self.path(words[-1]), "rb")  # closed below
            words = words[:-2]
        if not self.keeps:
            self.fresh("cache")
        try:
            done = subprocess.run([self.binary, *(word.replace("WORK", self.work) for word in words)], cwd=self.at, env=environment,
                                  stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=120, **self.identity)
        finally:
            if source != subprocess.DEVNULL:
                source.close()
        if kept:
            golden_inputs.write(self.path(kept), done.stdout)
            done.stdout = b""
        out, err = (text.decode("utf-8", "backslashreplace") for text in (done.stdout, done.stderr))
        if total:
            out = f"{out.count(chr(10))} lines, {len(out)} bytes, {digest(normalise(out, self.work).encode())}\n"
        return [f"$ flense {line}\n= {done.returncode}", block("stdout", out), block("stderr", err)]

    # What a case does besides running flense.

    def do_cd(self, folder):
        self.at = os.path.normpath(os.path.join(self.at, folder))
        return ""

    def do_copy(self, source, target):
        if os.path.isdir(self.path(source)):
            shutil.copytree(self.path(source), self.path(target), symlinks=True)
        else:
            os.makedirs(os.path.dirname(self.path(target)), exist_ok=True)
            shutil.copy2(self.path(source), self.path(target))
        return ""

    def do_write(self, path, text):
        golden_inputs.write(self.path(path), text.replace("\\n", "\n").replace("WORK", self.work))
        return ""

    def do_remove(self, path):
        path = self.path(path)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
        return ""

    def do_break(self, number, machine):
        """What one case of test_doctor.py does to a machine."""
        change = list(test_doctor.BROKEN.values())[int(number)][1]
        if change:
            change(hosts.Host(self.path(machine)))
        return ""

    def do_cat(self, path):
        with open(self.path(path), encoding="utf-8", errors="backslashreplace") as text:
            return block(path, text.read())

    def do_tree(self, folder, contents=""):
        """Types, modes, links and digests of what is in a folder, or of a file; `contents`: the texts as well."""
        top, rows, texts = (glob.glob(self.path(folder)) or [self.path(folder)])[0], [], ""
        paths = sorted(os.path.join(root, name) for root, folders, files in os.walk(top) for name in folders + files) or [top]
        for path in paths:
            state, shown = os.lstat(path), os.path.relpath(path, top)
            mode = f"{state.st_mode & 0o7777:04o}"
            if os.path.islink(path):
                rows.append(f"link  {shown} -> {os.readlink(path)}")
            elif os.path.isdir(path):
                rows.append(f"dir   {mode} {shown}")
            else:
                with open(path, "rb") as source:
                    data = normalise(source.read().decode("latin-1"), self.work).encode("latin-1")
                rows.append(f"file  {mode} {len(data)} {digest(data)[:16]}"
                            f"{f' names {state.st_nlink}' if state.st_nlink > 1 else ''} {shown}")
                texts += block(shown, data.decode("utf-8", "backslashreplace")) if contents else ""
        return "\n".join(rows) + "\n" + texts

    def do_image(self, path, members=""):
        """Digests of an image; `members`: of all that is in its layers."""
        place = self.path(path)
        out = self.do_tree(path) if os.path.isdir(place) else f"archive {os.path.getsize(place)} {harness.file_digest(place)[:16]}\n"
        image = imagetree.read_image(place)
        out += f"manifest {image.manifest_digest}\n" + block("configuration", json.dumps(image.config, indent=1, ensure_ascii=False))
        for number, layer in enumerate(image.layers):
            out += f"layer {number + 1}: {len(layer)} {digest(layer)}\n"
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                for member in tar.getmembers() if members else ():
                    data = tar.extractfile(member).read() if member.isreg() else member.linkname.encode()
                    owner = f" {member.uid}:{member.gid}" if member.uid or member.gid else ""
                    time_of = "" if member.mtime == fixtures.EPOCH else f" at {member.mtime}"
                    out += f"  {member.type.decode()} {member.mode:04o}{owner}{time_of} {len(data)} {digest(data)[:8]} {member.name}\n"
        return out


def cases():
    """name -> command lines, in the order in which they run."""
    out = {}
    for part in (golden_cases, golden_machines, golden_errors):
        for name, steps in part.cases().items():
            assert name not in out, name
            out[name] = [steps] if isinstance(steps, str) else list(steps)
    return out


def expected_file(name):
    return os.path.join(EXPECTED, name + ".txt")


def expected_names():
    return {os.path.relpath(os.path.join(folder, name), EXPECTED).removesuffix(".txt")
            for folder, _, names in os.walk(EXPECTED) for name in names}


def difference(name, expected, got):
    """For each place the command that gave it, as in a unified diff."""
    before, now, out = expected.splitlines(), got.splitlines(), []
    for line in list(difflib.unified_diff(before, now, f"tests/golden/{name}.txt", "this run", "", "", 3, "")):
        out.append(line)
        place = re.match(r"@@ -\S+ \+(\d+)", line)
        if place:
            out += [f"   {step}" for step in now[:int(place[1]) + 3] if re.match(r"\[\d+\] ", step)][-1:]
    more = [f"… and {len(out) - SHOWN} lines more"] if len(out) > SHOWN else []
    return "\n".join(["", f"{name}: another output than it was", *(line if len(line) < 300 else line[:300] + "…" for line in out[:SHOWN]), *more,
                      f"If that is meant: python3 tests/e2e/test_golden.py --update {name}"])


class Golden(unittest.TestCase):
    maxDiff = None

    def test_cases(self):
        with tempfile.TemporaryDirectory(prefix="flense-golden-", dir=os.environ.get("FLENSE_TEST_DIR")) as work:
            bench, failed = Bench(work), []
            for name, steps in cases().items():
                if os.geteuid() != 0 and name.startswith(golden_machines.AS_ROOT):
                    continue
                got = bench.run(name, steps)
                try:
                    with open(expected_file(name), encoding="utf-8", newline="") as text:
                        expected = text.read()
                except FileNotFoundError:
                    failed.append(f"\n{name} has no file: python3 tests/e2e/test_golden.py --update {name}")
                    continue
                if got != expected:
                    failed.append(difference(name, expected, got))
            bench.fresh("case", "cache")
            self.assertEqual(harness.digest_tree(os.path.join(work, "in")), bench.before, "a case changed its inputs")
        if failed:
            self.fail(f"{len(failed)} of {len(cases())} cases differ\n" + "\n".join(failed))

    def test_every_file_has_a_case(self):
        self.assertEqual(sorted(expected_names() - set(cases())), [], "files below tests/golden without a case")


def update(prefixes):
    with tempfile.TemporaryDirectory(prefix="flense-golden-", dir=os.environ.get("FLENSE_TEST_DIR")) as work:
        bench, wanted = Bench(work), cases()
        for name, steps in wanted.items():
            if not prefixes or name.startswith(tuple(prefixes)):
                golden_inputs.write(expected_file(name), bench.run(name, steps))
        bench.fresh("case", "cache")
    for name in expected_names() - set(wanted):
        os.unlink(expected_file(name))


if __name__ == "__main__":
    if "--update" in sys.argv and os.access(harness.BINARY, os.X_OK):
        update(sys.argv[sys.argv.index("--update") + 1:])
    else:
        harness.main()
