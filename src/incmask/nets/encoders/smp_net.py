"""Networks of segmentation-models-pytorch: its encoders with its decoders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from incmask.base.caller import option
from incmask.base.errors import fail
from incmask.nets.encoders.encoder import IMAGENET_MEAN, IMAGENET_STD, Parts, Weights
from incmask.nets.encoders.packages import in_cache, load_package
from incmask.nets.encoders.timm_net import TimmNet
from incmask.nets.encoders.weights import under_names

_OF_TIMM = "tu-"


@dataclass(frozen=True)
class SmpNet:
    """A network by the names of its architecture and encoder: see ``Architecture``."""

    architecture: str
    encoder: str

    packages = ("segmentation-models-pytorch", "timm")

    @property
    def how_to_get(self) -> str:
        """See ``Architecture``."""
        if self._timm:
            return self._timm.how_to_get
        made = f"smp.encoders.get_encoder('{self.encoder}', weights='{self._first_weights()}')"
        return f"""python -c "import segmentation_models_pytorch as smp; {made}" fetches them once"""

    def build(self, num_outputs: int) -> Parts:
        """See ``Architecture``."""
        try:
            made = self._smp().create_model(self.architecture, self.encoder, encoder_weights=None, classes=num_outputs)
        except (KeyError, ValueError, RuntimeError, TypeError, AssertionError) as error:
            reason = str(error).strip("'\"").partition("\n")[0]
            raise fail(
                self._where, f"cannot be made ({reason})", "name one of its architectures and encoders"
            ) from error
        about: Any = self._timm.about() if self._timm else None
        mean, std = getattr(about, "mean", IMAGENET_MEAN), getattr(about, "std", IMAGENET_STD)
        return Parts(made.encoder, _Decoder(made.decoder, made.segmentation_head), tuple(mean), tuple(std))

    def weights(self) -> Weights | None:
        """See ``Architecture``."""
        if self._timm:
            return self._timm.weights()
        known = self._known()
        name = self._first_weights()
        if name not in known:
            return None
        repository, revision = known[name]["repo_id"], known[name]["revision"]
        path = in_cache(repository, revision=revision)
        if path is None:
            return None
        return Weights(path, f"segmentation-models-pytorch, {repository}", "not stated; see its page on the hub")

    def fitted(self, encoder: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """See ``Architecture``."""
        if self._timm:
            return self._timm.fitted(encoder, tensors, path, prefix="model.")
        return under_names(tensors, encoder.state_dict(), path)

    @property
    def _timm(self) -> TimmNet | None:
        """timm's encoder, where smp takes one of them."""
        name = self.encoder
        return TimmNet(name.removeprefix(_OF_TIMM)) if name.startswith(_OF_TIMM) else None

    @property
    def _where(self) -> str:
        return option("net", f"smp:{self.architecture}/{self.encoder}")

    def _smp(self) -> Any:
        return load_package("segmentation_models_pytorch", where=self._where)

    def _known(self) -> Mapping[str, Any]:
        """Give the weights that there are of the encoder, by their names."""
        known: Mapping[str, Any] = self._smp().encoders.encoders.get(self.encoder, {}).get("pretrained_settings", {})
        return known

    def _first_weights(self) -> str:
        return next(iter(self._known()), "imagenet")


class _Decoder(nn.Module):
    """smp's decoder and head as one; the size of the image follows from its maps."""

    def __init__(self, decoder: nn.Module, head: nn.Module):
        super().__init__()
        self.decoder, self.head = decoder, head

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        logits: Tensor = self.head(self.decoder(maps))
        return logits
