"""A compiled attention block on the CPU; prints a digest of what it answers."""

import hashlib

import jax
import jax.numpy as jnp


@jax.jit
def attention(x, q, k, v):
    scores = jax.nn.softmax((x @ q) @ (x @ k).T / jnp.sqrt(x.shape[-1]))
    return jax.nn.gelu(scores @ (x @ v))


keys = jax.random.split(jax.random.key(7), 4)
x, q, k, v = (jax.random.normal(key, (64, 64)) for key in keys)
answer = attention(x, q, k, v)
gradient = jax.grad(lambda m: attention(x, m, k, v).sum())(q)
values = jnp.linalg.svd(x, compute_uv=False)
spectrum = jnp.abs(jnp.fft.fft2(x))
digest = hashlib.sha256(b"".join(bytes(memoryview(jax.device_get(a))) for a in (answer, gradient, values, spectrum)))
print(jax.__version__, jax.default_backend(), digest.hexdigest())
