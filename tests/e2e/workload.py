"""Runs inside an image, original and slim: PyTorch on the CPU, one digest an operation.

Deterministic on one machine: one thread, fixed seeds, no time, no addresses."""

import ctypes
import hashlib
import json

import torch

torch.manual_seed(0)
torch.set_num_threads(1)


def digest(*tensors):
    total = hashlib.sha256()
    for tensor in tensors:
        tensor = tensor.contiguous()
        total.update(ctypes.string_at(tensor.data_ptr(), tensor.nbytes))
    return total.hexdigest()


a, b = torch.randn(512, 512), torch.randn(512, 512)
images, kernels = torch.randn(2, 3, 64, 64), torch.randn(8, 3, 3, 3)
sparse = torch.where(torch.rand(64, 64) < 0.1, a[:64, :64], torch.zeros(())).to_sparse()
report = {
    "torch": torch.__version__,
    "cuda": torch.version.cuda,
    "archs": torch.cuda.get_arch_list(),
    "matmul": digest(a @ b),
    "matmul_bf16": digest(a.bfloat16() @ b.bfloat16()),
    "conv": digest(torch.nn.functional.conv2d(images, kernels, padding=1)),
    "fft": digest(torch.fft.fft2(a)),
    "svd": digest(*torch.linalg.svd(a[:128, :128])),
    "sparse": digest(torch.sparse.mm(sparse, a[:64, :64])),
    "attention": digest(torch.nn.functional.scaled_dot_product_attention(*torch.randn(3, 1, 4, 32, 16))),
}
print(json.dumps(report, sort_keys=True))
