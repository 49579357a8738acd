"""Whole meta-training in one JAX process: `lax.scan` over meta-steps inside one jit, with sampling, clipping and Adam in it. Sinusoid only."""

import jax
import jax.numpy as jnp
from jax import lax
from jax_maml import build, first_result, loss_and_norms  # noqa: F401
from workload import Workload

STEPS = 500
CLIP_NORM = 0.5
LEARNING_RATE = 0.001


def looped(w: Workload):
    params, tasks, loss = build(w)
    support, query = tasks["supportX"].shape[1], tasks["queryX"].shape[1]

    def sample(key):
        keys = jax.random.split(key, 3)
        amplitude = jax.random.uniform(keys[0], (), minval=0.1, maxval=5.0)
        phase = jax.random.uniform(keys[1], (), minval=0.0, maxval=jnp.pi)
        x = jax.random.uniform(keys[2], (support + query, 1), minval=-5.0, maxval=5.0)
        y = amplitude * jnp.sin(x - phase)
        return x[:support], y[:support], x[support:], y[support:]

    def adapt(p, x, y):
        for _ in range(w.innerSteps):
            gradients = jax.grad(loss)(p, x, y)
            p = jax.tree.map(lambda v, g: v - w.innerLearningRate * g, p, gradients)
        return p

    def meta_loss(p, arrays):
        per_task = lambda sx, sy, qx, qy: loss(adapt(p, sx, sy), qx, qy)  # noqa: E731
        return jax.vmap(per_task)(*arrays).mean()

    def meta_step(state, step):
        p, m, v = state
        keys = jax.random.split(jax.random.fold_in(jax.random.key(1), step), w.tasks)
        value, g = jax.value_and_grad(meta_loss)(p, jax.vmap(sample)(keys))
        norm = jnp.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(g)))
        g = jax.tree.map(lambda leaf: leaf * jnp.minimum(1.0, CLIP_NORM / norm), g)
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b**2, v, g)
        t = step + 1.0
        rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        p = jax.tree.map(lambda q, a, b: q - rate * a / (jnp.sqrt(b) + 1e-8), p, m, v)
        return (p, m, v), value

    function = jax.jit(lambda state, first: lax.scan(meta_step, state, first + jnp.arange(STEPS)))
    zeros = jax.tree.map(jnp.zeros_like, params)
    state, first = (params, zeros, zeros), 0

    def run():
        nonlocal state, first
        state, losses = jax.block_until_ready(function(state, first))
        first += STEPS
        return losses[-1], state[0]

    return run
