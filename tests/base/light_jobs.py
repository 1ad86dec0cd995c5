"""A job for the tests of workers that imports nothing itself."""

import sys


def has_torch(job, report):
    return "torch" in sys.modules
