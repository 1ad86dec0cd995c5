"""The one way from images to probabilities, in chunks."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from incmask.base.config import Task
from incmask.base.device import autocast
from incmask.method.labels import labels_of


def image_tensor(images: np.ndarray, device: torch.device | None = None) -> Tensor:
    """Turn uint8 (N, H, W, C) into float32 (N, C, H, W) that lies channels last in memory; None: on the CPU."""
    # A slice of a read-only memory map has to be copied before torch takes it. Bytes are brought there, not floats.
    return as_floats(torch.from_numpy(np.require(images, requirements=["C", "W"])).to(device))


def as_floats(images: Tensor) -> Tensor:
    """Turn uint8 (N, H, W, C) into float32 (N, C, H, W) that lies channels last in memory, where it is."""
    return images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)


CHUNK, CHUNK_BYTES = 32, 64 * 2**20
"""Images a forward pass, and bytes of what comes out of it, at most."""


def chunk_images(num_outputs: int, shape: tuple[int, ...]) -> int:
    """Images a forward pass: fixed by what they are, so that results do not depend on how work is shared out.

    Args:
        num_outputs: numbers that come out for each pixel.
        shape: of images, (N, H, W, C).
    """
    return max(1, min(CHUNK, CHUNK_BYTES // (4 * num_outputs * shape[1] * shape[2])))


@torch.inference_mode()
def forward(
    networks: Sequence[nn.Module], images: np.ndarray, *, precision: Literal["auto", "float32", "bfloat16"]
) -> Tensor:
    """Logits of every network: float32, (n, N, C, H, W), on the networks' device.

    Args:
        networks: in evaluation mode, all on one device.
        images: uint8, (N, H, W, C).
        precision: of the computation.
    """
    device = next(networks[0].parameters()).device
    tensor = image_tensor(images, device)
    with autocast(device, precision):
        return torch.stack([network(tensor) for network in networks])


@torch.inference_mode()
def predict_probabilities(
    networks: Sequence[nn.Module],
    images: np.ndarray,
    *,
    task: Task,
    precision: Literal["auto", "float32", "bfloat16"],
) -> np.ndarray:
    """Probabilities of every network: float32, (n, N, C, H, W); else as ``forward``."""
    logits = forward(networks, images, precision=precision)
    return np.stack([labels_of(task).probabilities(each).cpu().numpy() for each in logits])
