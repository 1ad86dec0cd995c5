"""Jobs for the tests of workers that need nothing which is slow to import."""

import logging
import os
import signal
import sys
import time

from incmask.base.caller import option
from incmask.base.described import callable_by_job
from incmask.base.errors import fail


def has_torch(job, report):
    return "torch" in sys.modules


@callable_by_job
def square(job, report):
    report(job)
    report(1)
    return job * job


def say_device(job, report):
    """Give process and GPU, once the other worker has had time to take a job."""
    time.sleep(job)
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")


def say_option(job, report):
    return option("top", job)


def log(job, report):
    logging.getLogger("incmask.anything").warning("%d%% are done", job)
    report(job)


def kill_itself(job, report):
    os.kill(os.getpid(), signal.SIGKILL)


def tell_and_wait(job, report):
    """Write the process into the output that it has of its parent; if it wakes, that, too."""
    os.write(1, f"{os.getpid()}\n".encode())
    time.sleep(60)
    os.write(1, b"woke up")


@callable_by_job
def kill_once(job, report):
    """End the worker, the first time."""
    if not job.exists():
        job.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    report(1)
    return "done"


@callable_by_job
def refuse(job, report):
    raise fail(job, "is no image", "remove it")


@callable_by_job
def divide(job, report):
    return 1 / job
