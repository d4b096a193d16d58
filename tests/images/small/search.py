"""A vector search that runs on the CPU of a CUDA image; its output is the same on every run."""

import hashlib
import json
import sys

import ctranslate2
import faiss
import numpy as np

DIMENSIONS, VECTORS = 128, 60_000


def vectors(count, seed):
    """Arithmetic instead of a generator whose stream could change with the library."""
    grid = np.arange(count * DIMENSIONS, dtype=np.uint64).reshape(count, DIMENSIONS)
    mixed = (grid * np.uint64(2654435761) + np.uint64(seed)) % np.uint64(1000003)
    return (mixed.astype(np.float32) / 1000003.0) - 0.5


def build(corpus, index_path):
    data = vectors(VECTORS, 1)
    np.save(corpus, data)
    index = faiss.IndexFlatL2(DIMENSIONS)
    index.add(data)
    faiss.write_index(index, index_path)


def query(index_path):
    faiss.omp_set_num_threads(1)
    index = faiss.read_index(index_path)
    distances, neighbours = index.search(vectors(16, 7), 5)
    view = ctranslate2.StorageView.from_array(np.ascontiguousarray(distances))
    report = {
        "faiss": faiss.__version__,
        "ctranslate2": ctranslate2.__version__,
        "cpu_types": sorted(ctranslate2.get_supported_compute_types("cpu")),
        "neighbours": hashlib.sha256(neighbours.tobytes()).hexdigest(),
        "distances": hashlib.sha256(np.round(np.array(view), 3).tobytes()).hexdigest(),
    }
    print(json.dumps(report, sort_keys=True))


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(sys.argv[2], sys.argv[3])
    else:
        query(sys.argv[2])
