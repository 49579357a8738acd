"""The one error that this package raises of its own."""

from __future__ import annotations

import grpc


class MetatrainError(Exception):
    """What the coordinator refused, or why it could not be reached.

    code: the coordinator's own code, such as REQUEST_INVALID; the gRPC status where it has none.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def from_rpc(error: grpc.RpcError) -> MetatrainError:
    trailers = dict(error.trailing_metadata() or ())
    return MetatrainError(str(trailers.get("metatrain-code", error.code().name)), error.details() or "")
