"""What a run's networks begin with where they stand on an encoder: found on this machine, kept in the run folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from incmask.base.bounds import UNET
from incmask.base.caller import option
from incmask.base.config import Settings
from incmask.base.errors import fail
from incmask.base.intact import hash_file
from incmask.base.store import Store
from incmask.experiment.paths import ENCODER
from incmask.method.recipe import Recipe
from incmask.nets.encoders.named import architecture_of, check_network, read_encoder, weights_of
from incmask.nets.encoders.network import CHANNELS
from incmask.nets.spec import save_encoder


@dataclass(frozen=True)
class Pretrained:
    """The weights that a run's encoders begin with.

    Attributes:
        net: the networks.
        source: the file that holds them; None: they are drawn anew.
        origin, licence: of them, in a few words.
        sha256: of the file's content; "" where there is none.
    """

    net: str
    source: Path | None
    origin: str
    licence: str
    sha256: str

    @property
    def packages(self) -> tuple[str, ...]:
        """Those that the networks come from, as far as they are installed."""
        return tuple(filter(_is_installed, architecture_of(self.net).packages))

    def describe(self) -> dict[str, Any]:
        """Describe them for ``run.toml``, so that other weights are noticed."""
        return {"origin": self.origin, "licence": self.licence, "sha256": self.sha256}


def find_pretrained(data: Path, settings: Settings, *, channels: int) -> Pretrained:
    """Find the weights for a run's encoders, and try the network that they are for.

    Args:
        data: the data folder; a file of weights may be named from there.
        settings: of the run.
        channels: of its images.

    Raises:
        IncmaskError: the images have other channels, a package lacks, or the weights are not on this machine or are
            those of another encoder.
    """
    net, given = settings.net, settings.encoder_weights
    if channels not in CHANNELS:
        raise fail(
            option("net", net),
            f"takes images of {' or '.join(map(str, CHANNELS))} channels, these have {channels}",
            "leave it out: the default network takes any number",
        )
    check_network(net)
    beside = data / given
    found = weights_of(net, str(beside) if beside.is_file() and not Path(given).is_file() else given)
    if found is None:
        return Pretrained(net, None, "drawn anew", "", "")
    # Now, since what is wrong with the file should be told before anything is trained.
    read_encoder(net, found.path)
    return Pretrained(net, found.path, found.origin, found.licence, hash_file(found.path))


def told_of(pretrained: Pretrained, recipe: Recipe, *, channels: int) -> Iterator[str]:
    """Say what a person should know of networks on an encoder."""
    licence = f" (licence: {pretrained.licence})" if pretrained.source else ""
    yield f"networks {pretrained.net}; the encoder's weights: {pretrained.origin}{licence}"
    if recipe.width == "growing":
        yield f"networks of {pretrained.net} are as wide as they are: of what grows by generation, augmentation does"
    if channels == 1:
        yield "the encoder knows images in colour: grey ones stand for all three"


def write_pretrained(pretrained: Pretrained | None, store: Store, *, sources: Sequence[Path]) -> Path | None:
    """Keep the weights in the run folder, under the encoder's names, where all trainings take them from.

    Args:
        pretrained: which; None, or drawn anew: there is nothing to keep.
        store: of the run.
        sources: folders of other runs with the same weights.

    Returns:
        The file; None: there is none.
    """
    if pretrained is None or pretrained.source is None:
        return None
    path = store.root / ENCODER
    if not store.has(path):
        theirs = next((each / ENCODER for each in sources if (each / ENCODER).is_file()), None)
        if theirs is not None:
            store.adopt({theirs: path})
        else:
            tensors = read_encoder(pretrained.net, pretrained.source)
            save_encoder(path, tensors, net=pretrained.net, origin=pretrained.origin, licence=pretrained.licence)
            store.record(path)
    return path


def encoder_again(run: Path, settings: Settings) -> dict[str, object]:
    """Give what lets another run begin with the weights of this one.

    Args:
        run: its folder.
        settings: of it.
    """
    if settings.net == UNET:
        return {}
    path = (run / ENCODER).absolute()
    return {"encoder_weights": str(path) if path.is_file() else "none"}


def _is_installed(package: str) -> bool:
    try:
        return bool(distribution(package))
    except PackageNotFoundError:
        return False
