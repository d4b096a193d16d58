"""flense-VERSION-oci.tar: an OCI archive of one image from scratch for every machine, the program at /flense."""

import gzip
import hashlib
import io
import json
import pathlib
import tarfile
import time

import licences
import project

INDEX, MANIFEST, CONFIG, LAYER = (f"application/vnd.oci.image.{kind}" for kind in (
    "index.v1+json", "manifest.v1+json", "config.v1+json", "layer.v1.tar+gzip"))


def packed(folders, files):
    """A tar archive of these, all root's and of the time that all artefacts carry."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, mode in folders:
            member = tarfile.TarInfo(path)
            member.type, member.mode, member.mtime = tarfile.DIRTYPE, mode, project.epoch()
            archive.addfile(member)
        for file in sorted(files):
            member = tarfile.TarInfo(file.path)
            member.size, member.mode, member.mtime = len(file.data), file.mode, project.epoch()
            archive.addfile(member, io.BytesIO(file.data))
    return out.getvalue()


class Blobs:
    """The files of a layout by their digests."""

    def __init__(self):
        self.files = {}

    def add(self, kind, data, **more):
        """The descriptor of some bytes, or of a document."""
        if not isinstance(data, bytes):
            data = json.dumps(data, separators=(",", ":")).encode()
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data), **more}


def manifest(blobs, program, labels):
    texts = [file._replace(path=f"usr/share/doc/flense/licences/{file.path}") for file in licences.files(program.machine)]
    folders = {parent.as_posix() for file in texts for parent in pathlib.PurePath(file.path).parents} - {"."}
    # What does not fit into memory goes to /tmp; files that are worked on are mounted at /work.
    layer = packed([("tmp", 0o1777), *((path, 0o755) for path in sorted(folders | {"work"}))],
                   [*texts, project.File("flense", program.binary, 0o755)])
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(project.epoch()))
    platform = {"architecture": program.machine.debian, "os": "linux"}
    config = {"created": created, **platform,
              "config": {"Entrypoint": ["/flense"], "Cmd": ["help"], "WorkingDir": "/work", "Labels": labels},
              "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
              "history": [{"created": created, "created_by": f"COPY flense {labels['org.opencontainers.image.version']}"}]}
    return blobs.add(MANIFEST, {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": blobs.add(CONFIG, config),
        "layers": [blobs.add(LAYER, gzip.compress(layer, 9, mtime=0))], "annotations": labels}, platform=platform)


def write(out, programs):
    version = project.version()
    labels = {"org.opencontainers.image.title": "flense", "org.opencontainers.image.version": version,
              "org.opencontainers.image.description": programs[0].summary,
              "org.opencontainers.image.licenses": "Apache-2.0"}
    blobs = Blobs()
    several = blobs.add(INDEX, {
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest(blobs, program, labels) for program in programs],
        "annotations": labels}, annotations={"org.opencontainers.image.ref.name": version})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [several]}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(), **blobs.files}
    path = out / f"flense-{version}-oci.tar"
    path.write_bytes(packed([("blobs", 0o755), ("blobs/sha256", 0o755)],
                            [project.File(name, data) for name, data in files.items()]))
    return path
