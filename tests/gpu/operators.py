"""operators.py PART OF SECONDS: one digest for each operator of PyTorch and each data type that it takes, of the
results and the gradients over the samples of PyTorch's own tests (its OpInfo database), twice in one process, as
compute.py does: the PART-th of OF parts, in a fixed order that no family leads, as far as SECONDS let it."""

import json
import random
import sys
import time

import torch
from torch.utils._pytree import tree_leaves

# First: PyTorch's tests forbid to set what it sets.
from compute import attempt, describe, digest
from torch.testing._internal.common_methods_invocations import op_db

# What one operator's samples show many times is not shown again.
SAMPLES = 12


def dense(value):
    if isinstance(value, torch.Tensor):
        value = value.detach().to_dense() if value.layout != torch.strided else value.detach()
        return [value.cpu().resolve_conj().resolve_neg()]
    return []


def gradients(sample, outputs):
    wanted = [leaf for leaf in tree_leaves([sample.input, sample.args, sample.kwargs])
              if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    roots = [leaf for leaf in outputs if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    if not wanted or not roots:
        return []
    total = sum(one.real.sum() + one.imag.sum() if one.is_complex() else one.sum() for one in roots)
    return [one for one in torch.autograd.grad(total, wanted, allow_unused=True) if one is not None]


def answer(operator, dtype):
    torch.manual_seed(11)
    backward = dtype == torch.float32 and operator.supports_autograd
    results = []
    for number, sample in enumerate(operator.sample_inputs("cuda", dtype, requires_grad=backward)):
        if number == SAMPLES:
            break
        outputs = tree_leaves(operator(sample.input, *sample.args, **sample.kwargs))
        for value in outputs + (gradients(sample, outputs) if backward else []):
            results += dense(value)
    return digest(*results)


def main(part, of, seconds):
    work = [(f"{operator.formatted_name} {str(dtype).removeprefix('torch.')}", operator, dtype) for operator in op_db
            for dtype in sorted(operator.supported_dtypes("cuda"), key=str)]
    random.Random(3).shuffle(work)
    work = work[part::of]
    describe([name for name, _, _ in work])
    end = time.monotonic() + seconds
    for name, operator, dtype in work:
        if time.monotonic() > end:
            break
        pair = [attempt(lambda: answer(operator, dtype)) for _ in range(2)]
        print(json.dumps({name: pair}), flush=True)
    print(json.dumps({}), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), float(sys.argv[3]))
