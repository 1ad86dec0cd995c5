"""Where networks run, and with how many bits."""

from contextlib import AbstractContextManager
from typing import Literal

import torch

from incmask.errors import fail


def resolve_device(name: Literal["auto", "cpu", "cuda", "mps"]) -> torch.device:
    """Find the device; ``auto`` takes a GPU where there is one.

    Raises:
        IncmaskError: the device that was asked for is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    if not there[name]:
        found = ", ".join(kind for kind, is_there in there.items() if is_there)
        raise fail("setting device", f"{name!r} is not there (found: {found})", "use --set device=auto")
    return torch.device(name)


def fast_in_bfloat16(device: torch.device) -> bool:
    """True where bfloat16 is computed in hardware; elsewhere it is many times slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def autocast(device: torch.device, precision: Literal["auto", "float32", "bfloat16"]) -> AbstractContextManager[object]:
    """The context in which networks are called."""
    enabled = precision == "bfloat16" or (precision == "auto" and fast_in_bfloat16(device))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)
