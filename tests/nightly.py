"""What is tried at night alone: cases of a kind of which others are tried each time."""

import os

import pytest

NIGHTLY = (
    pytest.mark.slow,
    pytest.mark.skipif("INCMASK_NIGHTLY" not in os.environ, reason="INCMASK_NIGHTLY=1 tries every case"),
)
