"""What an encoder is to offer, and what is known of the weights that it begins with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

Colour = tuple[float, float, float]

IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
IMAGENET_STD: Colour = (0.229, 0.224, 0.225)
"""Of the images of ImageNet, on a scale of 0 to 1."""


@dataclass(frozen=True)
class Weights:
    """A file of weights on this machine.

    Attributes:
        path: a safetensors file, or a dictionary of tensors that torch saved.
        origin: whose they are, in a few words.
        licence: under which they may be used, in a few words.
    """

    path: Path
    origin: str
    licence: str


class Encoder(Protocol):
    """A torch module that gives feature maps of an image, each of half the sides of the one before, down to a 32nd.

    ``forward`` takes standardised images (N, 3, H, W), H and W multiples of 32. One that comes with weights also has
    ``weights()``, which gives ``Weights``, or None where they are not there.

    Attributes:
        channels: of each map, the finest first.
        mean, std: of red, green and blue on a scale of 0 to 1, by which images are standardised.
    """

    channels: tuple[int, ...]
    mean: Colour
    std: Colour

    def __call__(self, image: Tensor) -> Sequence[Tensor]: ...


@dataclass(frozen=True)
class Parts:
    """What a network is put together from.

    Attributes:
        encoder: as ``Encoder``, but for its attributes.
        decoder: makes logits (N, outputs, h, w) from the maps of the encoder and the sides of the image.
        mean, std: as of ``Encoder``.
    """

    encoder: nn.Module
    decoder: nn.Module
    mean: Colour
    std: Colour


class Architecture(Protocol):
    """A kind of networks on an encoder.

    Attributes:
        packages: whose code it takes, by their names for pip.
        how_to_get: what a person does to have its weights on this machine.
    """

    @property
    def packages(self) -> tuple[str, ...]: ...

    @property
    def how_to_get(self) -> str: ...

    def build(self, num_outputs: int) -> Parts:
        """Make encoder and decoder with weights drawn anew.

        Raises:
            IncmaskError: a package lacks, or there is no such network.
        """
        ...

    def weights(self) -> Weights | None:
        """Find the encoder's weights on this machine; nothing is fetched."""
        ...

    def fitted(self, encoder: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """Give what a file holds under the encoder's own names.

        Raises:
            IncmaskError: the file is of another encoder.
        """
        ...
