"""The deliverable: some networks and all that it takes to predict images of any size with them."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import pydantic
import torch
from torch import nn

from incmask.batches import num_outputs
from incmask.config import Task
from incmask.data.dataset import ClassInfo
from incmask.data.tiles import TILE_OVERLAP_FRACTION, Window, blend_weight, cut, scale_image, windows
from incmask.device import resolve_device
from incmask.errors import fail
from incmask.files import whole_file, write_text
from incmask.labelling import combine
from incmask.models import load_model
from incmask.predict import chunk_images, forward, probabilities, to_label
from incmask.recipes import Vote

ABOUT = "model.json"
FORMAT = 1


@dataclass(frozen=True)
class Prediction:
    """What an ensemble makes of one image, at the image's own size.

    Attributes:
        label: uint8, (H, W) class ids, for binary 0/1; (H, W, K) 0/1 for multilabel.
        inconsistent: bool, (H, W): pixels on which the members disagree.
        probability: float32, (K, H, W), mean over the members; for multiclass it sums to 1 at most,
            the rest being the masked class.
    """

    label: np.ndarray
    inconsistent: np.ndarray
    probability: np.ndarray


@dataclass(frozen=True)
class About:
    """What an ensemble needs to know beside its weights.

    Attributes:
        task: what the outputs mean.
        classes: as in the data set that it was trained on.
        channels: channels of the network's input.
        intensity: the intensities that become 0 and 255 where images are not 8-bit; None: percentiles.
        size: height and width of the network's input.
        fit: images are scaled to that size, or cut into tiles of it.
        precision: of the computation.
        position_class: the multilabel class that marks the centres of objects; None where there is none.
    """

    task: Task
    classes: tuple[ClassInfo, ...]
    channels: int
    intensity: tuple[float, float] | None
    size: tuple[int, int]
    fit: Literal["resize", "tile"]
    precision: Literal["auto", "float32", "bfloat16"]
    position_class: str | None = None


_ABOUT = pydantic.TypeAdapter(About)
_MEMBERS = pydantic.TypeAdapter(Annotated[tuple[str, ...], pydantic.Field(min_length=1)])


class Ensemble:
    """Networks that predict together.

    Args:
        networks: two or more see where they disagree; one never does.
        about: everything else.
        device: where they run.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        about: About,
        *,
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    ):
        self.about = about
        self._networks = [network.to(resolve_device(device)).eval() for network in networks]

    @classmethod
    def load(cls, folder: Path, *, device: Literal["auto", "cpu", "cuda", "mps"] = "auto") -> "Ensemble":
        """Read a model folder, or the one in a run folder.

        Raises:
            IncmaskError: there is none, or a file of it is damaged.
        """
        folder = folder / "model" if (folder / "model" / ABOUT).exists() else folder
        try:
            content = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            about, members = _about_from(content), _MEMBERS.validate_python(content["members"])
        except (FileNotFoundError, NotADirectoryError):
            raise fail(folder, "holds no model", "name a run folder whose run has ended, or a model folder") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise fail(
                folder / ABOUT, f"cannot be read ({_in_a_line(error)})", "restore the file or run again"
            ) from error
        return cls([load_model(folder / Path(name).name) for name in members], about, device=device)

    def predict(self, images: Sequence[np.ndarray]) -> Iterator[Prediction]:
        """Predict images of any sizes.

        Args:
            images: uint8, (H, W, channels) each.
        """
        about = self.about
        for image in images:
            if image.ndim != 3 or image.shape[2] != about.channels or image.dtype != np.uint8 or not image.size:
                raise fail(
                    "predict(images)",
                    f"expected uint8 (H, W, {about.channels}), got {image.dtype} {image.shape}",
                    "convert the image first, for example with incmask.data.readers.to_network_range",
                )
        tiles: list[np.ndarray] = []
        places: list[list[Window | None]] = []
        for image in images:
            where: list[Window | None] = [None]
            if about.fit == "tile":
                where = list(windows(image.shape[:2], about.size, overlap_fraction=TILE_OVERLAP_FRACTION))
            places.append(where)
            tiles += [scale_image(image, about.size) if place is None else cut(image, place) for place in where]
        outputs = self._outputs(tiles)
        for image, where in zip(images, places, strict=True):
            members = _assemble([(place, next(outputs)) for place in where], image.shape[:2])
            yield self._prediction(members)

    def _outputs(self, tiles: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Members' probabilities of each tile: float32, (n, C, h, w)."""
        num = chunk_images(num_outputs(self.about.task, len(self.about.classes)), (len(tiles), *self.about.size))
        for first in range(0, len(tiles), num):
            logits = forward(self._networks, np.stack(tiles[first : first + num]), precision=self.about.precision)
            with torch.inference_mode():
                chunk = torch.stack([probabilities(each, self.about.task) for each in logits], 1).cpu().numpy()
            yield from chunk

    def _prediction(self, members: np.ndarray) -> Prediction:
        task, mean = self.about.task, members.mean(0)
        label = to_label(mean[None], task)[0]
        if len(members) == 1:
            inconsistent = np.zeros(mean.shape[1:], bool)
        else:
            inconsistent = combine(members[:, None], task=task, vote=Vote()).inconsistent[0]
        return Prediction(label, inconsistent, mean[1:] if task == "multiclass" else mean)


def save_ensemble(folder: Path, members: Sequence[Path], about: About, *, scores: dict[str, Any]) -> list[Path]:
    """Copy members' files to a model folder and write what belongs to them; return all paths."""
    paths = [folder / f"member-{number}.safetensors" for number in range(1, len(members) + 1)]
    for source, path in zip(members, paths, strict=True):
        with whole_file(path) as temporary:
            shutil.copyfile(source, temporary)
    content = {"format": FORMAT, "members": [path.name for path in paths], **asdict(about), "validation": scores}
    write_text(folder / ABOUT, json.dumps(content, indent=1, ensure_ascii=False))
    return [*paths, folder / ABOUT]


def _about_from(content: dict[str, Any]) -> About:
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']}, this version reads {FORMAT}")
    return _ABOUT.validate_python(content)


def _in_a_line(error: Exception) -> str:
    if not isinstance(error, pydantic.ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"


def _assemble(tiles: Sequence[tuple[Window | None, np.ndarray]], size: tuple[int, int]) -> np.ndarray:
    """Bring tiles' probabilities (n, C, h, w) to the image's size (n, C, H, W): scaled, or stitched
    with weights that fade towards each tile's rim."""
    place, first = tiles[0]
    height, width = size
    if place is None:
        planes = first.reshape(-1, *first.shape[2:])
        scaled = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in planes]
        return np.stack(scaled).reshape(*first.shape[:2], height, width)
    total = np.zeros((*first.shape[:2], height, width), np.float32)
    weights = np.zeros((height, width), np.float32)
    weight = blend_weight((place.height, place.width))
    for window, tile in tiles:
        assert window is not None
        inside = (slice(window.top, window.top + window.height), slice(window.left, window.left + window.width))
        rows, columns = weights[inside].shape
        total[..., *inside] += (tile * weight)[..., :rows, :columns]
        weights[inside] += weight[:rows, :columns]
    return total / weights
