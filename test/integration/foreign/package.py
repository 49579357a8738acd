"""The Python package on a real cluster: package.py ADDRESS SPEC. Trains the linear example, reads what there is of it, and maps it to a
task that it has not seen: by the package, and by reflection, which knows nothing but the address. Prints what it saw as one JSON object."""

import hashlib
import json
import sys

import grpc
import metatrain
import numpy as np
from client import Reflection


def refusal(call):
    try:
        call()
    except metatrain.MetatrainError as error:
        return {"code": error.code, "message": error.message}
    return None


def by_reflection(address, job_id):
    with grpc.insecure_channel(address) as channel:
        api = Reflection(channel)
        numbers = lambda *values: api.message("Inputs", numbers=api.message("Numbers", values=values))
        support = api.message("SupportSet", inputs=numbers(1, 2, 3), targets=[2, 4, 6])
        request = api.message("PredictRequest", job_id=job_id, support=support, queries=numbers(4))
        return api.call("ModelService", "Predict")(request, timeout=60).predictions[0].outputs[0]


def main(address, spec):
    with metatrain.Client(address) as client:
        job = client.submit(spec)
        kinds = [event.kind for event in job.watch()]
        job.wait(progress=True)
        parameters = job.parameters()
        theta = b"".join(tensor.astype("<f4").tobytes() for tensor in parameters.values())
        model = job.adapt([1, 2, 3], [2, 4, 6], keep_seconds=60)
        predictions = model.predict([4])
        state = model.state()
        kept = [one.id for one in client.adapted()]
        model.drop()
        return {
            "state": job.state,
            "steps": job.steps,
            "kinds": sorted(set(kinds)),
            "loss": job.result.measures["loss"]["10"],
            "paramsSha256": job.params_sha256,
            "thetaSha256": hashlib.sha256(theta).hexdigest(),
            "shapes": {name: list(tensor.shape) for name, tensor in parameters.items()},
            "stateShapes": {name: list(tensor.shape) for name, tensor in state.items()},
            "isKept": kept == [model.id],
            "prediction": float(predictions.outputs[0, 0]),
            "byReflection": by_reflection(address, job.id),
            "html": job._repr_html_(),
            "dropped": refusal(lambda: model.predict([4])),
            "badSpec": refusal(lambda: client.submit({"nam": "x"})),
            "unknown": refusal(lambda: client.job("nope")),
            "badTargets": refusal(lambda: job.adapt(np.ones(3), [1, 2])),
            "listed": [one.id for one in client.jobs()] == [job.id],
            "workers": len(client.workers()),
        }


print(json.dumps(main(*sys.argv[1:])))
