"""Networks described, built, saved and loaded: safetensors with the description inside."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from safetensors.numpy import save
from torch import Tensor, nn

from incmask.base.caller import command
from incmask.base.errors import fail
from incmask.base.files import write_bytes
from incmask.nets.evalnet import EvalNet, HeadWeights
from incmask.nets.unet import UNet, undrawn


@dataclass(frozen=True)
class NetworkSpec:
    """What it takes to build a network.

    Attributes:
        in_channels: channels of the image.
        out_channels: logits a pixel.
        width: width factor.
        batch_norm_momentum: in Keras's meaning.
    """

    in_channels: int
    out_channels: int
    width: float
    batch_norm_momentum: float = 0.99

    @property
    def input_channels(self) -> tuple[int, ...]:
        """Channels of each input."""
        return (self.in_channels,)

    def build(self, *, seed: int = 0) -> nn.Module:
        """Make the network with weights drawn from ``seed``; the global generator stays as it was."""
        return _build(UNet, self, seed=seed)


@dataclass(frozen=True)
class EvalNetSpec:
    """What it takes to build a network that rates masks.

    Attributes:
        image_channels, mask_channels: of its two inputs.
        num_outputs: ratings an image.
        width: width factor.
        batch_norm_momentum: in Keras's meaning.
        head: how the last layer's weights are drawn.
    """

    image_channels: int
    mask_channels: int
    num_outputs: int
    width: float
    batch_norm_momentum: float = 0.99
    head: HeadWeights = "he_normal"

    @property
    def input_channels(self) -> tuple[int, ...]:
        """Channels of each input."""
        return self.image_channels, self.mask_channels

    def build(self, *, seed: int = 0) -> nn.Module:
        """Make the network with weights drawn from ``seed``; the global generator stays as it was."""
        return _build(EvalNet, self, seed=seed)


Spec = NetworkSpec | EvalNetSpec

_KINDS: dict[str, type[Spec]] = {"network": NetworkSpec, "evalnet": EvalNetSpec}
"""By the word that stands before a description in a file."""


def _build(kind: type[UNet] | type[EvalNet], spec: Spec, *, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed the generators of GPUs, too, which do not stay as they were.
        torch.default_generator.manual_seed(seed)
        network = kind(**dataclasses.asdict(spec))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_model(path: Path, state: Mapping[str, Tensor], spec: Spec) -> None:
    """Write weights and description to one safetensors file, whole or not at all."""
    kind = next(name for name, known in _KINDS.items() if isinstance(spec, known))
    save_tensors(path, state, {kind: dataclasses.asdict(spec)})


def load_model(path: Path) -> nn.Module:
    """Read a network in evaluation mode.

    Raises:
        IncmaskError: the file is missing, truncated or holds something else.
    """
    state, about = load_tensors(path)
    try:
        ((kind, description),) = about.items()
        with undrawn():
            network = _KINDS[kind](**description).build()
        network.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise fail(path, "is no model of this program", f"name a model folder that {command('run')} wrote") from error
    return network.eval()


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, object]) -> None:
    """Write tensors and a JSON description to one safetensors file, whole or not at all."""
    # As arrays, which safetensors writes in a third of the time that it takes for tensors.
    flat = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    # As bytes first: safetensors' own writing tells a full disk by an error of its own.
    write_bytes(path, save(flat, metadata={"about": json.dumps(about)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Read what ``save_tensors`` wrote.

    Raises:
        IncmaskError: the file is missing, truncated or holds something else.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as handle:
            about = json.loads((handle.metadata() or {})["about"])
            return {name: handle.get_tensor(name) for name in handle.keys()}, about  # noqa: SIM118 - no mapping
    except (OSError, KeyError, ValueError, safetensors.SafetensorError) as error:
        raise fail(path, f"cannot be read ({error})", "restore the file, or remove it and run again") from error
