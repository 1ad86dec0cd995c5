"""Networks described, built, saved and loaded: safetensors with the description inside."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import torch
from safetensors.numpy import save
from torch import Tensor, nn

from incmask.base.caller import command
from incmask.base.errors import fail
from incmask.base.files import write_bytes
from incmask.base.intact import GONE, cannot_read, intact
from incmask.base.parse import parse_json
from incmask.nets.encoders.named import architecture_of
from incmask.nets.encoders.network import EncoderNet
from incmask.nets.evalnet import EvalNet, HeadWeights
from incmask.nets.sheets import RowUNet, SheetEvalNet, SheetUNet
from incmask.nets.unet import Pooling, UNet, VolumeNorm, undrawn

Read = TypeVar("Read")


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
        return _drawn(lambda: UNet(**dataclasses.asdict(self)), seed=seed)


@dataclass(frozen=True)
class VolumeSpec:
    """What it takes to build a network of volumes, which travel as sheets.

    Attributes:
        in_channels, out_channels, width, batch_norm_momentum: as of ``NetworkSpec``.
        depth: slices of a sheet.
        poolings: by how much each level shrinks each axis, as for ``UNet``.
        volume_norm: as for ``UNet``.
    """

    in_channels: int
    out_channels: int
    width: float
    depth: int
    poolings: tuple[Pooling, ...]
    batch_norm_momentum: float = 0.99
    volume_norm: VolumeNorm = "batch"

    def __post_init__(self) -> None:
        # Files have lists.
        object.__setattr__(self, "poolings", tuple(tuple(factors) for factors in self.poolings))

    @property
    def input_channels(self) -> tuple[int, ...]:
        """Channels of each input."""
        return (self.in_channels,)

    def build(self, *, seed: int = 0) -> nn.Module:
        """Make the network with weights drawn from ``seed``; the global generator stays as it was."""
        return _drawn(lambda: SheetUNet(**dataclasses.asdict(self)), seed=seed, layout=torch.channels_last_3d)


@dataclass(frozen=True)
class SignalSpec(NetworkSpec):
    """What it takes to build a network of signals, which travel as images of one row; as ``NetworkSpec``."""

    def build(self, *, seed: int = 0) -> nn.Module:
        """Make the network with weights drawn from ``seed``; the global generator stays as it was."""
        return _drawn(lambda: RowUNet(**dataclasses.asdict(self)), seed=seed)


@dataclass(frozen=True)
class EncoderSpec:
    """What it takes to build a network on an encoder.

    Attributes:
        net: its name, as ``--net`` takes it.
        in_channels: channels of the image, 1 or 3.
        out_channels: logits a pixel.
        batch_norm_momentum: in Keras's meaning.
        frozen: the encoder stays as it is.
        origin, licence: of the weights that the encoder began with.
    """

    net: str
    in_channels: int
    out_channels: int
    batch_norm_momentum: float = 0.99
    frozen: bool = False
    origin: str = ""
    licence: str = ""

    @property
    def input_channels(self) -> tuple[int, ...]:
        """Channels of each input."""
        return (self.in_channels,)

    def build(self, *, seed: int = 0) -> nn.Module:
        """Make the network with weights drawn from ``seed``, the encoder's too; see ``begin_with``.

        Raises:
            IncmaskError: a package of the encoder lacks.
        """
        return _drawn(self._made, seed=seed)

    def _made(self) -> EncoderNet:
        return EncoderNet(
            architecture_of(self.net).build(self.out_channels),
            in_channels=self.in_channels,
            momentum=1 - self.batch_norm_momentum,
            frozen=self.frozen,
        )


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
        return _drawn(lambda: EvalNet(**dataclasses.asdict(self)), seed=seed)


@dataclass(frozen=True, kw_only=True)
class VolumeEvalNetSpec(EvalNetSpec):
    """What it takes to build a network that rates masks of volumes, which travel as sheets; else as ``EvalNetSpec``.

    Attributes:
        depth: slices of a sheet.
        poolings: by how much each of the six shrinks each axis, as for ``EvalNet``.
    """

    depth: int
    poolings: tuple[Pooling, ...]

    def __post_init__(self) -> None:
        # Files have lists.
        object.__setattr__(self, "poolings", tuple(tuple(factors) for factors in self.poolings))

    def build(self, *, seed: int = 0) -> nn.Module:
        """Make the network with weights drawn from ``seed``; the global generator stays as it was."""
        return _drawn(lambda: SheetEvalNet(**dataclasses.asdict(self)), seed=seed, layout=torch.channels_last_3d)


SegmentationSpec = NetworkSpec | VolumeSpec | EncoderSpec
Spec = SegmentationSpec | EvalNetSpec

_KINDS: dict[str, type[Spec]] = {
    "network": NetworkSpec,
    "signal": SignalSpec,
    "volume": VolumeSpec,
    "encoder": EncoderSpec,
    "evalnet": EvalNetSpec,
    "volume-evalnet": VolumeEvalNetSpec,
}
"""By the word that stands before a description in a file."""


def _drawn(make: Callable[[], nn.Module], *, seed: int, layout: torch.memory_format = torch.channels_last) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed the generators of GPUs, too, which do not stay as they were.
        torch.default_generator.manual_seed(seed)
        network = make()
    return network.to(memory_format=layout)  # type: ignore[call-overload]


def save_model(path: Path, state: Mapping[str, Tensor], spec: Spec) -> None:
    """Write weights and description to one safetensors file, whole or not at all."""
    kind = next(name for name, known in _KINDS.items() if type(spec) is known)
    save_tensors(path, state, {kind: dataclasses.asdict(spec)})


def load_model(path: Path) -> nn.Module:
    """Read a network in evaluation mode.

    Raises:
        IncmaskError: the file is missing, truncated or holds something else.
    """
    state, about = load_tensors(path)
    spec = _spec_from(about, path)
    try:
        # Before memory is taken for what a file merely says.
        if _shapes_of(spec) != {name: tuple(value.shape) for name, value in state.items()}:
            raise _no_model(path)
        with undrawn():
            network = spec.build()
        network.load_state_dict(state)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _no_model(path) from error
    return network.eval()


def read_spec(path: Path) -> Spec:
    """Read what a model's file says of its network, without its weights; raises as ``load_model`` does."""
    return _spec_from(_read(path, _about), path)


def begin_with(network: nn.Module, path: Path) -> None:
    """Give the encoder of a network the weights of a file that ``save_encoder`` wrote.

    Raises:
        IncmaskError: the file is missing, damaged or of another encoder.
    """
    assert isinstance(network, EncoderNet)
    tensors, _ = load_tensors(path)
    try:
        network.encoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise fail(path, "holds the weights of another encoder", "restore it, or run again in a new folder") from error


def save_encoder(path: Path, tensors: Mapping[str, Tensor], *, net: str, origin: str, licence: str) -> None:
    """Write an encoder's weights and where they come from to one safetensors file, whole or not at all."""
    save_tensors(path, tensors, {"net": net, "origin": origin, "licence": licence})


def _spec_from(about: Mapping[str, Any], path: Path) -> Spec:
    try:
        ((kind, description),) = about.items()
        return _KINDS[kind](**description)
    except (KeyError, TypeError, ValueError) as error:
        raise _no_model(path) from error


def _no_model(path: Path) -> Exception:
    return fail(path, "is no model of this program", f"name a model folder that {command('run')} wrote")


@lru_cache
def _shapes_of(spec: Spec) -> dict[str, tuple[int, ...]]:
    """Give the shapes of a network's weights by name, without taking memory for these."""
    with torch.device("meta"), undrawn():
        return {name: tuple(value.shape) for name, value in spec.build().state_dict().items()}


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, object]) -> None:
    """Write tensors and a JSON description to one safetensors file, whole or not at all."""
    flat = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    # As bytes first: safetensors' own writing tells a full disk by an error of its own.
    write_bytes(path, save(flat, metadata={"about": json.dumps(about)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``save_tensors`` wrote.

    Raises:
        IncmaskError: the file is missing, truncated or holds something else.
    """
    return _read(path, lambda file: (_tensors(file), _about(file)))


def _read(path: Path, take: Callable[[Any], Read]) -> Read:
    try:
        # As arrays, which is several times as quick as for tensors, here and in ``save_tensors``.
        with safetensors.safe_open(intact(path, whole=True), framework="np") as file:
            return take(file)
    except (*GONE, KeyError, ValueError, safetensors.SafetensorError) as error:
        raise fail(path, f"cannot be read ({error})", "restore the file, or remove it and run again") from error
    except OSError as error:
        raise cannot_read(path, error) from error


def _tensors(file: Any) -> dict[str, Tensor]:
    return {name: torch.from_numpy(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 - no mapping


def _about(file: Any) -> dict[str, Any]:
    about: dict[str, Any] = parse_json((file.metadata() or {})["about"])
    return about
