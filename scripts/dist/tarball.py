"""flense-VERSION-linux-MACHINE.tar.gz: to be unpacked below /usr/local, ~/.local or anywhere else."""

import gzip
import io
import tarfile

import licences
import project


def files(program):
    return [
        project.File("bin/flense", program.binary, 0o755),
        *(project.File(f"share/man/man1/{name}", text) for name, text in program.pages.items()),
        project.File("share/bash-completion/completions/flense", program.completions["bash"]),
        project.File("share/zsh/site-functions/_flense", program.completions["zsh"]),
        project.File("share/fish/vendor_completions.d/flense.fish", program.completions["fish"]),
        project.File("share/doc/flense/CHANGELOG.md", project.read("CHANGELOG.md")),
        *(file._replace(path=f"share/doc/flense/licences/{file.path}") for file in licences.files(program.machine)),
    ]


def write(out, program):
    top = f"flense-{project.version()}-linux-{program.machine.kernel}"
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, packed, mtime=project.epoch()) as stream, \
            tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(files(program)):
            member = tarfile.TarInfo(f"{top}/{file.path}")
            member.size, member.mode, member.mtime = len(file.data), file.mode, project.epoch()
            member.uname = member.gname = "root"
            archive.addfile(member, io.BytesIO(file.data))
    path = out / f"{top}.tar.gz"
    path.write_bytes(packed.getvalue())
    return path
