"""What is tried at night alone: cases of a kind of which others are tried each time."""

import os

import pytest

AT_NIGHT = pytest.mark.skipif("INCMASK_NIGHTLY" not in os.environ, reason="INCMASK_NIGHTLY=1 tries every case")
NIGHTLY = (pytest.mark.slow, AT_NIGHT)
"""Of a parameter."""
