"""A client of MetaTrain that shares no code with it: Python, grpcio, and the proto or nothing but the address.

    client.py stubs ADDRESS SPEC PROTO_DIRECTORY   stubs that grpc_tools makes from the proto
    client.py reflection ADDRESS SPEC              messages and calls that the server describes itself

Submits the job file SPEC, watches it to its end, downloads its checkpoint, and asks for things that must be refused. Prints what it
saw as one JSON object; judges nothing, since that is the test's part.
"""

import hashlib
import json
import struct
import sys
import tempfile
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

DEADLINE_SECONDS = 120


class Stubs:
    """Messages and calls from generated code."""

    def __init__(self, channel, proto_directory):
        import grpc_tools
        from grpc_tools import protoc

        well_known = f"{grpc_tools.__path__[0]}/_proto"
        names = [f"metatrain/v1/{path.name}" for path in sorted(Path(proto_directory, "metatrain", "v1").glob("*.proto"))]
        self.directory = tempfile.TemporaryDirectory(prefix="metatrain-stubs-")
        out = self.directory.name
        if protoc.main(["protoc", f"-I{proto_directory}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}", *names]) != 0:
            raise SystemExit("grpc_tools made no stubs")
        sys.path.insert(0, out)
        from metatrain.v1 import cluster_pb2, cluster_pb2_grpc, job_pb2, job_pb2_grpc, worker_pb2, worker_pb2_grpc

        self.modules = (job_pb2, cluster_pb2, worker_pb2)
        self.services = {
            "JobService": job_pb2_grpc.JobServiceStub(channel),
            "ClusterService": cluster_pb2_grpc.ClusterServiceStub(channel),
            "WorkerService": worker_pb2_grpc.WorkerServiceStub(channel),
        }

    def message(self, name, **fields):
        return next(getattr(module, name) for module in self.modules if hasattr(module, name))(**fields)

    def call(self, service, method):
        return getattr(self.services[service], method)

    def close(self):
        self.directory.cleanup()


class Reflection:
    """Messages and calls from what the server tells of itself; knows names, and no file."""

    def __init__(self, channel):
        from google.protobuf.descriptor_pool import DescriptorPool
        from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

        self.channel = channel
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self.pool = DescriptorPool(self.database)

    def message(self, name, **fields):
        from google.protobuf.message_factory import GetMessageClass

        return GetMessageClass(self.pool.FindMessageTypeByName(f"metatrain.v1.{name}"))(**fields)

    def call(self, service, method):
        from google.protobuf.message_factory import GetMessageClass

        found = self.pool.FindServiceByName(f"metatrain.v1.{service}").FindMethodByName(method)
        kind = f"{'stream' if found.client_streaming else 'unary'}_{'stream' if found.server_streaming else 'unary'}"
        return getattr(self.channel, kind)(
            f"/metatrain.v1.{service}/{method}",
            request_serializer=GetMessageClass(found.input_type).SerializeToString,
            response_deserializer=GetMessageClass(found.output_type).FromString,
        )

    def services(self):
        return sorted(self.database.get_services())

    def close(self):
        pass


def status_of(call):
    """The status that a refused call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return {"code": error.code().name, "message": error.details()}
    return {"code": "OK", "message": ""}


def refusals(api):
    job = lambda method, request: lambda: api.call("JobService", method)(request, timeout=DEADLINE_SECONDS)
    hello = api.message("WorkerMessage", hello=api.message("Hello", protocol_version=99, worker_id="w", slots=1))
    first = api.message("WorkerMessage", heartbeat=api.message("Heartbeat", sequence=1))
    connect = lambda message: lambda: list(api.call("WorkerService", "Connect")(iter([message]), timeout=DEADLINE_SECONDS))
    return {
        "unknownField": status_of(job("SubmitJob", api.message("SubmitJobRequest", spec="nam: x"))),
        "notUtf8Safe": status_of(job("SubmitJob", api.message("SubmitJobRequest", spec='{"\\ud800": "ä😀\\u001b[31m"}'))),
        "manyProblems": status_of(
            job("SubmitJob", api.message("SubmitJobRequest", spec="\n".join(f"{'é' * 40}{i}: 1" for i in range(700))))
        ),
        "tooLong": status_of(job("SubmitJob", api.message("SubmitJobRequest", spec="#" * 65537))),
        "unknownJob": status_of(job("GetJob", api.message("GetJobRequest", job_id="no-such-job"))),
        "unknownCheckpoint": status_of(
            lambda: list(job("DownloadCheckpoint", api.message("DownloadCheckpointRequest", job_id="no-such-job"))())
        ),
        "otherProtocol": status_of(connect(hello)),
        "noHello": status_of(connect(first)),
    }


def train(api, spec):
    call = lambda method, name, **fields: api.call("JobService", method)(
        api.message(name, **fields), timeout=DEADLINE_SECONDS
    )
    submitted = call("SubmitJob", "SubmitJobRequest", spec=spec, idempotency_key="foreign")
    again = call("SubmitJob", "SubmitJobRequest", spec=spec, idempotency_key="foreign")
    job_id = submitted.job_id
    events = [
        {"sequence": event.sequence, "kind": event.WhichOneof("event"), "state": event.state_changed.state}
        for event in call("WatchJob", "WatchJobRequest", job_id=job_id)
        if event.sequence  # 0 is a sign of life
    ]
    late = [event.sequence for event in call("WatchJob", "WatchJobRequest", job_id=job_id, after_sequence=events[-2]["sequence"])]
    job = call("GetJob", "GetJobRequest", job_id=job_id)
    info, data = None, bytearray()
    largest = 0
    for chunk in call("DownloadCheckpoint", "DownloadCheckpointRequest", job_id=job_id):
        info = chunk.info if chunk.HasField("info") else info
        assert chunk.offset == len(data)
        data += chunk.data
        largest = max(largest, len(chunk.data))
    (header_bytes,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + header_bytes])
    tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
    theta = hashlib.sha256()
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1]["data_offsets"]):
        if not name.startswith("optimizer/"):
            begin, end = (8 + header_bytes + offset for offset in tensor["data_offsets"])
            theta.update(data[begin:end])
    evaluation = job.evaluations[-1]
    workers = api.call("ClusterService", "ListWorkers")(api.message("ListWorkersRequest"), timeout=DEADLINE_SECONDS)
    return {
        "jobId": job_id,
        "alreadySubmitted": [submitted.already_submitted, again.already_submitted],
        "sameJobAgain": again.job_id == job_id,
        "events": events,
        "replayedAfter": late,
        "state": job.state,
        "steps": job.steps,
        "iterations": job.iterations,
        "paramsSha256": job.params_sha256,
        "spec": json.loads(job.spec),
        "listed": [listed.job_id for listed in call("ListJobs", "ListJobsRequest").jobs],
        "checkpoint": {
            "step": info.step,
            "bytes": info.bytes,
            "paramsSha256": info.params_sha256,
            "bytesReceived": len(data),
            "hashHolds": hashlib.sha256(data).hexdigest() == info.sha256,
            "largestChunk": largest,
            "thetaSha256": theta.hexdigest(),
            "tensors": {name: tensor["shape"] for name, tensor in tensors.items()},
        },
        "evaluation": {
            "step": evaluation.step,
            "tasks": evaluation.protocol.tasks,
            "distribution": evaluation.protocol.distribution,
            "measures": {
                measure.name: [[estimate.mean, estimate.half_width95] for estimate in measure.estimates]
                for measure in evaluation.measures
            },
        },
        "workers": [{"slots": worker.slots, "fingerprint": worker.engine_fingerprint} for worker in workers.workers],
    }


def main(kind, address, spec_file, *rest):
    with open(spec_file, encoding="utf-8") as file:
        spec = file.read()
    with grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        check = lambda service: health.Check(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE_SECONDS)
        serving = {
            service: health_pb2.HealthCheckResponse.ServingStatus.Name(check(service).status)
            for service in ("", "metatrain.v1.JobService")
        }
        unknown = status_of(lambda: check("no.such.Service"))
        api = Stubs(channel, *rest) if kind == "stubs" else Reflection(channel)
        try:
            seen = {
                "health": {"serving": serving, "unknown": unknown["code"]},
                "services": api.services() if kind == "reflection" else None,
                "refusals": refusals(api),
                "job": train(api, spec),
            }
        finally:
            api.close()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
