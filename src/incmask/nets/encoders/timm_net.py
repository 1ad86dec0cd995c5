"""Networks of an encoder of timm and our decoder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from incmask.base.caller import option
from incmask.base.errors import IncmaskError, fail
from incmask.nets.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD, Parts, Weights
from incmask.nets.encoders.network import UNetDecoder
from incmask.nets.encoders.packages import in_cache, load_package
from incmask.nets.encoders.weights import under_names


@dataclass(frozen=True)
class TimmNet:
    """An encoder by timm's name, with our decoder: see ``Architecture``."""

    name: str

    packages = ("timm",)

    @property
    def how_to_get(self) -> str:
        """See ``Architecture``."""
        return f"""python -c "import timm; timm.create_model('{self.name}', pretrained=True)" fetches them once"""

    def build(self, num_outputs: int) -> Parts:
        """See ``Architecture``."""
        about, maps = self.about(), _Maps(self.features())
        mean, std = getattr(about, "mean", IMAGENET_MEAN), getattr(about, "std", IMAGENET_STD)
        return Parts(maps, UNetDecoder(maps.channels, num_outputs), tuple(mean), tuple(std))

    def weights(self) -> Weights | None:
        """See ``Architecture``."""
        about = self.about()
        if about is None or not about.hf_hub_id:
            return None
        path = in_cache(about.hf_hub_id)
        return None if path is None else Weights(path, f"timm, {about.hf_hub_id}", about.license or "not stated")

    def fitted(
        self, encoder: nn.Module, tensors: Mapping[str, Tensor], path: Path, *, prefix: str = "net."
    ) -> dict[str, Tensor]:
        """See ``Architecture``; ``prefix`` stands before timm's names in the encoder."""
        wanted = encoder.state_dict()
        try:
            return under_names(tensors, wanted, path)
        except IncmaskError:
            converted = self._converted(tensors)
            if converted is None:
                raise
            return under_names({prefix + name: tensor for name, tensor in converted.items()}, wanted, path)

    def about(self) -> Any:
        """Give what timm knows of the weights; None: there are none."""
        timm = self._timm()
        known = timm.is_model(self.name)
        if not known:
            near = timm.list_models(f"*{self.name.partition('.')[0]}*")[:3]
            remedy = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() gives all names"
            raise fail(self._where, f"timm has no model {self.name!r}", remedy)
        return timm.get_pretrained_cfg(self.name)

    def features(self, **options: Any) -> Any:
        """Make timm's encoder, with weights drawn anew unless options say otherwise."""
        try:
            return self._timm().create_model(self.name, features_only=True, **{"pretrained": False} | options)
        except (RuntimeError, AssertionError, TypeError, AttributeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise fail(
                self._where, f"gives no feature maps ({reason})", "choose a model with maps of several sizes"
            ) from error

    def _converted(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """Give the tensors of a file of a whole model under the encoder's names, as timm does; None: it cannot."""
        overlay = {"state_dict": dict(tensors), "source": ""}
        made = []
        for seed in (0, 1):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                try:
                    made.append(self.features(pretrained=True, pretrained_cfg_overlay=overlay).state_dict())
                except IncmaskError:
                    return None
        # timm leaves what it does not find as it was drawn.
        first, second = made
        return first if all(torch.equal(tensor, second[name]) for name, tensor in first.items()) else None

    @property
    def _where(self) -> str:
        return option("net", f"timm:{self.name}")

    def _timm(self) -> Any:
        return load_package("timm", where=self._where)


class _Maps(nn.Module):
    """timm's encoder with its maps channels first, whatever it computes in."""

    def __init__(self, net: Any):
        super().__init__()
        self.net = net
        self.channels: tuple[int, ...] = tuple(net.feature_info.channels())
        self._channels_last = "NHWC" in str(getattr(net, "output_fmt", ""))

    def forward(self, image: Tensor) -> Sequence[Tensor]:
        maps: Sequence[Tensor] = self.net(image)
        return [each.permute(0, 3, 1, 2) for each in maps] if self._channels_last else maps
