"""MAML, and the shards of jax_jobs.py, in JAX: jit of one task, and jit of vmap over tasks. One thread."""

import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from workload import Workload


def build(w: Workload):
    params = {k: jnp.asarray(v) for k, v in w.params.items()}
    tasks = {k: jnp.asarray(v) for k, v in w.task_arrays.items()}

    if w.job:
        from jax_jobs import loss_of

        return params, tasks, loss_of(w.model, w.job)

    def mlp_loss(p, x, y):
        h = jax.nn.relu(x @ p["w1"] + p["b1"])
        h = jax.nn.relu(h @ p["w2"] + p["b2"])
        return jnp.mean((h @ p["w3"] + p["b3"] - y) ** 2)

    def conv_loss(p, x, y):
        for layer in range(4):
            x = lax.conv_general_dilated(
                x, p[f"filter{layer}"], (w.stride, w.stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            mean = x.mean((0, 1, 2))
            variance = ((x - mean) ** 2).mean((0, 1, 2))
            x = (x - mean) * lax.rsqrt(variance + 1e-5) * p[f"scale{layer}"] + p[f"offset{layer}"]
            if w.stride == 1:
                # reduce_window's second derivative is slow and, in places, missing: windows that tile are a reshape
                n, h, v, c = x.shape
                x = x[:, : h // 2 * 2, : v // 2 * 2].reshape(n, h // 2, 2, v // 2, 2, c).max((2, 4))
            x = jax.nn.relu(x)
        logits = x.mean((1, 2)) @ p["dense"] + p["denseBias"]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))

    return params, tasks, conv_loss if w.is_conv else mlp_loss


def jitted(w: Workload, vmapped: bool):
    params, tasks, loss = build(w)

    def adapt(p, sx, sy):
        for _ in range(w.innerSteps):
            gradients = jax.grad(loss)(p, sx, sy)
            p = {k: v - w.innerLearningRate * gradients[k] for k, v in p.items()}
        return p

    def second(p, sx, sy, qx, qy):
        return jax.value_and_grad(lambda q: loss(adapt(q, sx, sy), qx, qy))(p)

    def first(p, sx, sy, qx, qy):
        return jax.value_and_grad(loss)(adapt(p, sx, sy), qx, qy)

    per_task = jax.value_and_grad(loss) if w.job else second if w.order == "second" else first
    if vmapped:

        def batch(p, *arrays):
            values, gradients = jax.vmap(per_task, in_axes=(None, *(0 for _ in arrays)))(p, *arrays)
            return values.sum(), {k: v.sum(0) for k, v in gradients.items()}

        function = jax.jit(batch)
        return lambda: jax.block_until_ready(function(params, *tasks.values()))

    function = jax.jit(per_task)
    split = [[array[t] for array in tasks.values()] for t in range(w.tasks)]

    def run():
        results = [function(params, *arrays) for arrays in split]
        total = sum(r[0] for r in results)
        gradients = {k: sum(r[1][k] for r in results) for k in results[0][1]}
        return jax.block_until_ready((total, gradients))

    return run


def loss_and_norms(result):
    value, gradients = result
    return float(value), {name: float(np.linalg.norm(np.asarray(g, dtype=np.float64))) for name, g in gradients.items()}


def first_result(make):
    started = time.perf_counter()
    run = make()
    result = run()
    return run, result, time.perf_counter() - started
