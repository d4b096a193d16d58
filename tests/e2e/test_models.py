#!/usr/bin/env python3
"""Small models in the forms that hubs and frameworks write them in: after slimming at every level each loads and answers
as before, by a loader of this file that looks for weights as transformers does."""

import hashlib
import io
import json
import os
import pickle
import struct
import sys
import types
import zipfile

import fixtures
import harness
import imagetree
import schema
import test_passes

HUB = "root/.cache/huggingface/hub/models--acme--tiny"
SNAPSHOT = f"{HUB}/snapshots/main"


def weights(seed, *shapes):
    """{name: (shape, bytes of F32)}; three million bytes in all make links worth while."""
    out = {}
    for number, (name, shape) in enumerate(shapes):
        size = 4
        for one in shape:
            size *= one
        out[name] = (shape, fixtures.noise(f"{seed}{number}", size))
    return out


def model(seed):
    return weights(seed, ("encoder.layer.0.weight", (256, 1024)), ("encoder.layer.1.weight", (256, 1024)),
                   ("encoder.norm.bias", (1024,)))


def safetensors(tensors, **other):
    header, at = {}, 0
    for name, (shape, raw) in tensors.items():
        header[name] = {"dtype": other.get("dtype", "F32"), "shape": list(shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(raw for _, raw in tensors.values())


class FakeTorch:
    """Enough of torch for pickle to write and read what torch.save() writes."""

    class Storage:
        def __init__(self, key, raw):
            self.key, self.raw = key, raw

    class Tensor:
        def __init__(self, storage, shape):
            self.storage, self.shape = storage, shape

        def __reduce__(self):
            return sys.modules["torch._utils"]._rebuild_tensor_v2, (self.storage, 0, self.shape, self.shape, False, {})

    def __enter__(self):
        torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

        class FloatStorage:
            pass

        def _rebuild_tensor_v2(storage, offset, shape, strides, gradient, hooks):
            return FakeTorch.Tensor(storage, shape)
        FloatStorage.__module__, FloatStorage.__qualname__ = "torch", "FloatStorage"
        _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
        torch.FloatStorage, utils._rebuild_tensor_v2 = FloatStorage, _rebuild_tensor_v2
        sys.modules.update({"torch": torch, "torch._utils": utils})
        return torch

    def __exit__(self, *_):
        del sys.modules["torch"], sys.modules["torch._utils"]


def torch_save(tensors, tied=None, more=None):
    with FakeTorch() as torch:
        class Pickler(pickle.Pickler):
            def persistent_id(self, obj):
                if isinstance(obj, FakeTorch.Storage):
                    return "storage", torch.FloatStorage, obj.key, "cpu", len(obj.raw) // 4
                return None
        table = {name: FakeTorch.Tensor(FakeTorch.Storage(str(at), raw), shape)
                 for at, (name, (shape, raw)) in enumerate(tensors.items())}
        for name, other in (tied or {}).items():
            table[name] = FakeTorch.Tensor(table[other].storage, table[other].shape)
        out = io.BytesIO()
        Pickler(out, 2).dump({**table, **(more or {})})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:
        files.writestr("archive/data.pkl", out.getvalue())
        for at, (_, raw) in enumerate(tensors.values()):
            files.writestr(f"archive/data/{at}", raw)
    return archive.getvalue()


def gguf(tensors):
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 1) + text("general.architecture") + struct.pack("<I", 8) + text("tiny")
    at = 0
    for name, (shape, raw) in tensors.items():
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", 0, at)
        at += len(raw)
    head += bytes(-len(head) % 32)
    return head + b"".join(raw for _, raw in tensors.values())


def load(tree, folder):
    """The tensors of a model's directory, as transformers looks for them: safetensors first, then pickles."""
    def read(name):
        path = f"{folder}/{name}"
        entry = tree[path]
        if entry["type"] == "2":
            entry = tree[os.path.normpath(f"{folder}/{entry['target']}")]
        return entry["data"]
    names = sorted(path.removeprefix(folder + "/") for path in tree if os.path.dirname(path) == folder)
    out = {}
    for name in names:
        if name.endswith(".safetensors"):
            raw = read(name)
            size = struct.unpack("<Q", raw[:8])[0]
            for tensor, row in json.loads(raw[8:8 + size]).items():
                begin, end = row["data_offsets"]
                out[tensor] = raw[8 + size + begin:8 + size + end]
    for name in names if not out else ():
        if name.endswith(".bin"):
            with FakeTorch(), zipfile.ZipFile(io.BytesIO(read(name))) as files:
                class Unpickler(pickle.Unpickler):
                    def persistent_load(self, id):
                        return FakeTorch.Storage(id[2], files.read(f"archive/data/{id[2]}"))
                for tensor, value in Unpickler(io.BytesIO(files.read("archive/data.pkl"))).load().items():
                    out[tensor] = value.storage.raw
    for name in names if not out else ():
        if name.endswith(".gguf"):
            out[name] = read(name)
    assert out, folder
    return out


def answer(tree, folder):
    """What one step of a linear model gives for the same question: any change of a weight changes it."""
    total = hashlib.sha256()
    for name, raw in sorted(load(tree, folder).items()):
        total.update(name.encode() + raw)
    return total.hexdigest()


SETTINGS = b'{"model_type": "tiny"}'
FOLDERS = ("srv/whole", "srv/shards", SNAPSHOT, "srv/local", "srv/quantised", "srv/pickles", "opt/copy")


def files_of_models():
    whole, shards, hub = model("whole"), model("shards"), model("hub")
    first = {name: shards[name] for name in list(shards)[:1]}
    second = {name: shards[name] for name in list(shards)[1:]}
    blob, other = safetensors(hub), torch_save(hub)
    names = [hashlib.sha256(one).hexdigest() for one in (blob, other)]
    quantised = gguf(model("gguf"))
    index = json.dumps({"weight_map": {}}).encode()
    return {
        # Whole, with a tied name that safetensors leaves out, and other forms beside.
        "srv/whole/config.json": SETTINGS, "srv/whole/model.safetensors": safetensors(whole),
        "srv/whole/pytorch_model.bin": torch_save(whole, {"head.weight": "encoder.layer.0.weight"}),
        "srv/whole/tf_model.h5": b"\x89HDF\r\n\x1a\n" + fixtures.noise("h5", 100_000),
        "srv/whole/onnx/model.onnx": b"\x08\x08" + fixtures.noise("onnx", 100_000),
        "srv/whole/model.engine": b"ftrt" + bytes(20) + bytes((10, 3, 0, 26)) + fixtures.noise("plan", 100_000),
        # In parts.
        "srv/shards/config.json": SETTINGS, "srv/shards/model.safetensors.index.json": index,
        "srv/shards/model-00001-of-00002.safetensors": safetensors(first),
        "srv/shards/model-00002-of-00002.safetensors": safetensors(second),
        "srv/shards/pytorch_model-00001-of-00002.bin": torch_save(second),
        "srv/shards/pytorch_model-00002-of-00002.bin": torch_save(first),
        "srv/shards/pytorch_model.bin.index.json": index,
        # The hub's cache with what downloads left, a local copy, and a second one.
        f"{HUB}/blobs/{names[0]}": blob, f"{HUB}/blobs/{names[1]}": other, f"{HUB}/blobs/cfg": SETTINGS,
        f"{HUB}/blobs/{'0' * 64}.incomplete": fixtures.noise("part", 100_000), f"{HUB}/refs/main": b"main",
        "root/.cache/huggingface/hub/.locks/models--acme--tiny/x.lock": b"",
        f"{SNAPSHOT}/model.safetensors": ("link", f"../../blobs/{names[0]}"),
        f"{SNAPSHOT}/pytorch_model.bin": ("link", f"../../blobs/{names[1]}"),
        f"{SNAPSHOT}/config.json": ("link", "../../blobs/cfg"),
        "srv/local/model.safetensors": blob, "srv/local/config.json": SETTINGS,
        "srv/local/.cache/huggingface/download/model.safetensors.metadata": b"main\n",
        "srv/local/.cache/huggingface/download/model.safetensors.lock": b"",
        # Forms that converters wrote beside each other.
        "opt/forms/nmp.onnx": b"\x08\x08onnx", "opt/forms/nmp.tflite": bytes(4) + b"TFL3", "opt/forms/nmp/saved_model.pb": b"\x08",
        "opt/forms/nmp/variables/variables.data-00000-of-00001": bytes(64),
        "opt/forms/vad.jit": b"PK\x03\x04" + bytes(64), "opt/forms/vad.onnx": b"\x08\x08", "opt/forms/vad_half.onnx": b"\x08\x08",
        # One file at two places that nobody installs.
        "srv/quantised/tiny.gguf": quantised, "opt/copy/tiny.gguf": quantised,
        # Pickles alone.
        "srv/pickles/config.json": SETTINGS, "srv/pickles/pytorch_model.bin": torch_save(model("pickles")),
    }


class Models(harness.Case):
    def archive(self, name, files):
        path = self.path(name)
        fixtures.docker_archive(path, [test_passes.layer_of(files).done()], ["ADD"])
        return path

    def slimmed(self, source, level, *options):
        out = self.path(f"out-{level}-{len(os.listdir(self.work))}")
        report = self.flense("slim", source, "--gpu", "sm_90", "--level", level, "-o", f"oci:{out}", "--json", *options).json
        self.flense("verify", f"oci:{out}", "--against", source)
        return imagetree.merged(imagetree.read_image(out).layers), report

    def test_each_answers_as_before(self):
        source = self.archive("models.tar", files_of_models())
        before = imagetree.merged(imagetree.read_image(source, "docker").layers)
        for level in ("safe", "standard", "aggressive"):
            after, report = self.slimmed(source, level)
            for folder in FOLDERS:
                self.assertEqual(answer(after, folder), answer(before, folder), f"{level} {folder}")
            by_pass = {one["id"]: one["files"] for one in report["passes"]}
            self.assertIn("hub-leftovers", by_pass)
            self.assertFalse([path for path in after if path.endswith((".incomplete", ".lock"))])
            self.assertIn("srv/local/.cache/huggingface/download/model.safetensors.metadata", after)
            self.assertEqual("equal-files" in by_pass, level != "safe")
            pickles = [path for path in after if path.endswith(".bin") or "pytorch_model" in path]
            self.assertEqual(len(pickles), 6)

    def test_what_keeps_a_pickle(self):
        """Each change alone, and what the report says of it."""
        tensors = model("kept")
        base = {"srv/m/config.json": SETTINGS, "srv/m/model.safetensors": safetensors(tensors),
                "srv/m/pytorch_model.bin": torch_save(tensors)}
        fewer = dict(list(tensors.items())[:2])
        turned = {**tensors, "encoder.norm.bias": ((2, 512), tensors["encoder.norm.bias"][1])}
        trained = torch_save(tensors, more={"epoch": 3})
        for why, change in (
                ("is not in the safetensors", {"srv/m/model.safetensors": safetensors(fewer)}),
                ("has another type or shape", {"srv/m/model.safetensors": safetensors(turned)}),
                ("has another type or shape", {"srv/m/model.safetensors": safetensors(tensors, dtype="I32")}),
                ("not complete", {"srv/m/model.safetensors": b"", "srv/m/model-00001-of-00002.safetensors": safetensors(tensors)}),
                ("not complete", {"srv/m/model.safetensors": safetensors(tensors)[:40]}),
                ("no config.json", {"srv/m/config.json": None}),
                ("more than tensors: 'epoch'", {"srv/m/pytorch_model.bin": trained}),
                ("no archive", {"srv/m/pytorch_model.bin": b"\x80\x02}." + bytes(2 << 20)}),
                ("/srv/app.py names it", {"srv/app.py": b"torch.load('/srv/m/pytorch_model.bin')\n"}),
                ("/srv/best.bin leads to it", {"srv/best.bin": ("link", "m/pytorch_model.bin")})):
            with self.subTest(why=why, change=list(change)):
                files = {path: what for path, what in {**base, **change}.items() if what is not None and what != b""}
                source = self.archive(f"kept-{len(os.listdir(self.work))}.tar", files)
                plan = self.flense("slim", source, "--gpu", "sm_90", "--level", "aggressive", "--dry-run", "--json").json
                self.assertNotIn("pickled-weights", [one["id"] for one in plan["passes"]])
                said = [one["why"] for one in plan["left_alone"] if one["path"] == "srv/m/pytorch_model.bin"]
                self.assertTrue(said and why in said[0], said)
        # What loads both by its own order, or has a converter for either, asks for none of them.
        for package in ("transformers", "onnxruntime/transformers"):
            base[f"usr/lib/python3/dist-packages/{package}/convert.py"] = b"load('pytorch_model.bin')\n"
        source = self.archive("base.tar", base)
        plan = self.flense("slim", source, "--gpu", "sm_90", "--level", "aggressive", "--dry-run", "--json").json
        self.assertNotIn("pickled-weights", [one["id"] for one in plan["passes"]])
        said = {one["path"]: one["why"] for one in plan["left_alone"]}
        self.assertIn("delete it where no program opens it", said["srv/m/pytorch_model.bin"])

    def test_a_pickle_under_two_names_loses_neither(self):
        tensors = model("two")
        tree = self.path("tree")
        for path, data in (("opt/w.bin", torch_save(tensors)), ("srv/m/config.json", SETTINGS),
                           ("srv/m/model.safetensors", safetensors(tensors))):
            os.makedirs(os.path.dirname(os.path.join(tree, path)), exist_ok=True)
            with open(os.path.join(tree, path), "wb") as file:
                file.write(data if isinstance(data, bytes) else data.encode())
        os.link(f"{tree}/opt/w.bin", f"{tree}/srv/m/pytorch_model.bin")
        self.flense("slim", tree, "--gpu", "sm_90", "--level", "aggressive", "--in-place")
        self.assertTrue(os.path.samefile(f"{tree}/opt/w.bin", f"{tree}/srv/m/pytorch_model.bin"))

    def test_inspect_tells_forms_and_groups(self):
        source = self.archive("models.tar", files_of_models())
        document = self.flense("inspect", source, "--json").json
        self.assertEqual(schema.complaints(document, "flense/inventory/v1"), [])
        models = {one.get("seen_as", one["path"]): one for one in document["models"]}
        for name, form in (("tf_model.h5", "hdf5"), ("onnx/model.onnx", "onnx"), ("model.engine", "tensorrt")):
            one = models[f"srv/whole/{name}"]
            self.assertEqual(one["format"], form)
            self.assertIn("another form of the model in model.safetensors", one["twin"])
        self.assertEqual(models["srv/whole/model.engine"]["version"], "10.3.0.26")
        for name, other in (("nmp.onnx", "nmp/saved_model.pb"), ("nmp.tflite", "nmp/saved_model.pb"), ("nmp/saved_model.pb", "nmp.onnx"),
                            ("nmp/variables/variables.data-00000-of-00001", "nmp.onnx"), ("vad.jit", "vad.onnx"),
                            ("vad.onnx", "vad.jit")):
            self.assertIn(f"in {other}:", models[f"opt/forms/{name}"]["twin"], name)
        self.assertNotIn("twin", models["opt/forms/vad_half.onnx"])
        self.assertEqual(models["opt/forms/vad.jit"]["format"], "torchscript")
        self.assertIn("tells no GPU", models["srv/whole/model.engine"]["untold"])
        self.assertIn("model.safetensors is there", models[f"{SNAPSHOT}/pytorch_model.bin"]["instead"])
        groups = models["srv/whole/model.safetensors"]["groups"]
        self.assertEqual(groups[0], {"name": "encoder.layer.*", "type": "F32", "tensors": 2, "bytes": 2 << 20,
                                     "half_precision_saves": 1 << 20, "eight_bit_saves": 3 << 19})
        self.assertEqual(groups[1]["eight_bit_saves"], 0, "a bias is no matrix")
        # What torch.save() shares between two names is one.
        self.assertEqual(models["srv/whole/pytorch_model.bin"]["types"][0]["tensors"], 3)

    def test_a_plan_of_another_tensorrt_is_told(self):
        files = {"srv/a.engine": b"ftrt" + bytes(20) + bytes((8, 6, 1, 6)) + bytes(100)}
        document = self.flense("check", self.archive("plan.tar", files), "--host", "h100@550.54.15", "--json", expect=None).json
        check = next(one for one in document["hosts"][0]["checks"] if one["id"] == "tensorrt-plan")
        self.assertEqual(check["verdict"], "unknown")
        self.assertIn("8.6.1.6", check["message"])


if __name__ == "__main__":
    sys.exit(harness.main())
