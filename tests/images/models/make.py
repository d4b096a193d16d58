"""Writes models with the frameworks themselves: two small networks as a repository of the Hugging Face hub holds them, taken
by the hub's own client from a server of this file into its cache and into a directory of its own, and one as GGUF."""

import hashlib
import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

os.environ.update(HF_ENDPOINT="http://127.0.0.1:18742", HF_HUB_DISABLE_TELEMETRY="1", USE_TF="0",
                  HF_HOME="/root/.cache/huggingface")

import gguf  # noqa: E402
import huggingface_hub  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

REVISION = hashlib.sha1(b"tiny").hexdigest()
UPSTREAM = "/tmp/upstream"


def networks():
    torch.manual_seed(7)
    bert = transformers.BertModel(transformers.BertConfig(
        vocab_size=1000, hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024))
    llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=1000, hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=688,
        max_position_embeddings=128, tie_word_embeddings=False))
    return bert.eval(), llama.eval()


def repositories(bert, llama):
    """BERT whole, with an ONNX export; Llama in parts. Both as safetensors and as pickles."""
    for name, network, part in (("acme/tiny-bert", bert, "1GB"), ("acme/tiny-llama", llama, "5MB")):
        for safe in (True, False):
            network.save_pretrained(f"{UPSTREAM}/{name}", safe_serialization=safe, max_shard_size=part)
    os.mkdir(f"{UPSTREAM}/acme/tiny-bert/onnx")
    torch.onnx.export(bert, (torch.ones(1, 8, dtype=torch.int64),), f"{UPSTREAM}/acme/tiny-bert/onnx/model.onnx",
                      input_names=["input_ids"], output_names=["last_hidden_state", "pooler_output"])


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as its client asks for; a file called cut.safetensors breaks off before its end."""

    def do_HEAD(self):
        parts = self.path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            folder = os.path.join(UPSTREAM, *parts[2:4])
            names = sorted(os.path.relpath(os.path.join(top, one), folder)
                           for top, _, files in os.walk(folder) for one in files)
            self.reply(json.dumps({"id": "/".join(parts[2:4]), "sha": REVISION,
                                   "siblings": [{"rfilename": one} for one in names]}).encode())
            return
        path = os.path.join(UPSTREAM, *parts[:2], *parts[4:])
        if not os.path.exists(path):
            self.send_error(404)
            return
        with open(path, "rb") as data:
            self.reply(data.read(), path.endswith("cut.safetensors"))

    do_GET = do_HEAD

    def reply(self, data, cut=False):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[:-1] if cut else data)
        self.close_connection = cut

    def log_message(self, *args):
        pass


def fill_cache():
    server = ThreadingHTTPServer(("127.0.0.1", 18742), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("tiny-bert", "tiny-llama"):
        huggingface_hub.snapshot_download(f"acme/{name}", max_workers=1)
    huggingface_hub.snapshot_download("acme/tiny-bert", local_dir="/srv/tiny-bert", max_workers=1)
    os.makedirs(f"{UPSTREAM}/acme/cut")
    shutil.copy(f"{UPSTREAM}/acme/tiny-bert/model.safetensors", f"{UPSTREAM}/acme/cut/cut.safetensors")
    try:
        huggingface_hub.hf_hub_download("acme/cut", "cut.safetensors")
        raise SystemExit("the download was to break off")
    except (OSError, RuntimeError) as error:
        print("as meant:", error)
    server.shutdown()
    shutil.rmtree(UPSTREAM)


def write_gguf(llama, path):
    config, weights = llama.config, llama.state_dict()
    os.makedirs(os.path.dirname(path))
    out = gguf.GGUFWriter(path, "llama")
    out.add_name("tiny")
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    out.add_vocab_size(config.vocab_size)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in weights.items():
        value = tensor.numpy()
        if "q_proj" in name or "k_proj" in name:  # the order of ggml's rotary embedding
            value = value.reshape(config.num_attention_heads, 2, -1, config.hidden_size).swapaxes(1, 2).reshape(value.shape)
        out.add_tensor(names.get_name(name, (".weight",)), value)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main():
    bert, llama = networks()
    repositories(bert, llama)
    fill_cache()
    write_gguf(llama, "/srv/gguf/tiny.gguf")
    # Somebody copied it.
    os.makedirs("/opt/copy")
    shutil.copy("/srv/gguf/tiny.gguf", "/opt/copy/tiny.gguf")


main()
