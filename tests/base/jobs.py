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
    time.sleep(0.05)
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


def sleep_after_note(job, report):
    with open(job, "a") as note:
        note.write(f"{os.getpid()} ")
    time.sleep(600)
