"""Messages and calls, from the descriptors of proto/ that come with the package: no generated code."""

from __future__ import annotations

from importlib import resources
from typing import Any, Callable

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message_factory import GetMessageClass

_files = descriptor_pb2.FileDescriptorSet.FromString(resources.files("metatrain").joinpath("protos.binpb").read_bytes())
_pool = descriptor_pool.DescriptorPool()
for _file in _files.file:
    _pool.Add(_file)


def message(name: str, **fields: Any) -> Any:
    return GetMessageClass(_pool.FindMessageTypeByName(f"metatrain.v1.{name}"))(**fields)


def enum_name(enum: str, number: int) -> str:
    return _pool.FindEnumTypeByName(f"metatrain.v1.{enum}").values_by_number[number].name


def method(channel: grpc.Channel, service: str, name: str) -> Callable[..., Any]:
    """A call with one request; its answer is a message, or an iterator of messages."""
    found = _pool.FindServiceByName(f"metatrain.v1.{service}").FindMethodByName(name)
    kind = channel.unary_stream if found.server_streaming else channel.unary_unary
    return kind(
        f"/metatrain.v1.{service}/{name}",
        request_serializer=GetMessageClass(found.input_type).SerializeToString,
        response_deserializer=GetMessageClass(found.output_type).FromString,
    )
