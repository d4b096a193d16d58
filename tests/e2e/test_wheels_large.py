#!/usr/bin/env python3
"""Real wheels of several publishers: slimmed, installed by pip and uv from the written index, and asked what the
originals were asked. Downloads some gigabytes; needs no GPU.

  test_wheels_large.py [-v] [Large.test_xgboost …]"""

import glob
import os
import shutil
import subprocess
import sys

import harness
import wheels

XGBOOST = """
import hashlib, numpy, xgboost
draw = numpy.random.RandomState(7)
x = draw.rand(4000, 20).astype("float32")
y = (x @ draw.rand(20) > 5).astype("int32")
data = xgboost.DMatrix(x)
model = xgboost.train({"max_depth": 6, "objective": "binary:logistic", "nthread": 2, "device": "cpu"},
                      xgboost.DMatrix(x, y), 30)
print(xgboost.__version__, hashlib.sha256(model.predict(data).tobytes()).hexdigest())
"""
ONNXRUNTIME = """
import numpy, onnxruntime
from onnxruntime.datasets import get_example
for name in ("mul_1.onnx", "sigmoid.onnx", "logreg_iris.onnx"):
    session = onnxruntime.InferenceSession(get_example(name), providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0]
    data = numpy.random.RandomState(1).rand(*[d if isinstance(d, int) else 3 for d in wanted.shape]).astype("float32")
    print(name, [numpy.asarray(one, dtype=object).tolist() for one in session.run(None, {wanted.name: data})])
print(onnxruntime.__version__, onnxruntime.get_available_providers())
"""
LIBCUDF = """
import ctypes, libcudf, subprocess
libcudf.load_library()
paths = sorted({line.split()[-1] for line in open("/proc/self/maps") if ".so" in line and "site-packages" in line})
print(libcudf.__version__, [path.split("/")[-1] for path in paths])
path = next(path for path in paths if path.endswith("/libcudf.so"))
names = [line.split()[-1].split("@")[0] for line in
         subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True).stdout.splitlines()]
library = ctypes.CDLL(path)
print(len(names), [name for name in names if not hasattr(library, name)])
"""
TORCH = """
import hashlib, torch
torch.manual_seed(3)
torch.set_num_threads(2)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 900, 10))
data = torch.randn(4, 3, 32, 32)
net(data).sum().backward()
print(torch.__version__, torch.cuda.is_available(), torch.cuda.get_arch_list())
print(hashlib.sha256(bytes(net(data).detach().view(torch.uint8).flatten().tolist())).hexdigest(), torch.linalg.svdvals(torch.eye(5) * 2).tolist())
print(sorted(op for op in torch._C._dispatch_get_all_op_names())[:3], len(torch._C._dispatch_get_all_op_names()))
"""


class Large(harness.Case):
    def answer(self, where, installer, program, *arguments):
        if installer == "uv":
            self.run_tool("uv", "venv", "-q", "--python", sys.executable, where)
            self.run_tool("uv", "pip", "install", "-q", "--no-cache", "--python", where + "/bin/python", *arguments)
            self.run_tool("uv", "pip", "check", "-q", "--python", where + "/bin/python")
        else:
            self.run_tool(sys.executable, "-m", "venv", where)
            self.run_tool(where + "/bin/pip", "install", "-q", "--no-cache-dir", *arguments)
            self.run_tool(where + "/bin/pip", "check")
        return subprocess.run([where + "/bin/python", "-c", program], check=True, capture_output=True, text=True).stdout

    def check_package(self, spec, program):
        if not shutil.which("uv"):
            self.skipTest("uv is not installed")
        self.run_tool(sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:", "-d", self.path("in"), spec)
        given = sorted(glob.glob(self.path("in/*.whl")))
        self.flense("slim", *given, "--gpu", "h100", "-o", self.path("out"), "--index", timeout=3600)
        for path in glob.glob(self.path("out/*.whl")):
            wheels.read(path)
        before = sum(map(os.path.getsize, given))
        after = sum(map(os.path.getsize, glob.glob(self.path("out/*.whl"))))
        print(f"{spec}: {len(given)} wheels, {before / 1e6:.0f} -> {after / 1e6:.0f} MB", flush=True)
        self.assertLess(after, before)
        index = ["--index-url", f"file://{self.path('out')}/simple", "--require-hashes", "-r",
                 self.path("out/requirements.txt")]
        answers = set()
        for installer, arguments in (("pip", ["--no-index", "--find-links", self.path("in"), spec]), ("pip", index),
                                     ("uv", index)):
            answers.add(self.answer(self.path("env"), installer, program, *arguments))
            shutil.rmtree(self.path("env"))
        self.assertEqual(len(answers), 1, answers)
        self.assertNotEqual(answers, {""})

    def test_xgboost(self):
        self.check_package("xgboost", XGBOOST)

    def test_onnxruntime(self):
        self.check_package("onnxruntime-gpu", ONNXRUNTIME)

    def test_libcudf(self):
        self.check_package("libcudf-cu12", LIBCUDF)

    def test_torch(self):
        self.check_package("torch", TORCH)


if __name__ == "__main__":
    harness.main()
