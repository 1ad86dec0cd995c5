"""Jobs for the tests of workers, which import them by name: those that need networks or this program."""

import os

import torch

from incmask.base.errors import fail


def facts(job, report):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
    return {
        "process": os.getpid(),
        "torch_threads": torch.get_num_threads(),
        "environment": {name: os.environ.get(name) for name in names},
    }


def mistake(job, report):
    raise fail(job, "is no image", "remove it")


def take_memory(job, report):
    if job == "torch":
        torch.empty(1 << 55, dtype=torch.uint8)
    raise MemoryError


def divide(job, report):
    return 1 / job
