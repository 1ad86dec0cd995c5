"""Networks on an encoder by the name that a person gives, such as ``timm:resnet18`` or ``smp:unet/resnet34``."""

from pathlib import Path

import torch
from torch import nn

from incmask.base.bounds import ENCODER_STEP_PX
from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.nets.encoders.encoder import Architecture, Weights
from incmask.nets.encoders.network import EncoderNet
from incmask.nets.encoders.pyramid import pyramid_net
from incmask.nets.encoders.smp_net import SmpNet
from incmask.nets.encoders.timm_net import TimmNet
from incmask.nets.encoders.weights import read_weights, told_inside

_TIMM, _SMP = "timm:", "smp:"
OTHERS = ("timm:ENCODER", "smp:ARCHITECTURE/ENCODER")
"""How networks of other packages are named."""


def architecture_of(net: str) -> Architecture:
    """Find what a name stands for; packages are not imported yet.

    Raises:
        IncmaskError: there is no such kind.
    """
    if net.startswith(_TIMM):
        return TimmNet(net.removeprefix(_TIMM))
    if not net.startswith(_SMP):
        return pyramid_net(net, others=OTHERS)
    kind, slash, encoder = net.removeprefix(_SMP).partition("/")
    if not (kind and slash and encoder):
        raise fail(option("net"), f"{net!r} names no architecture and encoder", "for example smp:unet/resnet34")
    return SmpNet(kind, encoder)


def check_network(net: str) -> None:
    """Build a network and try it on an image.

    Raises:
        IncmaskError: a package lacks, there is no such network, or it gives no logits for each pixel.
    """
    network = EncoderNet(architecture_of(net).build(2), in_channels=3, momentum=0.1, frozen=True).eval()
    side, where = 2 * ENCODER_STEP_PX, option("net", net)
    try:
        with torch.inference_mode():
            shape = tuple(network(torch.zeros(1, 3, side, side)).shape)
    except Exception as error:  # whatever a stranger's code may raise
        reason = str(error).partition("\n")[0]
        raise fail(where, f"does not take images of {side}×{side} ({reason})", "choose another encoder") from error
    if shape != (1, 2, side, side):
        raise fail(where, f"gives {shape} for an image of {side}×{side}", "choose one that labels each pixel")


def weights_of(net: str, given: str) -> Weights | None:
    """Find the weights that an encoder begins with.

    Args:
        net: the network.
        given: a file; "auto": those on this machine, in the encoder's package or its cache; "none": drawn anew.

    Returns:
        None: drawn anew.

    Raises:
        IncmaskError: they are not on this machine.
    """
    if given == "none":
        return None
    if given != "auto":
        path = Path(given)
        origin, licence = told_inside(path) or (f"the file {path.name}", "not stated; see where the file comes from")
        return Weights(path, origin, licence)
    architecture = architecture_of(net)
    found = architecture.weights()
    if found is None or not found.path.is_file():
        raise fail(
            option("net", net),
            "the encoder's weights are not on this machine, and nothing is fetched unasked",
            f"{architecture.how_to_get}; or name a file, {option('encoder-weights', 'FILE')}, or begin anew, "
            f"{option('encoder-weights', 'none')}",
        )
    return found


def read_encoder(net: str, path: Path) -> dict[str, torch.Tensor]:
    """Read the weights of an encoder under its own names.

    Raises:
        IncmaskError: the file cannot be read, or is of another encoder.
    """
    architecture = architecture_of(net)
    encoder: nn.Module = architecture.build(1).encoder
    return architecture.fitted(encoder, read_weights(path), path)
