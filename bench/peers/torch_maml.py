"""MAML in PyTorch: eager (one task after the other, as learn2learn does), torch.func with vmap, and torch.compile of that. One thread."""

import time

import numpy as np
import torch
import torch.nn.functional as F
from workload import Workload

torch.set_num_threads(1)
torch.set_num_interop_threads(1)


def build(w: Workload):
    """(params, tasks, loss): torch's own layouts, converted outside of any timing."""

    def param(name: str, value: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(value.transpose(3, 2, 0, 1) if name.startswith("filter") else value))

    def task(name: str, value: np.ndarray) -> torch.Tensor:
        if not w.is_conv:
            return torch.from_numpy(value)
        return torch.from_numpy(np.ascontiguousarray(value.transpose(0, 1, 4, 2, 3)) if name.endswith("X") else value.astype(np.int64))

    params = {k: param(k, v) for k, v in w.params.items()}
    tasks = {k: task(k, v) for k, v in w.task_arrays.items()}

    def mlp_loss(p, x, y):
        h = torch.relu(x @ p["w1"] + p["b1"])
        h = torch.relu(h @ p["w2"] + p["b2"])
        return F.mse_loss(h @ p["w3"] + p["b3"], y)

    def conv_loss(p, x, y):
        for layer in range(4):
            # TensorFlow's "same" with stride 2 on 28 pixels pads after, not before
            if w.stride == 2:
                pad = (0, 1) if x.shape[-1] % 2 == 0 else (1, 1)
                x = F.conv2d(F.pad(x, pad + pad), p[f"filter{layer}"], stride=2)
            else:
                x = F.conv2d(x, p[f"filter{layer}"], padding=1)
            x = F.batch_norm(x, None, None, p[f"scale{layer}"], p[f"offset{layer}"], training=True, eps=1e-5)
            if w.stride == 1:
                x = F.max_pool2d(x, 2)
            x = torch.relu(x)
        return F.cross_entropy(x.mean((2, 3)) @ p["dense"] + p["denseBias"], y)

    return params, tasks, conv_loss if w.is_conv else mlp_loss


def eager(w: Workload):
    params, tasks, loss = build(w)
    second = w.order == "second"
    leaves = {k: v.clone().requires_grad_(True) for k, v in params.items()}

    def run():
        total = 0.0
        sums = {k: torch.zeros_like(v) for k, v in leaves.items()}
        for t in range(w.tasks):
            fast = dict(leaves)
            for _ in range(w.innerSteps):
                inner = loss(fast, tasks["supportX"][t], tasks["supportY"][t])
                gradients = torch.autograd.grad(inner, list(fast.values()), create_graph=second)
                fast = {k: v - w.innerLearningRate * g for (k, v), g in zip(fast.items(), gradients)}
                if not second:
                    fast = {k: v.detach().requires_grad_(True) for k, v in fast.items()}
            outer = loss(fast, tasks["queryX"][t], tasks["queryY"][t])
            gradients = torch.autograd.grad(outer, list(leaves.values()) if second else list(fast.values()))
            total += float(outer.detach())
            for name, gradient in zip(sums, gradients):
                sums[name] += gradient
        return total, sums

    return run


def vmapped(w: Workload, compiled: bool):
    params, tasks, loss = build(w)
    from torch.func import grad, grad_and_value, vmap

    def outer(p, sx, sy, qx, qy):
        fast = p
        for _ in range(w.innerSteps):
            gradients = grad(loss)(fast, sx, sy)
            fast = {k: v - w.innerLearningRate * gradients[k] for k, v in fast.items()}
        return loss(fast, qx, qy)

    def first(p, sx, sy, qx, qy):
        fast = p
        for _ in range(w.innerSteps):
            gradients = grad(loss)(fast, sx, sy)
            fast = {k: v - w.innerLearningRate * gradients[k] for k, v in fast.items()}
        return grad_and_value(loss)(fast, qx, qy)

    per_task = grad_and_value(outer) if w.order == "second" else first

    def batch(p, sx, sy, qx, qy):
        gradients, values = vmap(per_task, in_dims=(None, 0, 0, 0, 0))(p, sx, sy, qx, qy)
        return values.sum(), {k: v.sum(0) for k, v in gradients.items()}

    function = torch.compile(batch) if compiled else batch
    arguments = [tasks[k] for k in ("supportX", "supportY", "queryX", "queryY")]
    return lambda: function(params, *arguments)


def gradient_sums(result):
    value, gradients = result
    name = "dense" if "dense" in gradients else "w2"
    return float(value), gradients[name].double().numpy().reshape(-1)[:4].tolist()


def first_result(make):
    started = time.perf_counter()
    run = make()
    result = run()
    return run, result, time.perf_counter() - started
