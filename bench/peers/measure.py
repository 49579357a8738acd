"""measure.py FOLDER PEER: computes a workload with one peer and answers on stdin/stdout, so that runs of different programs can take turns.

First a line with the loss and the lengths of its gradients; then, for every line read, as many seconds of runs and a line with milliseconds per task, and with the processor's milliseconds per task of all these runs together.
"""

import json
import os
import sys
import time

# A whole loop may use the machine as our cluster does; the others are compared with one compute thread.
if sys.argv[2] != "jax-loop":
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from workload import Workload  # noqa: E402


def make(peer: str, workload: Workload):
    if peer.startswith("torch"):
        import torch_maml as module

        makers = {
            "torch-eager": lambda: module.eager(workload),
            "torch-vmap": lambda: module.vmapped(workload, False),
            "torch-compile": lambda: module.vmapped(workload, True),
        }
    elif peer == "jax-loop":
        import jax_loop as module

        makers = {"jax-loop": lambda: module.looped(workload)}
    else:
        import jax_maml as module

        makers = {"jax-jit": lambda: module.jitted(workload, False), "jax-vmap": lambda: module.jitted(workload, True)}
    return module, makers[peer]


def main():
    workload = Workload(sys.argv[1])
    module, maker = make(sys.argv[2], workload)
    run, result, seconds = module.first_result(maker)
    loss, norms = module.loss_and_norms(result)
    print(json.dumps({"loss": loss, "gradientNorms": norms, "firstSeconds": seconds}), flush=True)
    run()
    for line in sys.stdin:
        until = time.perf_counter() + float(line)
        processor = time.process_time()
        times = []
        while time.perf_counter() < until or len(times) < 2:
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
        processor = (time.process_time() - processor) * 1000 / workload.tasks
        print(json.dumps({"milliseconds": [t * 1000 / workload.tasks for t in times], "processorMs": processor}), flush=True)


main()
