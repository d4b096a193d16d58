"""flense_VERSION_ARCHITECTURE.deb, packed by dpkg-deb."""

import email.utils
import gzip
import hashlib
import os
import re
import subprocess
import tempfile
import textwrap

import licences
import project

CONTROL = """Package: flense
Version: {version}
Section: utils
Priority: optional
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {kilobytes}
Recommends: bubblewrap, crun (>= 1.8), curl, skopeo
Static-Built-Using: {sources}
Description: {summary}
 flense takes a CUDA or ROCm image, says what takes up space in it, and writes
 the same image without what the GPUs at hand can never load. It tells whether
 an image will run on a host and why not, checks build and launch files, starts
 images without root, and makes specifications of the Container Device
 Interface.
 .
 It needs no GPU, no container engine and no CUDA toolkit.
"""

COPYRIGHT = """flense is licensed under the Apache License, Version 2.0:
/usr/share/common-licenses/Apache-2.0

The program is linked statically. What follows are the copyright files of the
packages from which libraries came into it.
"""

OVERRIDES = """# One file for every distribution, also mounted into containers that have another C library or none.
flense: statically-linked-binary [usr/bin/flense]
flense: embedded-library libyaml [usr/bin/flense]
flense: embedded-library zlib [usr/bin/flense]
# The versions of what is linked in, for whoever looks for old ones. dpkg knows the field.
flense: unknown-field Static-Built-Using
# That of images, which have no dpkg that runs here.
flense: uses-dpkg-database-directly [usr/bin/flense]
"""


def packed(text):
    return gzip.compress(text, 9, mtime=0)


def changelog():
    """CHANGELOG.md in the form that Debian's tools read."""
    when = email.utils.formatdate(project.epoch())
    out = []
    for section in re.split(r"^## ", project.read("CHANGELOG.md").decode(), flags=re.M)[1:]:
        title, body = section.split("\n", 1)
        out += [f"flense ({title.split(',')[0]}) unstable; urgency=medium", ""]
        for paragraph in re.split(r"\n\n|\n(?=- )", body.strip("\n")):
            words = " ".join(paragraph.removeprefix("- ").split())
            out += textwrap.wrap(words, 78, initial_indent="  * ", subsequent_indent="    ", break_long_words=False,
                                 break_on_hyphens=False)
        out += ["", f" -- {project.MAINTAINER}  {when}", ""]
    return "\n".join(out).encode()


def copyright_text(machine):
    texts, _ = licences.stated(machine)
    parts = [COPYRIGHT.encode()]
    for package, text in texts.items():
        parts.append(f"\n\n{'=' * 72}\n{package}\n{'=' * 72}\n\n".encode() + text)
    return b"".join(parts)


def files(program):
    return [
        project.File("usr/bin/flense", program.binary, 0o755),
        *(project.File(f"usr/share/man/man1/{name}.gz", packed(text)) for name, text in program.pages.items()),
        project.File("usr/share/bash-completion/completions/flense", program.completions["bash"]),
        project.File("usr/share/zsh/vendor-completions/_flense", program.completions["zsh"]),
        project.File("usr/share/fish/vendor_completions.d/flense.fish", program.completions["fish"]),
        project.File("usr/share/doc/flense/changelog.gz", packed(changelog())),
        project.File("usr/share/doc/flense/copyright", copyright_text(program.machine)),
        project.File("usr/share/lintian/overrides/flense", OVERRIDES.encode()),
    ]


def control_files(contents, program):
    control = CONTROL.format(version=project.version(), maintainer=project.MAINTAINER, summary=program.summary,
                             architecture=program.machine.debian,
                             kilobytes=sum(-(-len(file.data) // 1024) for file in contents),
                             sources=", ".join(licences.sources(program.machine)))
    sums = "".join(f"{hashlib.md5(file.data).hexdigest()}  {file.path}\n" for file in sorted(contents))
    return [
        project.File("DEBIAN/control", control.encode()),
        project.File("DEBIAN/md5sums", sums.encode()),
        *(project.File(f"DEBIAN/{name}", project.read(f"scripts/dist/{name}"), 0o755) for name in ("prerm", "postrm")),
    ]


def write(out, program):
    contents = files(program)
    package = out / f"flense_{project.version()}_{program.machine.debian}.deb"
    with tempfile.TemporaryDirectory() as top:
        for file in contents + control_files(contents, program):
            path = os.path.join(top, file.path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as stream:
                stream.write(file.data)
            os.chmod(path, file.mode)
        # Neither umask nor clock of this machine show.
        for folder, _, names in os.walk(top, topdown=False):
            os.chmod(folder, 0o755)
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.utime(path, (project.epoch(),) * 2)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", top, package], check=True,
                       stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(project.epoch())})
    return package
