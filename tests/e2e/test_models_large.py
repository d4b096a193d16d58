#!/usr/bin/env python3
"""Public small models in eight formats, each loaded by its own framework without a network: Silero VAD, Resemblyzer, Magika,
RapidOCR, Basic Pitch, and networks that transformers, torch and gguf wrote. After slimming at every level each answers as
before, and what docs/passes.md says of models holds. Prints the rows of its table.

Needs root and some 12 GB of disk, 4 of them for the image of scripts/make-image.py (built here when missing)."""

import glob
import json
import os
import shutil
import subprocess
import sys
import time

import harness
import rootfs

LEVELS = os.environ.get("FLENSE_LEVELS", "safe,standard,aggressive").split(",")
ENV = {"HF_HOME": "/root/.cache/huggingface", "HF_HUB_OFFLINE": "1", "USE_TF": "0", "TF_CPP_MIN_LOG_LEVEL": "3",
       "CUDA_VISIBLE_DEVICES": "-1"}
HUB = "root/.cache/huggingface/hub"
PACKAGES = "usr/local/lib/python3.11/dist-packages"
PITCH = f"{PACKAGES}/basic_pitch/saved_models/icassp_2022"
LEFTOVERS = (f"{HUB}/models--acme--cut/blobs/*.incomplete", f"{HUB}/.locks/*/*.lock",
             "srv/tiny-bert/.cache/huggingface/download/**/*.lock")
# Copies of the same weights, within one layer.
EQUAL = ((f"{HUB}/models--acme--tiny-bert/snapshots/*/model.safetensors", "srv/tiny-bert/model.safetensors"),
         (f"{HUB}/models--acme--tiny-bert/snapshots/*/pytorch_model.bin", "srv/tiny-bert/pytorch_model.bin"),
         (f"{HUB}/models--acme--tiny-bert/snapshots/*/onnx/model.onnx", "srv/tiny-bert/onnx/model.onnx"),
         ("opt/copy/tiny.gguf", "srv/gguf/tiny.gguf"))
PICKLES = (f"{HUB}/models--acme--tiny-bert/snapshots/*/pytorch_model.bin", "srv/tiny-bert/pytorch_model.bin",
           f"{HUB}/models--acme--tiny-llama/snapshots/*/pytorch_model-0000[123]-of-00003.bin")
# What inspect names as another form, by where it is said.
FORMS = {f"{PITCH}/nmp.onnx": "nmp/saved_model.pb", f"{PITCH}/nmp.tflite": "nmp/saved_model.pb",
         f"{PITCH}/nmp/saved_model.pb": "nmp.onnx",
         f"{PACKAGES}/silero_vad/data/silero_vad.jit": "silero_vad.onnx",
         f"{PACKAGES}/silero_vad/data/silero_vad.onnx": "silero_vad.jit",
         "srv/tiny-bert/onnx/model.onnx": "model.safetensors"}


def found(root, pattern):
    return sorted(glob.glob(os.path.join(root, pattern), recursive=True, include_hidden=True))


class ModelsLarge(harness.Case):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("unpacking owners needs root")
        subprocess.run([sys.executable, os.path.join(harness.TOP, "scripts/make-image.py"), "models"], check=True,
                       stdout=subprocess.DEVNULL)
        self.archive = os.path.join(harness.CACHE, "images/models.tar")

    def answers(self, root):
        started = time.monotonic()
        told = json.loads(rootfs.run(root, ["python3", "/opt/answers.py"], env=ENV))
        return told, time.monotonic() - started

    def test_each_answers_as_before(self):
        root = self.path("root")
        rootfs.unpack(self.archive, root)
        for pattern in LEFTOVERS:
            self.assertTrue(found(root, pattern), pattern)
        expected, seconds = self.answers(root)
        print(f"before: {len(expected)} answers in {seconds:.0f} s", flush=True)
        # The same network gives the same, whatever its form and place.
        for same in (("hub_bert", "hub_bert_pickle", "local_bert"), ("hub_llama", "hub_llama_pickle", "gguf_llama",
                                                                     "gguf_llama_copy")):
            self.assertEqual(len({expected[one] for one in same}), 1, same)
        for level in LEVELS:
            with self.subTest(level=level):
                shutil.rmtree(root)
                started = time.monotonic()
                report = self.flense("slim", self.archive, "--gpu", "h100", "--level", level, "-o", f"dir:{root}", "--json",
                                     timeout=3000).json
                slimming = time.monotonic() - started
                told, seconds = self.answers(root)
                passes = {one["id"]: one["bytes"] for one in report["passes"]}
                print(f"{level}: unpacked {report['unpacked_bytes_before']} -> {report['unpacked_bytes_after']} in "
                      f"{slimming:.0f} s, answers in {seconds:.0f} s; " + ", ".join(
                          f"{name} {size / 1e6:.1f}" for name, size in sorted(passes.items(), key=lambda one: -one[1])
                          if size >= 1e5), flush=True)
                self.assertEqual(told, expected)
                self.assert_promises(root, level, report, passes)

    def assert_promises(self, root, level, report, passes):
        self.assertIn("hub-leftovers", passes)
        for pattern in LEFTOVERS:
            self.assertEqual(found(root, pattern), [])
        self.assertTrue(found(root, "srv/tiny-bert/.cache/huggingface/download/*.metadata"))
        for one, other in EQUAL:
            one, = found(root, one)
            self.assertEqual(os.path.samefile(one, os.path.join(root, other)), level != "safe", other)
        left = {one["path"]: one["why"] for one in report["left_alone"]}
        pickles = [path for pattern in PICKLES for path in found(root, pattern)]
        self.assertEqual(len(pickles), 5)
        for path in pickles:
            name = os.path.relpath(os.path.realpath(path), root)
            self.assertEqual("delete it where no program opens it" in left.get(name, ""), level == "aggressive", name)

    def test_inspect_names_the_forms(self):
        models = {one.get("seen_as", one["path"]): one
                  for one in self.flense("inspect", self.archive, "--json", timeout=3000).json["models"]}
        for path, other in FORMS.items():
            self.assertIn(f"another form of the model in {other}:", models[path]["twin"], path)
        formats = {one["format"] for path, one in models.items() if "/tests/" not in path}
        self.assertEqual(formats, {"safetensors", "gguf", "pickle", "onnx", "tensorflow", "tflite", "torchscript"})
        instead = [path for path, one in models.items() if "loaders take safetensors first" in one.get("instead", "")]
        self.assertEqual(len(instead), 5, instead)


if __name__ == "__main__":
    harness.main()
