"""Loads every model of the image with its framework and prints {name: digest of what it answers to fixed questions}. With a
name, that one alone: each has a process of its own, since frameworks bring libraries of the same names."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np

PACKAGES = "/usr/local/lib/python3.11/dist-packages"
HUB = "/root/.cache/huggingface/hub"
PITCH = f"{PACKAGES}/basic_pitch/saved_models/icassp_2022/nmp"


def digest(*arrays):
    total = hashlib.sha256()
    for one in arrays:
        value = np.ascontiguousarray(one)
        total.update(f"{value.dtype} {value.shape}".encode() + value.tobytes())
    return total.hexdigest()


def noise(*shape):
    return np.random.default_rng(7).normal(size=shape).astype("float32")


def torch():
    import torch
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    return torch


def onnx(path, **inputs):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return digest(*session.run(None, inputs))


def silero_torchscript():
    library = torch()
    model = library.jit.load(f"{PACKAGES}/silero_vad/data/silero_vad.jit")
    return digest(*[model(library.from_numpy(window).unsqueeze(0), 16000).numpy() for window in noise(4, 512)])


def silero_onnx():
    return onnx(f"{PACKAGES}/silero_vad/data/silero_vad.onnx", input=noise(1, 576), state=noise(2, 1, 128),
                sr=np.array(16000, "int64"))


def silero_safetensors():
    from safetensors.numpy import load_file
    weights = load_file(f"{PACKAGES}/silero_vad/data/silero_vad_16k.safetensors")
    return digest(*[weights[name] for name in sorted(weights)])


def resemblyzer_pickle():
    """The network of its VoiceEncoder, without the audio libraries that its module imports."""
    library = torch()

    class Encoder(library.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = library.nn.LSTM(40, 256, 3, batch_first=True)
            self.linear = library.nn.Linear(256, 256)

        def forward(self, mels):
            return self.linear(self.lstm(mels)[1][0][-1]).relu()

    state = library.load(f"{PACKAGES}/resemblyzer/pretrained.pt", map_location="cpu")["model_state"]
    model = Encoder()
    model.load_state_dict({name: value for name, value in state.items() if not name.startswith("similarity")})
    return digest(model.eval()(library.from_numpy(noise(2, 160, 40))).numpy())


def magika_onnx():
    from magika import Magika
    told = [Magika().identify_bytes(text) for text in (b"import os\nprint(os.getcwd())\n" * 20, b'{"a": [1, 2]}\n' * 20)]
    return json.dumps([[str(one.output.label), round(float(one.score), 6)] for one in told])


def rapidocr_onnx():
    folder = f"{PACKAGES}/rapidocr_onnxruntime/models"
    return [onnx(f"{folder}/ch_PP-OCRv4_det_infer.onnx", x=noise(1, 3, 64, 96)),
            onnx(f"{folder}/ch_PP-OCRv4_rec_infer.onnx", x=noise(1, 3, 48, 96)),
            onnx(f"{folder}/ch_ppocr_mobile_v2.0_cls_infer.onnx", x=noise(1, 3, 48, 192))]


def pitch_saved_model():
    import tensorflow
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    model = tensorflow.saved_model.load(PITCH)
    told = model.signatures["serving_default"](tensorflow.constant(noise(1, 43844, 1)))
    return digest(*[told[name].numpy() for name in sorted(told)])


def pitch_onnx():
    return onnx(PITCH + ".onnx", **{"serving_default_input_2:0": noise(1, 43844, 1)})


def pitch_tflite():
    from tflite_runtime.interpreter import Interpreter
    model = Interpreter(PITCH + ".tflite", num_threads=1)
    model.allocate_tensors()
    model.set_tensor(model.get_input_details()[0]["index"], noise(1, 43844, 1))
    model.invoke()
    return digest(*[model.get_tensor(one["index"]) for one in model.get_output_details()])


def transformers_answers(kind, place, **options):
    import transformers
    library = torch()
    loader = transformers.AutoModel if kind == "bert" else transformers.AutoModelForCausalLM
    told = loader.from_pretrained(place, **options).eval()(library.arange(8).unsqueeze(0) * 3)
    return digest(told[0].numpy())


def hub_bert():
    return transformers_answers("bert", "acme/tiny-bert")


def hub_bert_pickle():
    return transformers_answers("bert", "acme/tiny-bert", use_safetensors=False)


def hub_bert_onnx():
    import huggingface_hub
    return onnx(huggingface_hub.hf_hub_download("acme/tiny-bert", "onnx/model.onnx"),
                input_ids=np.arange(8, dtype="int64")[None] * 3)


def local_bert():
    return transformers_answers("bert", "/srv/tiny-bert")


def hub_llama():
    return transformers_answers("llama", "acme/tiny-llama")


def hub_llama_pickle():
    return transformers_answers("llama", "acme/tiny-llama", use_safetensors=False)


def gguf_llama():
    return transformers_answers("llama", "/srv/gguf", gguf_file="tiny.gguf")


def gguf_llama_copy():
    return transformers_answers("llama", "/opt/copy", gguf_file="tiny.gguf")


ALL = (silero_torchscript, silero_onnx, silero_safetensors, resemblyzer_pickle, magika_onnx, rapidocr_onnx, pitch_saved_model,
       pitch_onnx, pitch_tflite, hub_bert, hub_bert_pickle, hub_bert_onnx, local_bert, hub_llama, hub_llama_pickle, gguf_llama,
       gguf_llama_copy)


def main():
    if len(sys.argv) > 1:
        print(json.dumps(globals()[sys.argv[1]]()))
        return
    out = {}
    for one in ALL:
        done = subprocess.run([sys.executable, __file__, one.__name__], stdout=subprocess.PIPE, check=True,
                              env={**os.environ, "OMP_NUM_THREADS": "1"})
        out[one.__name__] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(out, indent=1))


main()
