"""Prints the digits of test/unit/learning/resnet12.test.ts: ResNet-12 in PyTorch, in float64.

Put together as models/ResNet12_embedding.py of kjunelee/MetaOptNet does, with the mean over height
and width and a linear layer. The numbers are those of the test's `waves`.

    python test/unit/learning/resnet12_digits.py   (torch and numpy; bench/peers/.venv has them)
"""

import numpy as np
import torch
import torch.nn.functional as F

widths, outputs, channels = [2, 3, 2, 3], 3, 2
count = 0


def wave(shape, scale, around=0.0):
    """The next numbers; the test rounds them to float32."""
    global count
    size = int(np.prod(shape))
    i = np.arange(count, count + size)
    count += size
    values = around + scale * np.sin(1.7 * i + 0.3 * (i % 7))
    return torch.from_numpy(values.reshape(shape))


def convolution_of(side, inputs, filters):
    weights = wave([side, side, inputs, filters], 0.5).permute(3, 2, 0, 1)
    return weights, wave([filters], 0.1, 1), wave([filters], 0.1)


params, before = {}, channels
for block, filters in enumerate(widths, 1):
    for layer in (1, 2, 3):
        params[f"block{block}.conv{layer}"] = convolution_of(3, before if layer == 1 else filters, filters)
    params[f"block{block}.shortcut"] = convolution_of(1, before, filters)
    before = filters
head = wave([widths[3], outputs], 0.5), wave([outputs], 0.5)
images = wave([3, 16, 17, channels], 1).permute(0, 3, 1, 2)
masks = [wave([3, 16 >> n, 17 >> n, filters], 0.5, 1).permute(0, 3, 1, 2) for n, filters in enumerate(widths, 1)]


def logits(running, training, masks=None):
    """`running`: mean and variance by a norm's name; moved in training."""
    x = images
    for block in (1, 2, 3, 4):

        def convolved(x, name):
            weights, scale, shift = params[f"block{block}.{name}"]
            x = F.conv2d(x, weights, padding=weights.shape[-1] // 2)
            mean, variance = running[f"block{block}.{name}"]
            return F.batch_norm(x, mean, variance, scale, shift, training=training, momentum=0.1, eps=0.001)

        residual = convolved(x, "shortcut")
        for layer in (1, 2, 3):
            x = convolved(x if layer == 1 else F.leaky_relu(x, 0.1), f"conv{layer}")
        x = F.max_pool2d(F.leaky_relu(x + residual, 0.1), 2)
        if masks:
            x = x * masks[block - 1]
    return x.mean((2, 3)) @ head[0] + head[1]


def first():
    one = lambda scale: (torch.zeros_like(scale), torch.ones_like(scale))  # noqa: E731
    return {name: one(scale) for name, (_, scale, _) in params.items()}


def show(name, values):
    print(name, ", ".join(f"{value:.6g}" for value in values.flatten().tolist()))


running = first()
show("batch:", logits(running, True))
show("block1.conv1.variance:", running["block1.conv1"][1])
show("block4.shortcut.mean:", running["block4.shortcut"][0])
show("block4.shortcut.variance:", running["block4.shortcut"][1])
show("inEvaluation:", logits(running, False))
show("masked:", logits(first(), True, masks))
