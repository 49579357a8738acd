"""A workload as bench/engine wrote it: workload.json and one raw little-endian file per array."""

import json
import pathlib

import numpy as np


class Workload:
    def __init__(self, folder: str):
        root = pathlib.Path(folder)
        description = json.loads((root / "workload.json").read_text())
        for key in ("name", "model", "order", "innerSteps", "tasks"):
            setattr(self, key, description[key])
        self.innerLearningRate = description.get("innerLearningRate")
        # the sections of a job file, of a workload that is a training shard
        self.job = description.get("job")
        self.params = {k: self._read(root, k, v) for k, v in description["params"].items()}
        self.task_arrays = {k: self._read(root, k, v) for k, v in description["taskArrays"].items()}
        self.is_conv = self.model not in ("mlp", "mann")
        self.stride = 2 if self.model == "strided-conv4" else 1

    @staticmethod
    def _read(root: pathlib.Path, name: str, spec: dict) -> np.ndarray:
        dtype = {"float32": np.float32, "int32": np.int32}[spec["dtype"]]
        return np.fromfile(root / f"{name}.bin", dtype=dtype).reshape(spec["shape"]).copy()
