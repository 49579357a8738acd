"""The losses of one task of bench/engine/jobs.ts in PyTorch, parameters by the names of the job's."""

import torch
import torch.nn.functional as F

epsilon = 0.001


def loss_of(model: str, job: dict):
    """A function of the parameters and a task's arrays, in the order of the job's."""
    return {"mann": mann, "resnet12": protonet, "in-context": in_context}[model](job["algorithm"])


def classes(logits, one_hot):
    return -(one_hot * torch.log_softmax(logits, 1)).sum(1).mean()


def mann(spec: dict):
    heads, width, slots, units = (spec[k] for k in ("heads", "width", "slots", "units"))

    def least_used(usage, numbers):
        left, places = usage.detach(), []
        for _ in range(heads):
            place = (numbers == left.argmin()).to(left.dtype)
            places.append(place)
            left = left + 1e6 * place
        return torch.stack(places)

    def loss(p, x, y):
        features = torch.relu(x.reshape(x.shape[0], -1) @ p["layer1.weights"] + p["layer1.bias"])
        before = torch.cat([torch.zeros_like(y[:1]), y[:-1]])
        projected = torch.cat([features, before], 1) @ p["controller.input"] + p["controller.bias"]
        zeros = lambda *shape: torch.zeros(shape, dtype=x.dtype)  # noqa: E731
        cell, hidden, read, usage = zeros(units), zeros(units), zeros(heads * width), zeros(slots)
        memory, weights, numbers = zeros(slots, width), zeros(heads, slots), torch.arange(slots)
        gate = torch.sigmoid(p["write.gate"])
        outputs = []
        for sums in projected:
            i, f, g, o = (sums + read @ p["controller.read"] + hidden @ p["controller.hidden"]).split(units)
            cell = torch.sigmoid(f + 1) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            keys = torch.tanh(hidden @ p["key.weights"] + p["key.bias"]).reshape(heads, width)
            unused = least_used(usage, numbers)
            written = weights * gate + unused * (1 - gate)
            memory = memory * (1 - unused[0])[:, None] + written.T @ keys
            # vector_norm's gradient at zero is zero
            lengths = torch.outer(torch.linalg.vector_norm(keys, dim=1), torch.linalg.vector_norm(memory, dim=1))
            weights = torch.softmax(keys @ memory.T / lengths.clamp(min=1e-8), 1)
            read = (weights @ memory).reshape(-1)
            usage = 0.95 * usage + (weights + written).sum(0)
            outputs.append(torch.cat([hidden, read]))
        return classes(torch.stack(outputs) @ p["prediction.weights"] + p["prediction.bias"], y)

    return loss


def resnet12(p, x):
    def convolved(x, name):
        filters = p[f"{name}.filters"]
        x = F.conv2d(x, filters, padding=filters.shape[-1] // 2)
        return F.batch_norm(x, None, None, p[f"{name}.scale"], p[f"{name}.shift"], training=True, eps=epsilon)

    for block in (1, 2, 3, 4):
        residual = convolved(x, f"block{block}.shortcut")
        for layer in (1, 2, 3):
            x = convolved(x if layer == 1 else F.leaky_relu(x, 0.1), f"block{block}.conv{layer}")
        x = F.max_pool2d(F.leaky_relu(x + residual, 0.1), 2)
    return x.mean((2, 3))


def protonet(_spec: dict):
    def loss(p, support_x, support_y, query_x, query_y):
        prototypes = support_y.T @ resnet12(p, support_x) / support_y.sum(0)[:, None]
        return classes(-((resnet12(p, query_x)[:, None] - prototypes) ** 2).sum(2), query_y)

    return loss


def in_context(spec: dict):
    width, layers, heads = (spec[k] for k in ("width", "layers", "heads"))
    split = lambda x: x.reshape(-1, heads, width // heads).transpose(0, 1)  # noqa: E731

    def features(p, x, statistics):
        """conv4 of stride 2. `statistics`: of the support set; an empty list is filled."""
        is_support = not statistics
        for block in range(4):
            name = f"conv{block + 1}"
            pad = (0, 1) if x.shape[-1] % 2 == 0 else (1, 1)
            x = F.conv2d(F.pad(x, pad + pad), p[f"{name}.filters"], stride=2)
            if is_support:
                mean = x.mean((0, 2, 3), keepdim=True)
                statistics.append((mean, ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)))
            mean, variance = statistics[block]
            gain = p[f"{name}.scale"][:, None, None] * torch.rsqrt(variance + epsilon)
            x = torch.relu((x - mean) * gain + p[f"{name}.shift"][:, None, None])
        return x.mean((2, 3))

    def through(p, x, memory):
        """`memory`: keys and values of the support set; an empty list is filled."""
        norm = lambda x, name: F.layer_norm(x, (width,), p[f"{name}.scale"], p[f"{name}.shift"], 1e-5)  # noqa: E731
        is_support = not memory
        for layer in range(layers):
            of = lambda name: f"transformer.{layer}.{name}"  # noqa: E731
            before = norm(x, of("attention"))
            if is_support:
                memory.append((split(before @ p[of("key")]), split(before @ p[of("value")])))
            keys, values = memory[layer]
            scores = split(before @ p[of("query")]) @ keys.transpose(1, 2) / (width // heads) ** 0.5
            attended = (torch.softmax(scores, 2) @ values).transpose(0, 1).reshape(-1, width)
            x = x + attended @ p[of("out")]
            active = torch.relu(norm(x, of("network")) @ p[of("in.weights")] + p[of("in.bias")])
            x = x + active @ p[of("out.weights")] + p[of("out.bias")]
        return norm(x, "prediction")

    def loss(p, support_x, support_y, query_x, query_y):
        statistics, memory = [], []
        tokens = features(p, support_x, statistics) @ p["token.features"] + support_y @ p["token.targets"]
        through(p, tokens, memory)
        read = through(p, features(p, query_x, statistics) @ p["token.features"] + p["token.query"], memory)
        return classes(read @ p["prediction.weights"] + p["prediction.bias"], query_y)

    return loss
