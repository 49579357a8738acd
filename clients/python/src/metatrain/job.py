"""Jobs: followed to their end, read, and adapted to new tasks."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from html import escape
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence

import grpc
import numpy as np

from . import wire
from .errors import MetatrainError, from_rpc
from .model import AdaptedModel, Predictions, support_message
from .safetensors import meta_parameters

if TYPE_CHECKING:
    from .client import Client

_ended = {"SUCCEEDED", "FAILED", "CANCELLED"}
_retry_seconds = 1.0
_silence_seconds = 45.0


@dataclass(frozen=True)
class Progress:
    """What happened since the summary before; measures are means over the last meta-batch."""

    step: int
    iterations: int
    measures: Mapping[str, float]
    meta_steps_per_second: float
    eta_seconds: float


@dataclass(frozen=True)
class Evaluation:
    """measures: by name, the points of its axis with mean and half of the 95 % interval."""

    step: int
    measures: Mapping[str, Mapping[str, tuple[float, float]]]


@dataclass(frozen=True)
class Event:
    """kind: state_changed, meta_step, evaluated, checkpoint_written or shard_retried."""

    sequence: int
    time: datetime
    kind: str
    value: str | Progress | Evaluation | Any


class Job:
    """A job as it was when it was read; `refresh` reads it again."""

    def __init__(self, client: Client, record: Any) -> None:
        self._client = client
        self._record = record

    @property
    def id(self) -> str:
        return self._record.job_id

    @property
    def name(self) -> str:
        return self._record.name

    @property
    def state(self) -> str:
        """QUEUED, RUNNING, PAUSED, SUCCEEDED, FAILED or CANCELLED."""
        return _state(self._record.state)

    @property
    def has_ended(self) -> bool:
        return self.state in _ended

    @property
    def steps(self) -> int:
        return self._record.steps

    @property
    def iterations(self) -> int:
        return self._record.iterations

    @property
    def spec(self) -> Mapping[str, Any]:
        """The job file with every default."""
        return json.loads(self._record.spec)

    @property
    def params_sha256(self) -> str:
        return self._record.params_sha256

    @property
    def error(self) -> str | None:
        return f"{self._record.error.code}: {self._record.error.message}" if self._record.HasField("error") else None

    @property
    def evaluations(self) -> list[Evaluation]:
        return [_evaluation(one) for one in self._record.evaluations]

    @property
    def result(self) -> Evaluation | None:
        """The last evaluation."""
        return self.evaluations[-1] if self._record.evaluations else None

    def refresh(self) -> Job:
        self._record = self._client.job(self.id)._record
        return self

    def pause(self) -> Job:
        return self._control("PauseJob")

    def resume(self) -> Job:
        return self._control("ResumeJob")

    def cancel(self) -> Job:
        return self._control("CancelJob")

    def watch(self, after: int = 0, give_up_seconds: float = 600.0) -> Iterator[Event]:
        """The job's events from its first one until it ends, each once and in order, over lost connections.

        after: only events with a greater sequence.
        give_up_seconds: how long the coordinator may be away.
        """
        away_since: float | None = None
        while True:
            request = wire.message("WatchJobRequest", job_id=self.id, after_sequence=after)
            call = self._client._stream("JobService", "WatchJob", request, timeout=_silence_seconds)
            try:
                for message in call:
                    away_since = None
                    if message.sequence == 0:
                        continue
                    after = message.sequence
                    yield _event(message)
                return
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                    continue
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise from_rpc(error) from None
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > give_up_seconds:
                    raise from_rpc(error) from None
                time.sleep(_retry_seconds)
            finally:
                call.cancel()

    def wait(self, progress: bool | None = None) -> Job:
        """Waits until the job has ended. Raises MetatrainError where it has not succeeded.

        progress: whether to draw a bar on stderr. Default: on a terminal and in a notebook.
        """
        shows = progress if progress is not None else sys.stderr.isatty() or "ipykernel" in sys.modules
        bar = _Bar(self.name) if shows else None
        for event in self.watch():
            if bar and isinstance(event.value, Progress):
                bar.draw(event.value)
        if bar:
            bar.end()
        self.refresh()
        if self.state != "SUCCEEDED":
            raise MetatrainError(self.state, self.error or f"job {self.id} was {self.state.lower()}")
        return self

    def parameters(self, step: int | None = None) -> dict[str, np.ndarray]:
        """The meta-parameters by name, float32. step: of a checkpoint; default the newest."""
        request = wire.message("DownloadCheckpointRequest", job_id=self.id)
        if step is not None:
            request.step = step
        try:
            chunks = self._client._stream("JobService", "DownloadCheckpoint", request, timeout=600)
            return meta_parameters(b"".join(chunk.data for chunk in chunks))
        except grpc.RpcError as error:
            raise from_rpc(error) from None

    def adapt(
        self,
        inputs: Any,
        targets: Any = None,
        *,
        labels: Sequence[str] | None = None,
        step: int | None = None,
        inner_steps: int | None = None,
        keep_seconds: int = 0,
    ) -> AdaptedModel:
        """Adapts the job's parameters to a support set; the coordinator keeps the result for a while.

        inputs: an array of numbers [examples, ...], a list of PNG or JPEG files (paths or bytes), or a list of texts.
        targets: of a regression, [examples] or [examples, outputs].
        labels: of a classification, the class of each example.
        keep_seconds: default 900, at most 86,400.
        """
        request = wire.message("AdaptRequest", job_id=self.id, keep_seconds=keep_seconds)
        _choose(request, step, inner_steps)
        request.support.append(support_message(inputs, targets, labels))
        return AdaptedModel(self._client, self._client._call("ModelService", "Adapt", request).models[0])

    def _control(self, name: str) -> Job:
        self._record = self._client._call("JobService", name, wire.message(f"{name}Request", job_id=self.id))
        return self

    def __repr__(self) -> str:
        return f"<metatrain.Job {self.id} {self.name} {self.state} {self.steps:,}/{self.iterations:,}>"

    def _repr_html_(self) -> str:
        share = self.steps / self.iterations if self.iterations else 0
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(point)}</td><td>{mean:.4g} ± {half:.2g}</td></tr>"
            for name, points in (self.result.measures.items() if self.result else ())
            for point, (mean, half) in points.items()
        )
        table = f"<table><tr><th>measure</th><th>point</th><th>mean ± 95 %</th></tr>{rows}</table>" if rows else ""
        error = f"<p>{escape(self.error)}</p>" if self.error else ""
        return (
            f"<p><b>{escape(self.name)}</b> {escape(self.id)} {self.state.lower()}, "
            f"{self.steps:,} of {self.iterations:,} meta-steps</p>"
            f'<progress value="{share:.4f}"></progress>{error}{table}'
        )


class _Bar:
    width = 30

    def __init__(self, name: str) -> None:
        self._name = name

    def draw(self, progress: Progress) -> None:
        filled = int(self.width * progress.step / max(1, progress.iterations))
        measure = next(iter(progress.measures.items()), None)
        told = f"  {measure[0]} {measure[1]:.4g}" if measure else ""
        rest = f"  {progress.eta_seconds:.0f} s left" if progress.step < progress.iterations else ""
        line = f"{self._name} |{'█' * filled}{'·' * (self.width - filled)}| {progress.step:,}/{progress.iterations:,}"
        print(f"\r{line}{told}{rest}\033[K", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        print(file=sys.stderr)


def _choose(request: Any, step: int | None, inner_steps: int | None) -> None:
    if step is not None:
        request.step = step
    if inner_steps is not None:
        request.inner_steps = inner_steps


def _state(number: int) -> str:
    return wire.enum_name("JobState", number).removeprefix("JOB_STATE_")


def _event(message: Any) -> Event:
    kind = message.WhichOneof("event")
    value = getattr(message, kind)
    if kind == "state_changed":
        value = _state(value.state)
    elif kind == "meta_step":
        value = Progress(
            step=value.step,
            iterations=value.iterations,
            measures={measure.name: measure.value for measure in value.measures},
            meta_steps_per_second=value.meta_steps_per_second,
            eta_seconds=value.eta_seconds,
        )
    elif kind == "evaluated":
        value = _evaluation(value)
    seconds = message.time.seconds + message.time.nanos / 1e9
    return Event(message.sequence, datetime.fromtimestamp(seconds, timezone.utc), kind, value)


def _evaluation(message: Any) -> Evaluation:
    return Evaluation(
        step=message.step,
        measures={
            measure.name: {
                point: (estimate.mean, estimate.half_width95)
                for point, estimate in zip(measure.points, measure.estimates)
            }
            for measure in message.measures
        },
    )


__all__ = ["AdaptedModel", "Evaluation", "Event", "Job", "Predictions", "Progress"]
