"""`export FILE` writes a small network, `run FILE` answers with it on the CPU and prints a digest, what ONNX Runtime was
built for, and what TensorRT's libraries say of themselves: all that they do without a GPU."""

import ctypes
import hashlib
import sys

import numpy as np


def export(path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    rng = np.random.default_rng(7)
    weights = [("kernel", rng.normal(size=(8, 3, 3, 3))), ("dense", rng.normal(size=(8 * 30 * 30, 10)) / 100)]
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["features"]),
             helper.make_node("Relu", ["features"], ["active"]), helper.make_node("Flatten", ["active"], ["flat"]),
             helper.make_node("MatMul", ["flat", "dense"], ["logits"]), helper.make_node("Softmax", ["logits"], ["classes"])]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("classes", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(value.astype("float32"), name) for name, value in weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def tensorrt():
    """The versions of the runtime and of the parser."""
    runtime, parser = ctypes.CDLL("libnvinfer.so.10"), ctypes.CDLL("libnvonnxparser.so.10")
    return runtime.getInferLibVersion(), parser.getNvOnnxParserVersion()


def run(path):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(8).normal(size=(4, 3, 32, 32)).astype("float32")
    answer = session.run(None, {"image": images})[0]
    providers = [p for p in ort.get_available_providers() if "Execution" in p]
    print(*tensorrt(), ort.__version__, providers, answer.argmax(axis=1).tolist(), hashlib.sha256(answer.tobytes()).hexdigest())


{"export": export, "run": run}[sys.argv[1]](sys.argv[2])
