#!/usr/bin/env python3
"""Proposes rows of data/ from what a package index tells: the newest versions of the frameworks, the CUDA and cuDNN that
their METADATA asks for, and with --architectures the device code that flense finds in their wheels.

Prints JSON: `seen` the newest versions, `proposed` rows that the tables do not answer yet. With --write they are put in
front of their sections. Rows made here name the index as their source; rows from documents are never touched, and where
one disagrees it is listed under `disagrees` for a person to settle."""

import argparse
import base64
import datetime
import html.parser
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
SOURCE = "package index: "
PACKAGES = ("torch", "jax", "tensorflow", "onnxruntime-gpu", "cuda-toolkit", "tensorrt", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")
WHOLE_FILE = 64 << 20  # what may be read of a server that knows no ranges
ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"


def numbers(version):
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0]))


def minor(version):
    return ".".join(version.split(".")[:2])


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


class Links(html.parser.HTMLParser):
    """A page of the simple API as HTML (PEP 503)."""

    def __init__(self, page):
        super().__init__()
        self.files = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "a" and "href" in attrs:
            url = attrs["href"].split("#")[0]
            self.files.append({"url": url, "filename": urllib.parse.unquote(url.rsplit("/", 1)[-1]), "yanked": "data-yanked" in attrs,
                               "core-metadata": "data-core-metadata" in attrs or "data-dist-info-metadata" in attrs})


class RangedFile(io.RawIOBase):
    """A file of a server, of which only what is read travels."""

    def __init__(self, index, url):
        super().__init__()
        self.index, self.url, self.at = index, url, 0
        with index.open(url, {"Range": "bytes=0-0"}) as answer:
            ranges = answer.status == 206
            self.size = int(answer.headers["Content-Range"].rsplit("/")[-1]) if ranges else None
            self.whole = None if ranges else answer.read(WHOLE_FILE + 1)
        if self.whole is not None:
            if len(self.whole) > WHOLE_FILE:
                raise OSError(f"{url}: the server knows no ranges, and the file is large")
            self.size = len(self.whole)

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        self.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        return self.at

    def readinto(self, buffer):
        wanted = min(len(buffer), self.size - self.at)
        if wanted <= 0:
            return 0
        if self.whole is not None:
            data = self.whole[self.at:self.at + wanted]
        else:
            with self.index.open(self.url, {"Range": f"bytes={self.at}-{self.at + wanted - 1}"}) as answer:
                data = answer.read(wanted)
        buffer[:len(data)] = data
        self.at += len(data)
        return len(data)


class Index:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url.rstrip("/") + "/")
        self.host = parts.netloc.rpartition("@")[2]
        self.url = parts._replace(netloc=self.host).geturl()
        user = urllib.parse.unquote(parts.netloc.rpartition("@")[0])
        self.login = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
        self.pages = {}

    def open(self, url, headers=()):
        own = self.login if urllib.parse.urlsplit(url).netloc == self.host else {}
        return urllib.request.urlopen(urllib.request.Request(url, headers={**own, **dict(headers)}), timeout=120)

    def files(self, project):
        if project not in self.pages:
            url = self.url + normal(project) + "/"
            with self.open(url, {"Accept": ACCEPT}) as answer:
                page = answer.read(WHOLE_FILE).decode()
                files = json.loads(page)["files"] if "json" in answer.headers.get_content_type() else Links(page).files
            self.pages[project] = [{**file, "url": urllib.parse.urljoin(url, file["url"])} for file in files if not file.get("yanked")]
        return self.pages[project]

    def newest(self, project):
        """The newest final version; None where there is none."""
        found = set()
        for file in self.files(project):
            stem = re.sub(r"\.(tar\.gz|zip|whl)$", "", file["filename"])
            version = stem.split("-")[1] if file["filename"].endswith(".whl") else stem.rpartition("-")[2]
            if re.fullmatch(r"\d+(\.\d+)*", version):
                found.add(version)
        return max(found, key=numbers, default=None)

    def wheel(self, project, version, machine="x86_64"):
        """One for Linux on that processor by a usual Python, or for all."""
        wheels = [file for file in self.files(project) if file["filename"].endswith(".whl") and file["filename"].split("-")[1] == version
                  and re.search(rf"(linux.*{machine}|-any)\.whl$", file["filename"])]
        return min(wheels, key=lambda file: ("-cp312-cp312-" not in file["filename"] and "-py3-" not in file["filename"], file["filename"]),
                   default=None)

    def requirements(self, project, version):
        """[(name, extras, specifier, marker)] of what Linux installs."""
        wheel = self.wheel(project, version)
        if wheel is None:
            return []
        if wheel.get("core-metadata") or wheel.get("data-dist-info-metadata"):
            with self.open(wheel["url"] + ".metadata") as answer:
                text = answer.read(WHOLE_FILE).decode()
        else:
            with zipfile.ZipFile(io.BufferedReader(RangedFile(self, wheel["url"]), 1 << 16)) as archive:
                name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
                text = archive.read(name).decode()
        out = []
        for line in re.findall(r"^Requires-Dist: (.*)$", text.split("\n\n")[0], re.M):
            words, _, marker = line.partition(";")
            name, _, specifier = re.fullmatch(r"([\w.-]+)\s*(\[[^]]*\])?\s*\(?([^)]*)\)?\s*", words).groups()
            if "win32" not in marker or "linux" in marker:
                out.append((normal(name), specifier.strip(), marker))
        return out


def least(specifier):
    """The version that a specifier begins with."""
    found = re.search(r"(?:==|>=|~=)\s*([\d.]+)", specifier)
    return found[1].rstrip(".") if found else None


def cuda_asked(requirements):
    """The CUDA that its packages ask for: of the toolkit as a whole, or of its run time."""
    for wanted in (r"cuda-toolkit", r"nvidia-cuda-runtime(-cu\d+)?"):
        for name, specifier, _ in requirements:
            if re.fullmatch(wanted, name) and least(specifier):
                return specifier, least(specifier)
    return None, None


def cudnn_asked(requirements):
    for name, specifier, _ in requirements:
        if re.fullmatch(r"nvidia-cudnn-cu\d+", name) and least(specifier):
            return least(specifier)
    return None


class Tables:
    def __init__(self, folder, date):
        self.folder, self.date = folder, date
        self.texts, self.proposed, self.disagrees = {}, [], []

    def text(self, table):
        if table not in self.texts:
            with open(os.path.join(self.folder, f"{table}.json"), encoding="utf-8") as source:
                self.texts[table] = source.read()
        return self.texts[table]

    def section(self, table, section):
        return json.loads(self.text(table))[section]

    def answer(self, table, section, row):
        """The row that answers for what `row` is of, as flense finds it: the first that matches."""
        version = numbers(row.get("from") or row["version"])
        for one in self.section(table, section)["rows"]:
            if any(name in row and one.get(name, row[name]) != row[name] for name in ("package", "variant", "platform") if name != section):
                continue
            if "version" in row:
                if one["version"] == row["version"] and one.get("variant") == row.get("variant"):
                    return one
                continue
            if section == "pypi" or one["package"] == row["package"]:
                first, last = numbers(one.get("from", "0")), numbers(one.get("to", "99999"))
                if version >= first[:len(version)] and version[:len(last)] <= last:
                    return one
        return None

    def propose(self, table, section, row, source):
        """Unless the table says the same already."""
        facts = {name: value for name, value in row.items() if name not in ("version", "package", "from", "to", "platform")}
        known = self.answer(table, section, {name: value for name, value in row.items() if (section, name) != ("pypi", "variant")})
        if known is not None and all(known.get(name) == value for name, value in facts.items()):
            return
        row = {**row, "source": SOURCE + source, "date": self.date}
        key = self.section(table, section)["key"]
        same = known is not None and all(known.get(name) == row.get(name) for name in key)
        if same and not known.get("source", "").startswith(SOURCE):
            self.disagrees.append({"table": table, "section": section, "row": known, "found": row})
            return
        self.proposed.append({"table": table, "section": section, "row": row, "instead_of": known if same else None})
        lines = self.text(table).split("\n")
        begin = next(i for i, line in enumerate(lines) if line == f'  "{section}": {{')
        begin = next(i for i in range(begin, len(lines)) if lines[i].lstrip().startswith('"rows": ['))
        text = json.dumps(row, ensure_ascii=False)
        if same:
            at = next(i for i in range(begin + 1, len(lines)) if json.loads(lines[i].strip().rstrip(",")) == known)
            lines[at] = f"      {text}" + ("," if lines[at].endswith(",") else "")
        else:
            more = lines[begin + 1].strip().startswith("{")
            lines.insert(begin + 1, f"      {text}" + ("," if more else ""))
        self.texts[table] = "\n".join(lines)

    def write(self):
        for table in sorted({one["table"] for one in self.proposed}):
            path = os.path.join(self.folder, f"{table}.json")
            json.loads(self.texts[table])
            with open(path + ".new", "w", encoding="utf-8") as out:
                out.write(self.texts[table])
            os.replace(path + ".new", path)


def architecture(name):
    digits, suffix = re.fullmatch(r"(?:sm|compute)_(\d+)([af]?)", name).groups()
    return f"{digits[:-1]}.{digits[-1]}{suffix}"


def device_code(index, flense, wheel, limit):
    """cubin and PTX architectures of the wheel's largest library of device code. What has less than a quarter as many
    entries as the most is of single kernels."""
    if wheel.get("size", 0) > limit:
        raise OSError(f"{wheel['filename']} is larger than --max-wheel")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        path = os.path.join(folder, "wheel")
        with index.open(wheel["url"]) as answer, open(path, "wb") as out:
            while block := answer.read(1 << 20):
                out.write(block)
                if out.tell() > limit:
                    raise OSError(f"{wheel['filename']} is larger than --max-wheel")
        with zipfile.ZipFile(path) as archive:
            tree = os.path.join(folder, "tree")
            os.mkdir(tree)
            for number, name in enumerate(name for name in archive.namelist() if ".so" in name):
                with archive.open(name) as member, open(os.path.join(tree, f"{number}.so"), "wb") as out:
                    while block := member.read(1 << 20):
                        out.write(block)
        os.remove(path)
        done = subprocess.run([flense, "inspect", tree, "--json", "--no-cache", "-q"], stdout=subprocess.PIPE, check=True)
    files = [file for file in json.loads(done.stdout)["device_code"]["files"] if file["device_bytes"]]
    if not files:
        return None
    out = {}
    for kind, name in (("cubin", "cubin"), ("ptx", "ptx")):
        entries = [one for one in max(files, key=lambda file: file["device_bytes"])["entries"] if one["vendor"] == "nvidia" and one["kind"] == kind]
        most = max((one["count"] for one in entries), default=0)
        kept = {architecture(one["arch"]) for one in entries if one["count"] * 4 >= most}
        out[name] = sorted(kept, key=lambda one: (numbers(one), one))
    return out


def build_row(index, options, tables, package, version, project, **more):
    for machine, platform in (("x86_64", "amd64"), ("aarch64", "arm64")):
        wheel = index.wheel(project, version, machine)
        found = device_code(index, options.flense, wheel, options.max_wheel) if wheel else None
        if found:
            tables.propose("framework_builds", "builds", {"package": package, "from": minor(version), "to": minor(version), **more,
                                                          "platform": platform, **found}, f"{wheel['filename']}, read by flense")


def of_frameworks(index, options, tables, package, version):
    requirements = index.requirements(package, version)
    specifier, cuda = cuda_asked(requirements)
    source, span = f"METADATA of {package} {version}", {"from": minor(version), "to": minor(version)}
    cudnn, more = cudnn_asked(requirements), {}
    if cudnn:
        tables.propose("framework_builds", "cudnn", {"package": package, **span, "major": numbers(cudnn)[0]}, source)
    if package == "torch" and cuda:
        more = {"variant": "cu" + minor(cuda).replace(".", "")}
        needs = (index.wheel(package, version) or {}).get("requires-python") or ""
        python = {"python": least(needs)} if needs.startswith(">=") else {}
        tables.propose("framework_builds", "pypi", {**span, **more, **python}, source)
        if not any(one["version"] == version and more["variant"] in one["variants"] for one in tables.section("releases", "torch")["rows"]):
            tables.propose("releases", "torch", {"version": version, "variants": [more["variant"]], "rocm": [], "confidence": "medium"},
                           source + ": the variant of the wheels that carry no suffix; others were not looked at")
    elif cuda:
        tables.propose("framework_builds", "cuda", {"package": package, **span, "cuda": cuda.split(".")[0] if "~=" in specifier else minor(cuda)},
                       source)
    if options.architectures:
        build_row(index, options, tables, package, version, package, **more)


def of_jax(index, options, tables, version):
    for variant in ("cuda12", "cuda13"):
        plugin = f"jax-{variant}-plugin"
        if index.wheel(plugin, version) is None:
            continue
        requirements = index.requirements(plugin, version)
        _, asked = cuda_asked(requirements)
        # The release that the last set was resolved with stays, as long as it is new enough.
        known = [one for one in tables.section("releases", "jax")["rows"] if one["variant"] == variant]
        cuda = max(known, key=lambda one: numbers(one["version"]))["cuda"] if known else None
        source = f"METADATA of {plugin} {version}"
        if cuda and asked and numbers(cuda)[:2] >= numbers(asked)[:2]:
            tables.propose("releases", "jax", {"version": version, "variant": variant, "cuda": cuda}, source)
        if cudnn := cudnn_asked(requirements):
            tables.propose("framework_builds", "cudnn", {"package": plugin, "from": minor(version), "to": minor(version),
                                                         "major": numbers(cudnn)[0]}, source)
        if options.architectures:
            build_row(index, options, tables, plugin, version, f"jax-{variant}-pjrt")


def configured_index():
    if os.environ.get("PIP_INDEX_URL"):
        return os.environ["PIP_INDEX_URL"]
    done = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False)
    return done.stdout.decode().strip() or "https://pypi.org/simple"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", default=PACKAGES, metavar="PACKAGE", help=f"of {', '.join(PACKAGES)} (default: all)")
    parser.add_argument("--index", help="simple API (PEP 503 or 691); default: pip's")
    parser.add_argument("--architectures", action="store_true", help="download wheels and read their device code")
    parser.add_argument("--max-wheel", type=int, default=1 << 30, metavar="BYTES", help="no larger ones (default: 1 GiB)")
    parser.add_argument("--flense", default=os.path.join(TOP, "build/release/flense"), help="program that reads them")
    parser.add_argument("--data", default=os.path.join(TOP, "data"), metavar="DIR", help="the tables (default: data/)")
    parser.add_argument("--date", default=datetime.date.today().isoformat(), help="of the rows (default: today)")
    parser.add_argument("--write", action="store_true", help="put the rows into the tables")
    options = parser.parse_args()
    if unknown := set(options.packages) - set(PACKAGES):
        parser.error(f"nothing is known about {', '.join(sorted(unknown))}")
    index, tables, seen, failed = Index(options.index or configured_index()), Tables(options.data, options.date), {}, {}
    for package in options.packages:
        try:
            seen[package] = version = index.newest(package)
            if version is None or package in ("cuda-toolkit", "tensorrt"):
                continue  # no table has rows by their versions
            if package == "jax":
                of_jax(index, options, tables, version)
            elif package.startswith("nvidia-cudnn-"):
                if options.architectures:
                    build_row(index, options, tables, package, version, package)
            else:
                of_frameworks(index, options, tables, package, version)
        except (OSError, KeyError, ValueError, StopIteration, zipfile.BadZipFile, subprocess.CalledProcessError) as error:
            failed[package] = f"{type(error).__name__}: {error}"
    if options.write and not failed:
        tables.write()
    json.dump({"seen": seen, "proposed": tables.proposed, "disagrees": tables.disagrees, "failed": failed}, sys.stdout, indent=2, ensure_ascii=False)
    print()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
