"""A wheel for PyPI that holds the program and no Python: pip, pipx and uv put it beside their other programs."""

import base64
import csv
import hashlib
import io
import stat
import time
import zipfile

import licences
import project

# A static program asks for no C library; these are the oldest that installers ask for by name.
PLATFORMS = ("manylinux_2_17", "manylinux2014", "musllinux_1_1")

METADATA = """Metadata-Version: 2.1
Name: flense
Version: {version}
Summary: {summary}
License: Apache-2.0; linked libraries have licences of their own, in licenses/
Keywords: containers,cuda,docker,gpu,oci,rocm
Classifier: Environment :: Console
Classifier: Environment :: GPU
Classifier: License :: OSI Approved :: Apache Software License
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: C++
Classifier: Topic :: System :: Systems Administration
Description-Content-Type: text/markdown

{readme}"""


def platforms(program):
    return [f"{platform}_{program.machine.kernel}" for platform in PLATFORMS]


def files(program):
    name = f"flense-{project.version()}"
    info = f"{name}.dist-info"
    tags = "".join(f"Tag: py3-none-{platform}\n" for platform in platforms(program))
    metadata = METADATA.format(version=project.version(), summary=program.summary,
                               readme=project.read("README.md").decode())
    out = sorted([
        project.File(f"{name}.data/scripts/flense", program.binary, 0o755),
        project.File(f"{info}/METADATA", metadata.encode()),
        project.File(f"{info}/WHEEL",
                     f"Wheel-Version: 1.0\nGenerator: flense scripts/dist\nRoot-Is-Purelib: false\n{tags}".encode()),
        *(file._replace(path=f"{info}/licenses/{file.path}") for file in licences.files(program.machine)),
    ])
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for file in out:
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.data).digest()).decode().rstrip("=")
        rows.writerow([file.path, f"sha256={digest}", len(file.data)])
    rows.writerow([f"{info}/RECORD", "", ""])
    return [*out, project.File(f"{info}/RECORD", record.getvalue().encode())]


def write(out, program):
    path = out / f"flense-{project.version()}-py3-none-{'.'.join(platforms(program))}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files(program):
            member = zipfile.ZipInfo(file.path, time.gmtime(project.epoch())[:6])
            member.create_system, member.compress_type = 3, zipfile.ZIP_DEFLATED
            member.external_attr = (stat.S_IFREG | file.mode) << 16
            archive.writestr(member, file.data)
    return path
