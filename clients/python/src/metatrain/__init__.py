"""Python client of MetaTrain.

    import metatrain

    client = metatrain.Client("127.0.0.1:7420")
    job = client.submit("examples/linear.yaml")
    job.wait()
    model = job.adapt([1, 2, 3], [2, 4, 6])
    model.predict([4]).outputs
"""

from .client import Client
from .errors import MetatrainError
from .job import Event, Evaluation, Job, Progress
from .model import AdaptedModel, Predictions

__all__ = ["AdaptedModel", "Client", "Evaluation", "Event", "Job", "MetatrainError", "Predictions", "Progress"]
__version__ = "0.1.0"
