"""What launch.sh measures on both sides, each as a rate where more is better. Prints JSON.

    launch_work.py DATA        DATA holds the files that are loaded"""

import json
import os
import sys
import time

import torch

device = torch.device("cuda")
# One processor, the same on both sides: which one the kernel picks makes a difference of several percent.
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def rate(work, amount, repeats, rounds=5):
    """The best of several rounds: what else goes on in the machine only takes away."""
    work()
    torch.cuda.synchronize()
    best = 0.0
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(repeats):
            work()
        torch.cuda.synchronize()
        best = max(best, amount * repeats / (time.perf_counter() - started))
    return best


def matmul():
    side = 4096
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return rate(lambda: a @ b, 2 * side**3, 20)


def launches():
    one = torch.ones(1, device=device)
    return rate(lambda: one.add_(1), 1, 5000, 60)


def copies(to_device):
    host = torch.empty(256 << 20, dtype=torch.uint8).pin_memory()
    there = torch.empty_like(host, device=device)
    return rate((lambda: there.copy_(host)) if to_device else (lambda: host.copy_(there)), host.nbytes, 4)


def loading(folder):
    names = sorted(os.listdir(folder))

    def read():
        for name in names:
            with open(os.path.join(folder, name), "rb") as data:
                torch.frombuffer(bytearray(data.read()), dtype=torch.uint8).to(device)
    size = sum(os.stat(os.path.join(folder, name)).st_size for name in names)
    return rate(read, size, 1, 15)


print(json.dumps({"matmul": matmul(), "launches": launches(), "host to device": copies(True),
                  "device to host": copies(False), "data loading": loading(sys.argv[1])}))
