#!/usr/bin/env python3
"""The verdicts of `flense check --host this` beside what really happens on this machine's GPU.

    verdicts.py [PROGRAMS]

Programs that hold device code for one architecture each are built with the nvcc of PATH and run; PROGRAMS is a
folder with more of them, one folder for each (built elsewhere, by another CUDA). Then what this interpreter imports
of PyTorch, CuPy and JAX, as it is and slimmed for this GPU; PyTorch slimmed for another GPU must not run. Everything
that is slimmed for this GPU must do what it did.

Ends with 77 and a reason where there is no GPU, with 1 where a verdict is wrong, or unknown where it should not be.
FLENSE_BINARY names the flense to test (default build/release/flense)."""

import concurrent.futures
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from driver import Driver, NoGpu

HERE = pathlib.Path(__file__).resolve().parent
FLENSE = os.environ.get("FLENSE_BINARY", str(HERE.parent.parent / "build/release/flense"))
VERDICTS = {0: "fits", 1: "fails", 5: "unknown"}
TORCH = "import torch; x = torch.ones(1000, device='cuda'); assert (x * 2).sum().item() == 2000; print('computes')"
# One line for each kind of work: it must run, and say in the slim copy what it said before.
PARTS = """
for name, work in WORK.items():
    try:
        print(name, work(), end='; ')
    except Exception as error:
        print(name, type(error).__name__, end='; ')
"""
OTHERS = {
    "cupy": """
import cupy, cupyx.scipy.sparse
cupy.random.seed(1)
a = cupy.random.random((300, 300)).astype('float32')
two = lambda number: f'{float(number):.2g}'
WORK = {
    'sum': lambda: int((cupy.arange(1000) * 2).sum()), 'sort': lambda: two(cupy.sort(a.ravel())[500]),
    'matmul': lambda: two((a @ a).sum()), 'fft': lambda: two(abs(cupy.fft.rfft(a)).sum()),
    'svd': lambda: two(cupy.linalg.svd(a)[1].sum()), 'unique': lambda: len(cupy.unique(a)),
    'solve': lambda: bool(cupy.allclose(a @ cupy.linalg.solve(a, a), a, atol=.1)),
    'sparse': lambda: two((cupyx.scipy.sparse.csr_matrix(a) @ a).sum())}
assert WORK['sum']() == 999000
""",
    "jax": """
import jax, jax.numpy as np
assert jax.devices()[0].platform == 'gpu' and float(np.arange(1000.).sum()) == 499500
a = jax.random.normal(jax.random.key(1), (300, 300))
two = lambda number: f'{float(number):.2g}'
WORK = {
    'matmul': lambda: two(abs(a @ a).sum()), 'half': lambda: two(abs(a.astype('bfloat16') @ a.astype('bfloat16')).sum()),
    'fft': lambda: two(abs(np.fft.rfft(a)).sum()), 'svd': lambda: two(np.linalg.svd(a)[1].sum()),
    'eigh': lambda: two(np.linalg.eigh(a + a.T)[0].max()), 'sort': lambda: two(np.sort(a.ravel())[500]),
    'solve': lambda: bool(np.allclose(a @ np.linalg.solve(a, a), a, atol=.1)),
    'convolution': lambda: two(abs(jax.lax.conv(a[None, None], a[None, None, :5, :5], (1, 1), 'SAME')).sum())}
""",
}
PACKAGES = ("nvidia", "torch", "cupy", "cupy_backends", "cupyx", "jax", "jaxlib", "jax_plugins", "jax_cuda13_plugin",
            "jax_cuda12_plugin")


def architectures(major, minor):
    """name: the option of nvcc's -gencode. What CUDA of this machine does not build is left out and told."""
    own = f"{major}{minor}"
    return {
        f"cubin of this GPU, sm_{own}": f"arch=compute_{own},code=sm_{own}",
        f"PTX of this GPU, compute_{own}": f"arch=compute_{own},code=compute_{own}",
        f"cubin of this GPU alone, sm_{own}a": f"arch=compute_{own}a,code=sm_{own}a",
        f"PTX of this GPU alone, compute_{own}a": f"arch=compute_{own}a,code=compute_{own}a",
        "PTX of an older GPU, compute_75": "arch=compute_75,code=compute_75",
        **{f"cubin of another GPU, sm_{other}": f"arch=compute_{other},code=sm_{other}"
           for other in ("75", "80", "86", "87", "89", "90", "90a", "100", "103", "120") if other.rstrip("a") != own},
        **{f"PTX of another GPU, compute_{other}": f"arch=compute_{other},code=compute_{other}"
           for other in ("80", "86", "89", "90", "100", "100f", "120") if other != own},
    }


def build(folder, option):
    folder.mkdir()
    done = subprocess.run(["nvcc", "-O1", "-cudart", "static", "-gencode", option, "-o", folder / "program",
                           HERE / "twice.cu"], capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(folder)
        return (done.stderr or done.stdout).strip().splitlines()[0]
    return None


def happens(command, **settings):
    """(whether it ran, what it said last)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, env={**os.environ, **settings})
    except subprocess.TimeoutExpired:
        return False, "no end in 180 s"
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return done.returncode == 0, said[-1][:400] if said else f"status {done.returncode}"


def flense(*arguments):
    return subprocess.run([FLENSE, *map(str, arguments)], capture_output=True, text=True)


class Table:
    def __init__(self):
        self.bad = self.rows = 0

    def compare(self, name, tree, command, **settings):
        """Whether the command ran."""
        checked = flense("check", tree, "--host", "this")
        verdict = VERDICTS.get(checked.returncode, f"status {checked.returncode}")
        ran, said = happens(command, **settings)
        right = verdict == ("fits" if ran else "fails")
        self.row(right, name, f"check: {verdict}, reality: {'runs' if ran else 'fails'} ({said})")
        if not right:
            print(checked.stdout + checked.stderr)
        return ran

    def row(self, right, name, text):
        self.rows += 1
        self.bad += not right
        print(f"{'ok ' if right else 'BAD'} {name}: {text}", flush=True)


def programs(table, given, work, gpu):
    built = work / "built"
    built.mkdir()
    if shutil.which("nvcc"):
        major, minor = gpu[:-1], gpu[-1]
        wanted = architectures(major, minor)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, reason in zip(wanted, pool.map(lambda name: build(built / name, wanted[name]), wanted)):
                if reason:
                    print(f"--  {name}: {reason}")
    for folder in sorted(built.iterdir()) + (sorted(pathlib.Path(given).iterdir()) if given else []):
        program = next(path for path in folder.iterdir() if os.access(path, os.X_OK))
        ran = table.compare(folder.name, folder, [program])
        slim = work / "slim" / folder.name
        slim.parent.mkdir(exist_ok=True)
        done = flense("slim", folder, "--gpu", f"sm_{gpu}", "-o", f"dir:{slim}", "--provenance", "none")
        if done.returncode:
            table.row(False, folder.name, f"slim ended with {done.returncode}: {done.stderr}")
            continue
        after, said = happens([slim / program.name])
        table.row(after == ran, f"{folder.name}, slim", said)


def wheels(table, work, gpu):
    here = {name: importlib.util.find_spec(name) for name in ("torch", *OTHERS)}
    first = next((found for found in here.values() if found), None)
    if not first:
        return
    site = pathlib.Path(first.origin).parent.parent
    tree, own, other = work / "wheels", f"sm_{gpu}", "sm_75" if gpu != "75" else "sm_90"
    tree.mkdir()
    # Only what carries device code is copied; the rest is found behind it on the path.
    for name in PACKAGES:
        if (site / name).is_dir():
            subprocess.run(["cp", "-a", "--reflink=auto", site / name, tree], check=True)
    done = flense("slim", tree, "--gpu", own, "-o", f"dir:{work / own}", "--provenance", "none")
    if done.returncode:
        return table.row(False, "wheels", f"slim ended with {done.returncode}: {done.stderr}")
    if here["torch"]:
        runs = [sys.executable, "-c", TORCH]
        table.compare("torch", site, runs)
        ran = table.compare(f"torch, slim for {own}", work / own, runs, PYTHONPATH=str(work / own))
        table.row(ran, "torch, slim", "runs" if ran else "does not run")
        for name in PACKAGES:
            if name not in ("torch", "nvidia"):
                shutil.rmtree(tree / name, ignore_errors=True)
        done = flense("slim", tree, "--gpu", other, "-o", f"dir:{work / other}", "--provenance", "none")
        ran = table.compare(f"torch, slim for {other}", work / other, runs, PYTHONPATH=str(work / other))
        table.row(done.returncode == 0 and not ran, f"torch, slim for {other}", "runs" if ran else "does not run")
    for name, code in OTHERS.items():
        if here[name]:
            runs, settings = [sys.executable, "-c", code + PARTS], {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
            table.compare(name, site, runs, **settings)
            before, after = happens(runs, **settings), happens(runs, PYTHONPATH=str(work / own), **settings)
            table.row(before == after, f"{name}, slim", after[1])


def main(given=None):
    try:
        major, minor = Driver().capability()
    except NoGpu as reason:
        print(f"gpu verdicts skipped: {reason}")
        return 77
    gpu, table = f"{major}{minor}", Table()
    with tempfile.TemporaryDirectory(prefix="flense-verdicts-", dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        programs(table, given, pathlib.Path(folder), gpu)
        wheels(table, pathlib.Path(folder), gpu)
    print(f"{table.rows} comparisons on sm_{gpu}, {table.bad} wrong")
    return 1 if table.bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
