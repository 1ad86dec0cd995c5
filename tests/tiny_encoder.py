"""An encoder as another package would offer it: of a few filters, with dropout, and with weights that it brings."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from incmask.nets.encoders.encoder import Weights
from incmask.nets.encoders.pyramid import GROUP

_FILE = "TINY_ENCODER_WEIGHTS"

METADATA = "Metadata-Version: 2.1\nName: tiny-encoder\nVersion: 1.5\n"


class TinyEncoder(nn.Module):
    channels = (4, 4, 6, 6, 8)
    mean = (0.5, 0.4, 0.3)
    std = (0.2, 0.25, 0.5)

    def __init__(self) -> None:
        super().__init__()
        sides = pairwise((3, *self.channels))
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.Dropout(0.1)) for a, b in sides
        )

    def weights(self) -> Weights | None:
        return Weights(Path(os.environ[_FILE]), "a package of tests", "CC0-1.0") if _FILE in os.environ else None

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            x = functional.relu(stage(x))
            maps.append(x)
        return maps


def plug_in(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Write what pip would of such a package, and weights of the encoder; give these."""
    about = folder / "tiny_encoder-1.5.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(METADATA)
    (about / "entry_points.txt").write_text(f"[{GROUP}]\ntiny = tiny_encoder:TinyEncoder\ngone = tiny_encoder:Gone\n")
    with torch.random.fork_rng():
        torch.manual_seed(11)
        save_file(TinyEncoder().state_dict(), folder / "tiny.safetensors")
    patch.setenv(_FILE, str(folder / "tiny.safetensors"))
    return folder / "tiny.safetensors"
