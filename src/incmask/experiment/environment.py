"""Where a run takes place: versions, machine and processor, on which its numbers may depend."""

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import torch

from incmask.base.device import resolve_device
from incmask.base.machine import num_cores

_PACKAGES = ("incmask", "torch", "numpy", "scipy", "opencv-python-headless", "pillow", "tifffile", "safetensors")


def environment_of(data: str | None = None, *, url: str | None = None, packages: Sequence[str] = ()) -> dict[str, Any]:
    """Tell where a run takes place.

    Args:
        data: path of the data folder from the run folder; None: it has none.
        url: that the data folder is a copy of; None: it is none.
        packages: that networks come from, beside those that all runs use.
    """
    return {
        **({} if data is None else {"data": data}),
        **({} if url is None else {"url": url}),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        # Kernels are chosen by it, and they sum in different orders.
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": num_cores(),
        "gpu": torch.cuda.get_device_name() if resolve_device("auto").type == "cuda" else "",
        "packages": {name: version(name) for name in (*_PACKAGES, *packages)},
    }


def environment(data: str | None = None, *, url: str | None = None, packages: Sequence[str] = ()) -> str:
    """Give the same for ``environment.json``."""
    return json.dumps(environment_of(data, url=url, packages=packages), indent=1)
