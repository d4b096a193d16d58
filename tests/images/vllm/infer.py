"""A small Llama with fixed weights writes a few tokens on the CPU, as vLLM's parameters say; prints a digest.

vLLM's engine itself needs a GPU: its parameters, tokenizer code and model configuration are what runs here."""

import hashlib

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from vllm import SamplingParams

torch.manual_seed(7)
torch.set_num_threads(1)
parameters = SamplingParams(temperature=0, max_tokens=24)
model = LlamaForCausalLM(LlamaConfig(vocab_size=512, hidden_size=128, intermediate_size=256, num_hidden_layers=2,
                                     num_attention_heads=4, num_key_value_heads=2)).eval()
prompt = torch.arange(1, 9)[None]
with torch.inference_mode():
    tokens = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, pad_token_id=0,
                            max_new_tokens=parameters.max_tokens)
    logits = model(tokens).logits
print(torch.__version__, tokens[0].tolist(), hashlib.sha256(logits.numpy().tobytes()).hexdigest())
