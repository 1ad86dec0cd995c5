"""Jobs for the tests of workers, which import them by name."""

import logging
import os
import signal
import time

import torch

from incmask.base.errors import fail


def square(job, report):
    report(job)
    report(1)
    return job * job


def facts(job, report):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
    return {
        "process": os.getpid(),
        "torch_threads": torch.get_num_threads(),
        "environment": {name: os.environ.get(name) for name in names},
    }


def log(job, report):
    logging.getLogger("incmask.anything").warning("%d%% are done", job)
    report(job)


def mistake(job, report):
    raise fail(job, "is no image", "remove it")


def take_memory(job, report):
    if job == "torch":
        torch.empty(1 << 55, dtype=torch.uint8)
    raise MemoryError


def divide(job, report):
    return 1 / job


def kill_itself(job, report):
    os.kill(os.getpid(), signal.SIGKILL)


def tell_and_wait(job, report):
    """Write the process into the output that it has of its parent; if it wakes, that, too."""
    os.write(1, f"{os.getpid()}\n".encode())
    time.sleep(60)
    os.write(1, b"woke up")
