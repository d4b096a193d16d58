"""One digest for each kind of work on the GPU, twice in one process: the pair shows which of them
are deterministic here. Prints JSON. An operation that the machine cannot do says why."""

import ctypes
import hashlib
import json
import os
import tempfile

import torch
from torch.nn import functional

torch.use_deterministic_algorithms(True, warn_only=True)
torch.backends.cudnn.benchmark = False
device = torch.device("cuda")


def digest(*tensors):
    total = hashlib.sha256()
    for tensor in tensors:
        host = tensor.detach().cpu().contiguous()
        total.update(ctypes.string_at(host.data_ptr(), host.nbytes))
    return total.hexdigest()


def normal(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape))).to(device, dtype)


def matmul(dtype):
    return digest(normal(1024, 768, dtype=dtype) @ normal(768, 512, dtype=dtype))


def matmul_tf32():
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        return matmul(torch.float32)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def matmul_fp8():
    a = normal(256, 512).to(torch.float8_e4m3fn)
    b = normal(128, 512).to(torch.float8_e4m3fn)
    one = torch.ones((), device=device)
    return digest(torch._scaled_mm(a, b.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16))


def convolution(dtype):
    images, kernels = normal(8, 16, 64, 64, dtype=dtype), normal(32, 16, 3, 3, dtype=dtype)
    images.requires_grad_()
    out = functional.conv2d(images, kernels, padding=1)
    out.sum().backward()
    return digest(out, images.grad)


def attention(dtype):
    q, k, v = (normal(2, 8, 256, 64, dtype=dtype, seed=number) for number in range(3))
    return digest(functional.scaled_dot_product_attention(q, k, v, is_causal=True))


def sparse():
    dense = normal(512, 512)
    matrix = torch.where(dense > 1.5, dense, torch.zeros((), device=device)).to_sparse_csr()
    return digest(matrix @ normal(512, 64))


def random_numbers():
    torch.manual_seed(7)
    return digest(torch.rand(10000, device=device), torch.randn(10000, device=device))


def nccl():
    import torch.distributed as distributed
    with tempfile.TemporaryDirectory() as folder:
        distributed.init_process_group("nccl", init_method=f"file://{folder}/rendezvous", rank=0, world_size=1)
        try:
            data = normal(1000)
            distributed.all_reduce(data)
            torch.cuda.synchronize()
            return digest(data)
        finally:
            distributed.destroy_process_group()


def compiled_model():
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.LayerNorm(512),
                                torch.nn.Linear(512, 64)).to(device).eval()
    with torch.inference_mode():
        return digest(torch.compile(model)(normal(32, 256)))


WORK = {
    "matmul_fp32": lambda: matmul(torch.float32), "matmul_tf32": matmul_tf32,
    "matmul_bf16": lambda: matmul(torch.bfloat16), "matmul_fp16": lambda: matmul(torch.float16),
    "matmul_fp64": lambda: matmul(torch.float64), "matmul_fp8": matmul_fp8,
    "conv_fp32": lambda: convolution(torch.float32), "conv_bf16": lambda: convolution(torch.bfloat16),
    "fft": lambda: digest(torch.view_as_real(torch.fft.fft2(normal(512, 512)))),
    "attention_bf16": lambda: attention(torch.bfloat16), "attention_fp32": lambda: attention(torch.float32),
    "svd": lambda: digest(*torch.linalg.svd(normal(256, 256))),
    "qr": lambda: digest(*torch.linalg.qr(normal(256, 256))),
    "solve": lambda: digest(torch.linalg.solve(normal(256, 256) + 16 * torch.eye(256, device=device), normal(256, 8))),
    "sparse": sparse, "random": random_numbers,
    "sort": lambda: digest(*normal(100_000).sort()), "cumsum": lambda: digest(normal(100_000).cumsum(0)),
    "nccl_init": nccl, "compiled_model": compiled_model,
}


def attempt(function):
    try:
        result = function()
        torch.cuda.synchronize()
        return result
    except Exception as error:  # the comparison wants to see every kind of failure
        return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"


report = {"torch": torch.__version__, "gpu": torch.cuda.get_device_name(),
          "location": os.path.dirname(torch.__file__), "loading": os.environ.get("CUDA_MODULE_LOADING"),
          "results": {name: [attempt(function), attempt(function)] for name, function in WORK.items()}}
print(json.dumps(report))
