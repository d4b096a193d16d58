"""`build FILE` writes an index, `query FILE` searches it on the CPU; what it prints is the same on every run."""

import hashlib
import json
import sys

import ctranslate2
import faiss
import numpy as np
import scipy
import scipy.fft
import scipy.sparse

DIMENSIONS, VECTORS = 64, 20_000


def vectors(count, seed):
    """Arithmetic instead of a generator whose stream could change with the library."""
    grid = np.arange(count * DIMENSIONS, dtype=np.uint64).reshape(count, DIMENSIONS)
    mixed = (grid * np.uint64(2654435761) + np.uint64(seed)) % np.uint64(1000003)
    return (mixed.astype(np.float32) / 1000003.0) - 0.5


def build(path):
    index = faiss.IndexFlatL2(DIMENSIONS)
    index.add(vectors(VECTORS, 1))
    faiss.write_index(index, path)


def query(path):
    faiss.omp_set_num_threads(1)
    distances, neighbours = faiss.read_index(path).search(vectors(16, 7), 5)
    view = ctranslate2.StorageView.from_array(np.ascontiguousarray(distances))
    spectrum = np.abs(scipy.fft.fft2(vectors(64, 3)))
    sparse = scipy.sparse.csr_matrix(np.where(spectrum > 20, spectrum, 0))
    numbers = [np.array(view), spectrum, (sparse @ sparse.T).diagonal()]
    print(json.dumps({
        "python": sys.prefix, "faiss": faiss.__version__, "ctranslate2": ctranslate2.__version__,
        "scipy": scipy.__version__,
        "neighbours": hashlib.sha256(neighbours.tobytes()).hexdigest(),
        "numbers": hashlib.sha256(b"".join(np.round(one, 2).tobytes() for one in numbers)).hexdigest(),
    }, sort_keys=True))


{"build": build, "query": query}[sys.argv[1]](sys.argv[2])
