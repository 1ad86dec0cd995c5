"""Where networks run, and with how many bits."""

import os
from contextlib import AbstractContextManager
from typing import Literal

import torch

from incmask.base.caller import option
from incmask.base.caller import settings as settings_of
from incmask.base.config import Settings
from incmask.base.errors import fail


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
        raise fail("setting device", f"{name!r} is not there (found: {found})", f"use {settings_of(device='auto')}")
    return torch.device(name)


def device_of(settings: Settings) -> torch.device:
    """Find the device of a run's settings, and let a GPU compute the same bits each time where that is asked for.

    Raises:
        IncmaskError: the device that was asked for is not there.
    """
    device = resolve_device(settings.device)
    if settings.deterministic and device.type == "cuda":
        # Read when the process first multiplies matrices there.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    return device


def devices_named(told: str) -> tuple[int, ...]:
    """Understand which GPUs of this machine are meant: "all", or their numbers with commas between.

    Raises:
        IncmaskError: there are none, one is not there, or is named twice.
    """
    where, num = option("devices", told), num_gpus()
    if not num:
        raise fail(where, "torch finds no GPU of CUDA here", f"leave it out, or use {settings_of(device='auto')}")
    if told == "all":
        return tuple(range(num))
    words = [word.strip() for word in told.split(",")]
    if not all(word.isdecimal() and int(word) < num for word in words) or len({*map(int, words)}) < len(words):
        raise fail(where, f"expected numbers of GPUs from 0 to {num - 1}, each once", f"use {option('devices', 'all')}")
    return tuple(map(int, words))


def num_gpus() -> int:
    """Count the GPUs of CUDA that this process may use."""
    return torch.cuda.device_count()


def free_bytes(device: torch.device) -> int | None:
    """Memory of a GPU that can still be taken; None for a CPU, whose memory is the machine's."""
    if device.type == "cuda":
        # What torch keeps for later is free to it.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return None


def fast_in_bfloat16(device: torch.device) -> bool:
    """True where bfloat16 is computed in hardware; elsewhere it is many times slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def autocast(device: torch.device, precision: Literal["auto", "float32", "bfloat16"]) -> AbstractContextManager[object]:
    """Give the context in which networks are called."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=computes_in_bfloat16(device, precision))


def computes_in_bfloat16(device: torch.device, precision: str) -> bool:
    """Tell whether networks are called in bfloat16; ``auto`` does where that is fast."""
    return precision == "bfloat16" or (precision == "auto" and fast_in_bfloat16(device))
