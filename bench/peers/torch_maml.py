"""MAML, and the shards of torch_jobs.py, in PyTorch: eager (one task after the other, as learn2learn does), torch.func with vmap, and torch.compile of that. One thread."""

import time

import numpy as np
import torch
import torch.nn.functional as F
from workload import Workload

torch.set_num_threads(1)
torch.set_num_interop_threads(1)


def build(w: Workload):
    """(params, tasks, loss): torch's own layouts, converted outside of any timing. A shard's loss takes all arrays of a task, MAML's a set's x and y."""

    def param(name: str, value: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(value.transpose(3, 2, 0, 1) if value.ndim == 4 else value))

    def task(name: str, value: np.ndarray) -> torch.Tensor:
        if w.is_conv and value.ndim == 5:
            return torch.from_numpy(np.ascontiguousarray(value.transpose(0, 1, 4, 2, 3)))
        return torch.from_numpy(value.astype(np.int64) if value.dtype == np.int32 else value)

    params = {k: param(k, v) for k, v in w.params.items()}
    tasks = {k: task(k, v) for k, v in w.task_arrays.items()}

    if w.job:
        from torch_jobs import loss_of

        return params, tasks, loss_of(w.model, w.job)

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


def outer_arrays(w: Workload):
    return list(w.task_arrays) if w.job else ["queryX", "queryY"]


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
            outer = loss(fast, *(tasks[k][t] for k in outer_arrays(w)))
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

    per_task = grad_and_value(loss if w.job else outer) if w.order == "second" else first
    arguments = list(tasks.values())

    def batch(p, *arrays):
        gradients, values = vmap(per_task, in_dims=(None, *(0 for _ in arrays)))(p, *arrays)
        return values.sum(), {k: v.sum(0) for k, v in gradients.items()}

    function = torch.compile(batch) if compiled else batch
    return lambda: function(params, *arguments)


def loss_and_norms(result):
    value, gradients = result
    return float(value), {name: float(gradient.double().norm()) for name, gradient in gradients.items()}


def first_result(make):
    started = time.perf_counter()
    run = make()
    result = run()
    return run, result, time.perf_counter() - started
