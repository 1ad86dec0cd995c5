"""Jobs for the tests of workers that need nothing which is slow to import."""

import logging
import os
import signal
import sys
import time

from incmask.base.caller import option


def has_torch(job, report):
    return "torch" in sys.modules


def square(job, report):
    report(job)
    report(1)
    return job * job


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
