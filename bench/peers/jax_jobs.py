"""The losses of one task of bench/engine/jobs.ts in JAX, parameters by the names of the job's."""

import jax
import jax.numpy as jnp
from jax import lax

epsilon = 0.001


def loss_of(model: str, job: dict):
    """A function of the parameters and a task's arrays, in the order of the job's."""
    return {"mann": mann, "resnet12": protonet, "in-context": in_context}[model](job["algorithm"])


def classes(logits, one_hot):
    return -(one_hot * jax.nn.log_softmax(logits, 1)).sum(1).mean()


def mann(spec: dict):
    heads, width, slots, units = (spec[k] for k in ("heads", "width", "slots", "units"))

    def least_used(usage):
        left, places = lax.stop_gradient(usage), []
        for _ in range(heads):
            place = jax.nn.one_hot(jnp.argmin(left), slots)
            places.append(place)
            left = left + 1e6 * place
        return jnp.stack(places)

    def lengths(x):
        """The gradient at zero is zero."""
        squares = (x**2).sum(1)
        return jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)

    def loss(p, x, y):
        features = jax.nn.relu(x.reshape(x.shape[0], -1) @ p["layer1.weights"] + p["layer1.bias"])
        before = jnp.concatenate([jnp.zeros_like(y[:1]), y[:-1]])
        projected = jnp.concatenate([features, before], 1) @ p["controller.input"] + p["controller.bias"]
        gate = jax.nn.sigmoid(p["write.gate"])

        def step(state, sums):
            cell, hidden, read, memory, weights, usage = state
            i, f, g, o = jnp.split(sums + read @ p["controller.read"] + hidden @ p["controller.hidden"], 4)
            cell = jax.nn.sigmoid(f + 1) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
            keys = jnp.tanh(hidden @ p["key.weights"] + p["key.bias"]).reshape(heads, width)
            unused = least_used(usage)
            written = weights * gate + unused * (1 - gate)
            memory = memory * (1 - unused[0])[:, None] + written.T @ keys
            products = jnp.maximum(jnp.outer(lengths(keys), lengths(memory)), 1e-8)
            weights = jax.nn.softmax(keys @ memory.T / products, 1)
            read = (weights @ memory).reshape(-1)
            usage = 0.95 * usage + (weights + written).sum(0)
            return (cell, hidden, read, memory, weights, usage), jnp.concatenate([hidden, read])

        shapes = ((units,), (units,), (heads * width,), (slots, width), (heads, slots), (slots,))
        _, outputs = lax.scan(step, tuple(jnp.zeros(shape) for shape in shapes), projected)
        return classes(outputs @ p["prediction.weights"] + p["prediction.bias"], y)

    return loss


def convolution(x, filters, stride):
    return lax.conv_general_dilated(x, filters, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def moments(x):
    mean = x.mean((0, 1, 2))
    return mean, ((x - mean) ** 2).mean((0, 1, 2))


def normalized(p, name, x, mean, variance):
    return (x - mean) * (p[f"{name}.scale"] * lax.rsqrt(variance + epsilon)) + p[f"{name}.shift"]


def max_pool(x):
    """Where elements are equal the gradient goes to the first, as in PyTorch; that of `max` is shared among them."""
    n, h, v, c = x.shape
    larger = lambda a, b: jnp.where(a >= b, a, b)  # noqa: E731
    pairs = x[:, : h // 2 * 2, : v // 2 * 2].reshape(n, h // 2, 2, v // 2, 2, c)
    rows = larger(pairs[:, :, 0], pairs[:, :, 1])
    return larger(rows[:, :, :, 0], rows[:, :, :, 1])


def resnet12(p, x):
    leaky = lambda x: jax.nn.leaky_relu(x, 0.1)  # noqa: E731

    def convolved(x, name):
        x = convolution(x, p[f"{name}.filters"], 1)
        return normalized(p, name, x, *moments(x))

    for block in (1, 2, 3, 4):
        residual = convolved(x, f"block{block}.shortcut")
        for layer in (1, 2, 3):
            x = convolved(x if layer == 1 else leaky(x), f"block{block}.conv{layer}")
        x = leaky(x + residual)
        x = max_pool(x)
    return x.mean((1, 2))


def protonet(_spec: dict):
    def loss(p, support_x, support_y, query_x, query_y):
        prototypes = support_y.T @ resnet12(p, support_x) / support_y.sum(0)[:, None]
        return classes(-((resnet12(p, query_x)[:, None] - prototypes) ** 2).sum(2), query_y)

    return loss


def in_context(spec: dict):
    width, layers, heads = (spec[k] for k in ("width", "layers", "heads"))
    split = lambda x: x.reshape(-1, heads, width // heads).swapaxes(0, 1)  # noqa: E731

    def features(p, x, statistics):
        """conv4 of stride 2. `statistics`: of the support set; an empty list is filled."""
        is_support = not statistics
        for block in range(4):
            x = convolution(x, p[f"conv{block + 1}.filters"], 2)
            if is_support:
                statistics.append(moments(x))
            x = jax.nn.relu(normalized(p, f"conv{block + 1}", x, *statistics[block]))
        return x.mean((1, 2))

    def norm(p, x, name):
        centred = x - x.mean(1, keepdims=True)
        return centred * lax.rsqrt((centred**2).mean(1, keepdims=True) + 1e-5) * p[f"{name}.scale"] + p[f"{name}.shift"]

    def through(p, x, memory):
        """`memory`: keys and values of the support set; an empty list is filled."""
        is_support = not memory
        for layer in range(layers):
            of = lambda name: f"transformer.{layer}.{name}"  # noqa: E731
            before = norm(p, x, of("attention"))
            if is_support:
                memory.append((split(before @ p[of("key")]), split(before @ p[of("value")])))
            keys, values = memory[layer]
            scores = split(before @ p[of("query")]) @ keys.swapaxes(1, 2) / (width // heads) ** 0.5
            attended = (jax.nn.softmax(scores, 2) @ values).swapaxes(0, 1).reshape(-1, width)
            x = x + attended @ p[of("out")]
            active = jax.nn.relu(norm(p, x, of("network")) @ p[of("in.weights")] + p[of("in.bias")])
            x = x + active @ p[of("out.weights")] + p[of("out.bias")]
        return norm(p, x, "prediction")

    def loss(p, support_x, support_y, query_x, query_y):
        statistics, memory = [], []
        tokens = features(p, support_x, statistics) @ p["token.features"] + support_y @ p["token.targets"]
        through(p, tokens, memory)
        read = through(p, features(p, query_x, statistics) @ p["token.features"] + p["token.query"], memory)
        return classes(read @ p["prediction.weights"] + p["prediction.bias"], query_y)

    return loss
