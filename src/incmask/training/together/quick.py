"""How the networks of a group are run in training, where that can be done faster than layer by layer."""

import importlib
import importlib.util
from typing import cast

import torch
from torch import nn

from incmask.base.device import computes_in_bfloat16
from incmask.training.together.row import Group, NetworkRow


def has_kernels(device: torch.device, precision: str) -> bool:
    """Tell whether there are kernels of our own: on NVIDIA GPUs that compute in bfloat16, with that precision."""
    return _has_compiler(device) and computes_in_bfloat16(device, precision)


def quick(group: Group, device: torch.device, precision: str, *, is_recorded: bool) -> nn.Module:
    """Give what stands for ``group.network`` in training; that itself where there is nothing faster.

    Args:
        group: in training mode.
        device: where.
        precision: of the settings.
        is_recorded: whether each way forth is followed by its way back, so that both may be recorded.
    """
    if isinstance(group, NetworkRow):
        return group.network
    if has_kernels(device, precision):
        # Not at the top: that imports the compiler, which is there with a GPU alone.
        fused = importlib.import_module("incmask.training.together.kernels")
        network = fused.fuse(group, torch.bfloat16)
        return fused.Recorded(network) if is_recorded else network
    if _has_compiler(device):
        # Elementwise layers are fused into those beside them. What was compiled for earlier networks is forgotten,
        # since else it would count against the number of variants of this one.
        torch.compiler.reset()
        return cast(nn.Module, torch.compile(group.network, dynamic=False))
    return group.network


def compiler_errors() -> tuple[type[Exception], ...]:
    """Tell what a way that is not there for this GPU raises."""
    if importlib.util.find_spec("triton") is None:
        return (RuntimeError,)
    return (RuntimeError, importlib.import_module("triton.errors").TritonError)


def _has_compiler(device: torch.device) -> bool:
    if device.type != "cuda" or not importlib.util.find_spec("triton"):
        return False
    return torch.cuda.get_device_capability(device) >= (7, 0)
