"""Checkpoints (safetensors) as NumPy arrays."""

from __future__ import annotations

import json

import numpy as np


def meta_parameters(file: bytes) -> dict[str, np.ndarray]:
    """θ by name, without the optimizer's state and what shards carry."""
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    body = memoryview(file)[8 + length :]
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or name.startswith(("optimizer/", "carry/")):
            continue
        if entry["dtype"] != "F32":
            raise ValueError(f"tensor {name} is {entry['dtype']}, not F32")
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(body[begin:end], "<f4").reshape(entry["shape"]).copy()
    return tensors
