"""A coordinator, and what it knows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import grpc

from . import wire
from .errors import from_rpc
from .job import Job
from .model import AdaptedModel

_deadline_seconds = 60.0
_options = [("grpc.max_receive_message_length", 4 << 20), ("grpc.max_send_message_length", 4 << 20)]


class Client:
    """A connection to a coordinator.

    address: HOST:PORT; default METATRAIN_COORDINATOR or 127.0.0.1:7420.
    token: default METATRAIN_TOKEN, where the coordinator asks for one.
    tls_ca: file of the authority (PEM); with it the connection is encrypted. tls_cert, tls_key: for mutual TLS.

    A token is sent over an encrypted connection, or to this machine.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        tls_ca: str | os.PathLike[str] | None = None,
        tls_cert: str | os.PathLike[str] | None = None,
        tls_key: str | os.PathLike[str] | None = None,
    ) -> None:
        self.address = address or os.environ.get("METATRAIN_COORDINATOR", "127.0.0.1:7420")
        token = token or os.environ.get("METATRAIN_TOKEN")
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        if tls_ca is None:
            if token and not self.address.startswith(("127.", "localhost:", "[::1]:")):
                raise ValueError("a token to another machine needs tls_ca")
            self._channel = grpc.insecure_channel(self.address, options=_options)
        else:
            credentials = grpc.ssl_channel_credentials(
                Path(tls_ca).read_bytes(),
                Path(tls_key).read_bytes() if tls_key else None,
                Path(tls_cert).read_bytes() if tls_cert else None,
            )
            self._channel = grpc.secure_channel(self.address, credentials, options=_options)
        self._methods: dict[tuple[str, str], Any] = {}

    def submit(
        self, spec: str | os.PathLike[str] | Mapping[str, Any], *, idempotency_key: str = ""
    ) -> Job:
        """Submits a job file: a path, its text (YAML or JSON), or its fields."""
        if isinstance(spec, Mapping):
            text = json.dumps(spec)
        elif isinstance(spec, os.PathLike) or ("\n" not in spec and Path(spec).is_file()):
            text = Path(spec).read_text("utf-8")
        else:
            text = str(spec)
        request = wire.message("SubmitJobRequest", spec=text, idempotency_key=idempotency_key)
        return self.job(self._call("JobService", "SubmitJob", request).job_id)

    def job(self, job_id: str) -> Job:
        """Raises MetatrainError JOB_UNKNOWN."""
        return Job(self, self._call("JobService", "GetJob", wire.message("GetJobRequest", job_id=job_id)))

    def jobs(self) -> Iterator[Job]:
        """The newest first."""
        token = ""
        while True:
            request = wire.message("ListJobsRequest", page_size=100, page_token=token)
            page = self._call("JobService", "ListJobs", request)
            for summary in page.jobs:
                yield self.job(summary.job_id)
            token = page.next_page_token
            if not token:
                return

    def adapted(self) -> list[AdaptedModel]:
        """The adapted models that the coordinator keeps for this client."""
        answer = self._call("ModelService", "ListAdapted", wire.message("ListAdaptedRequest"))
        return [AdaptedModel(self, model) for model in answer.models]

    def workers(self) -> Sequence[Any]:
        """The connected workers, as the messages that the coordinator sends."""
        return list(self._call("ClusterService", "ListWorkers", wire.message("ListWorkersRequest")).workers)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"metatrain.Client({self.address!r})"

    def _call(self, service: str, name: str, request: Any, timeout: float = _deadline_seconds) -> Any:
        try:
            return self._method(service, name)(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_rpc(error) from None

    def _stream(self, service: str, name: str, request: Any, timeout: float | None = None) -> Any:
        return self._method(service, name)(request, timeout=timeout, metadata=self._metadata)

    def _method(self, service: str, name: str) -> Any:
        known = self._methods.get((service, name))
        if known is None:
            known = self._methods[service, name] = wire.method(self._channel, service, name)
        return known
