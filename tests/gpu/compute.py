"""One digest for each kind of work on the GPU, twice in one process: the pair shows which of them
are deterministic here. Prints lines of JSON, one for what it runs on and one as each is done. An operation that
the machine cannot do says why."""

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


def fast_transforms(dtype):
    """Powers of two, small primes, a large prime (Bluestein) and an odd batch, forth and back."""
    results = []
    for size in (1024, 1000, 1001, 1009, 8191, 65536):
        signal = normal(7, size, dtype=dtype)
        spectrum = torch.fft.rfft(signal)
        results += [torch.view_as_real(spectrum), torch.fft.irfft(spectrum, n=size)]
    results.append(torch.view_as_real(torch.fft.fft2(normal(512, 512, dtype=dtype))))
    results.append(torch.view_as_real(torch.fft.fftn(normal(16, 24, 40, dtype=dtype))))
    return digest(*results)


def every_engine():
    """cuDNN tries all engines that it has for each of these."""
    torch.backends.cudnn.benchmark = True
    try:
        images = normal(8, 64, 56, 56, dtype=torch.float16).to(memory_format=torch.channels_last)
        outputs = [functional.conv2d(images, normal(128, 64, 3, 3, dtype=torch.float16), padding=1),
                   functional.conv2d(images, normal(64, 1, 3, 3, dtype=torch.float16), padding=1, groups=64),
                   functional.conv_transpose2d(images, normal(64, 32, 2, 2, dtype=torch.float16), stride=2),
                   functional.conv3d(normal(2, 8, 16, 32, 32), normal(16, 8, 3, 3, 3), padding=1),
                   functional.conv1d(normal(8, 32, 1000), normal(64, 32, 7), stride=2)]
        # Which engine is fastest varies, and with it the last bits.
        return " ".join(f"{output.float().abs().mean():.2f}" for output in outputs)
    finally:
        torch.backends.cudnn.benchmark = False


def recurrent():
    torch.manual_seed(5)
    network = torch.nn.LSTM(64, 128, num_layers=2, bidirectional=True).to(device)
    return digest(network(normal(20, 4, 64))[0])


def speech_loss():
    scores = normal(50, 4, 20).log_softmax(2)
    targets = torch.arange(1, 41, dtype=torch.int32).reshape(4, 10) % 19 + 1
    return digest(functional.ctc_loss(scores, targets, torch.full((4,), 50, dtype=torch.int32),
                                      torch.full((4,), 10, dtype=torch.int32)))


def attention_of(backend):
    from torch.nn.attention import SDPBackend, sdpa_kernel
    with sdpa_kernel(getattr(SDPBackend, backend)):
        return attention(torch.bfloat16)


def matmul_int8():
    values = torch.arange(256 * 256, device=device).reshape(256, 256)
    return digest(torch._int_mm((values % 117 - 58).to(torch.int8), (values % 101 - 50).to(torch.int8)))


def matmul_shapes():
    """Sizes for which cuBLAS has kernels of different kinds, with its epilogues."""
    results = []
    for rows, inner, columns in ((1, 4096, 4096), (17, 33, 65), (128, 8192, 256), (2048, 64, 2048), (4096, 4096, 8)):
        for dtype in (torch.float16, torch.float32):
            one, two = normal(rows, inner, dtype=dtype), normal(inner, columns, dtype=dtype)
            results += [one @ two, torch._addmm_activation(normal(columns, dtype=dtype), one, two, use_gelu=True)]
    complexes = torch.complex(normal(65, 129), normal(65, 129, seed=1))
    results += [torch.bmm(normal(16, 64, 96), normal(16, 96, 32)), torch.view_as_real(complexes @ complexes.T)]
    return digest(*results)


def half_sparse(dtype):
    """cuSPARSELt: two of each four are zero."""
    from torch.sparse import SparseSemiStructuredTensorCUSPARSELT
    pattern = torch.tensor([0, 1, 0, 1], device=device).tile(256, 64).bool()
    weights = torch.where(pattern, normal(256, 256), torch.zeros((), device=device)).to(dtype)
    packed = SparseSemiStructuredTensorCUSPARSELT.from_dense(weights)
    return digest(functional.linear(normal(128, 256).to(dtype), packed))


def sparse(dtype):
    dense = normal(512, 512, dtype=dtype)
    matrix = torch.where(dense > 1.5, dense, torch.zeros((), device=device, dtype=dtype)).to_sparse_csr()
    return digest(matrix @ normal(512, 64, dtype=dtype), (matrix @ matrix).to_dense())


def decompositions(dtype):
    square = normal(192, 192, dtype=dtype)
    positive = square @ square.T + 192 * torch.eye(192, device=device, dtype=dtype)
    return digest(torch.linalg.eigh(positive)[0], torch.linalg.cholesky(positive), *torch.linalg.lu(positive),
                  torch.linalg.inv(positive), torch.linalg.svd(normal(4, 32, 32, dtype=dtype))[1])


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
    "matmul_int8": matmul_int8, "matmul_shapes": matmul_shapes, "every_engine": every_engine, "lstm": recurrent,
    "ctc_loss": speech_loss, "fft_fp32": lambda: fast_transforms(torch.float32),
    "fft_fp64": lambda: fast_transforms(torch.float64),
    "fft_fp16": lambda: digest(torch.view_as_real(torch.fft.rfft(normal(4, 1024, dtype=torch.float16)).to(torch.complex64))),
    "attention_cudnn": lambda: attention_of("CUDNN_ATTENTION"), "attention_flash": lambda: attention_of("FLASH_ATTENTION"),
    "half_sparse_fp16": lambda: half_sparse(torch.float16), "half_sparse_int8": lambda: half_sparse(torch.int8),
    "attention_bf16": lambda: attention(torch.bfloat16), "attention_fp32": lambda: attention(torch.float32),
    "svd": lambda: digest(*torch.linalg.svd(normal(256, 256))),
    "qr": lambda: digest(*torch.linalg.qr(normal(256, 256))),
    "solve": lambda: digest(torch.linalg.solve(normal(256, 256) + 16 * torch.eye(256, device=device), normal(256, 8))),
    "sparse_fp32": lambda: sparse(torch.float32), "sparse_fp64": lambda: sparse(torch.float64),
    "decompositions_fp32": lambda: decompositions(torch.float32),
    "decompositions_fp64": lambda: decompositions(torch.float64), "random": random_numbers,
    "sort": lambda: digest(*normal(100_000).sort()), "cumsum": lambda: digest(normal(100_000).cumsum(0)),
    "nccl_init": nccl, "compiled_model": compiled_model,
}


def attempt(function):
    try:
        result = function()
        torch.cuda.synchronize()
        return result
    except Exception as error:  # the comparison wants to see every kind of failure
        first = (str(error).splitlines() or [""])[0]
        return f"{type(error).__name__}: {first[:200]}"


def describe(work):
    print(json.dumps({"torch": torch.__version__, "gpu": torch.cuda.get_device_name(),
                      "location": os.path.dirname(torch.__file__), "loading": os.environ.get("CUDA_MODULE_LOADING"),
                      "work": work}), flush=True)


def main():
    describe(list(WORK))
    for name, function in WORK.items():
        print(json.dumps({name: [attempt(function), attempt(function)]}), flush=True)


if __name__ == "__main__":
    main()
