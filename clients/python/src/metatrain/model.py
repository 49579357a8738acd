"""Adapted models, and what they predict."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

from . import wire

if TYPE_CHECKING:
    from .client import Client

_image_ends = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Predictions:
    """outputs: [queries, outputs], values; of a classification logits. classes: in the order of the outputs.

    labels: the most probable class of each query. probabilities: [queries, classes]. Both are empty for a regression.
    """

    outputs: np.ndarray
    classes: Sequence[str]
    labels: Sequence[str]
    probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.outputs)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.classes) or "<th>prediction</th>"
        values = self.probabilities if self.classes else self.outputs
        rows = "".join(
            f"<tr><td>{escape(self.labels[at]) if self.labels else at}</td>"
            + "".join(f"<td>{value:.4g}</td>" for value in row)
            + "</tr>"
            for at, row in enumerate(values)
        )
        return f"<table><tr><th></th>{head}</tr>{rows}</table>"


class AdaptedModel:
    """A job's parameters adapted to one task, which the coordinator keeps until `expires_at`."""

    def __init__(self, client: Client, record: Any) -> None:
        self._client = client
        self._record = record

    @property
    def id(self) -> str:
        return self._record.adapted_id

    @property
    def job_id(self) -> str:
        return self._record.job_id

    @property
    def step(self) -> int:
        return self._record.step

    @property
    def classes(self) -> list[str]:
        return list(self._record.classes)

    @property
    def expires_at(self) -> Any:
        return self._record.expires_at.ToDatetime()

    def predict(self, inputs: Any) -> Predictions:
        """inputs: as of `Job.adapt`."""
        request = wire.message("PredictRequest", adapted_id=self.id, queries=inputs_message(inputs))
        answer = self._client._call("ModelService", "Predict", request)
        return Predictions(
            outputs=np.array([one.outputs for one in answer.predictions], np.float32),
            classes=list(answer.classes),
            labels=[one.class_name for one in answer.predictions] if answer.classes else [],
            probabilities=np.array([one.probabilities for one in answer.predictions], np.float32),
        )

    def state(self) -> dict[str, np.ndarray]:
        """The adapted parameters by name, where they take at most 3 MiB."""
        request = wire.message("GetAdaptedRequest", adapted_id=self.id)
        state = self._client._call("ModelService", "GetAdapted", request).state
        vector = np.frombuffer(state.data, "<f4")
        tensors, begin = {}, 0
        for tensor in state.layout.tensors:
            size = int(np.prod(tensor.shape, dtype=np.int64))
            tensors[tensor.name] = vector[begin : begin + size].reshape(tuple(tensor.shape)).copy()
            begin += size
        return tensors

    def drop(self) -> None:
        self._client._call("ModelService", "DropAdapted", wire.message("DropAdaptedRequest", adapted_id=self.id))

    def __repr__(self) -> str:
        classes = f" of {', '.join(self.classes)}" if self.classes else ""
        return f"<metatrain.AdaptedModel {self.id}, job {self.job_id}, {self._record.examples} examples{classes}>"


def support_message(inputs: Any, targets: Any, labels: Sequence[str] | None) -> Any:
    return wire.message(
        "SupportSet",
        inputs=inputs_message(inputs),
        targets=[] if targets is None else np.asarray(targets, np.float32).ravel().tolist(),
        labels=list(labels or ()),
    )


def inputs_message(inputs: Any) -> Any:
    """Numbers, images (bytes, paths, or names of files that end as images do), or texts."""
    items = [inputs] if isinstance(inputs, (str, bytes, os.PathLike)) else inputs
    if isinstance(items, (list, tuple)) and items and isinstance(items[0], (str, bytes, os.PathLike)):
        if all(_is_image(item) for item in items):
            files = [item if isinstance(item, bytes) else Path(item).read_bytes() for item in items]
            return wire.message("Inputs", images=wire.message("Images", files=files))
        return wire.message("Inputs", texts=wire.message("Texts", texts=[str(item) for item in items]))
    values = np.asarray(items, np.float32).ravel().tolist()
    return wire.message("Inputs", numbers=wire.message("Numbers", values=values))


def _is_image(item: Any) -> bool:
    return not isinstance(item, str) or (item.lower().endswith(_image_ends) and Path(item).is_file())
