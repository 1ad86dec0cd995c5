"""One page of a data folder: what was found, and the masks as they were understood, drawn over their images."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import cv2
import numpy as np
from PIL import Image

from incmask.base.config import IGNORED
from incmask.base.errors import IncmaskError, printable
from incmask.base.files import write_bytes
from incmask.base.intact import DamagedError
from incmask.base.words import counted
from incmask.data.dataset import Colour, Dataset, Item, Scheme
from incmask.data.doctor.finding import label_of
from incmask.data.images.readers import read_label, read_network_image
from incmask.experiment.checked import Checked
from incmask.insight.report.page import (
    Block,
    Fact,
    FactList,
    Figures,
    Gallery,
    Page,
    PageSection,
    Text,
    Thumbnail,
    percent,
)
from incmask.insight.report.picture import Drawing, as_rgb
from incmask.insight.report.render import render
from incmask.insight.report.run_page.thumbnails import SIDE_PX, to_jpeg
from incmask.insight.report.slices import slice_sheet
from incmask.method.labels import labels_of
from incmask.prediction.overlays import visible_colour

MOST_FOUND, MOST_OF_PART = 24, 18
"""Pictures of images that something was found about, and of each part."""

_LIMITS = ((None, None), (100, 12), (100, 4), (20, 0))
_FILLING, _LINE = 90, 255
"""How opaque masks are inside, and along their outlines."""
_NO_LABEL: Colour = (128, 128, 128)
_ROW_PX = 24


@dataclass(frozen=True)
class _Place:
    part: str
    item: Item

    @property
    def title(self) -> str:
        return printable(label_of(self.part, self.item))


def write_folder_page(path: Path, checked: Checked, *, name: str) -> None:
    """Write a page of a folder that was checked, whole or not at all.

    Args:
        path: of the file.
        checked: what is in it.
        name: of the folder.

    Raises:
        IncmaskError: it cannot be written, or the packages for reports are not installed.
    """
    write_bytes(path, render(folder_page(checked, name=name)))


def folder_page(checked: Checked, *, name: str) -> Page:
    """Make the page: findings, the legend, and pictures, those first that something was found about."""
    dataset = checked.dataset
    pictures = [] if dataset is None else list(_galleries(checked, dataset))
    sections = (
        PageSection("found", "What was found?", _found(checked)),
        PageSection("understood", "How was the folder understood?", _understood(checked)),
        PageSection("pictures", "Do the masks fit the images?", pictures),
    )
    return Page(f"Data folder {printable(name)}", sections, tuple(_summary(checked)), is_live=True, limits=_LIMITS)


def _summary(checked: Checked) -> Iterator[str]:
    num_warnings = sum(each.severity == "warning" for each in checked.findings)
    yield f"{counted(len(checked.problems), 'problem')}, {counted(num_warnings, 'warning')}."
    if checked.dataset is not None:
        yield ", ".join(f"{counted(len(items), 'image')} in {part}" for part, items in checked.dataset.parts()) + "."


def _found(checked: Checked) -> list[Block]:
    problems = [Text(f"Problem: {problem}", "warning") for problem in checked.problems]
    by_severity = [
        Text(f"{each.severity.capitalize()}: {each}", "warning" if each.severity == "warning" else "")
        for each in sorted(checked.findings, key=lambda each: each.severity != "warning")
    ]
    return [*problems, *by_severity] or [Text("Nothing that is wrong, and nothing that is suspicious.")]


def _understood(checked: Checked) -> list[Block]:
    facts = tuple(Fact(*map(printable, _named(line))) for line in checked.description)
    legend = () if checked.dataset is None else (_legend(checked.dataset),)
    return [FactList(facts), Figures(legend)]


def _named(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(": ")
    return (name, value) if colon else ("", line)


def _legend(dataset: Dataset) -> Drawing:
    """Draw a patch in the colour of each class, with its name."""
    entries = [(info.name, visible_colour(info.colour)) for info in Scheme(dataset.task, dataset.classes).foreground]
    if dataset.statistics.ignored_pixels:
        entries.append(("no label", _NO_LABEL))
    rows = "".join(_legend_row(place, *entry) for place, entry in enumerate(entries))
    width, height = 40 + 9 * max((len(name) for name, _ in entries), default=0), _ROW_PX * len(entries)
    alt = "Colours of the classes: " + ", ".join(f"{name} {_css(colour)}" for name, colour in entries)
    svg = (
        f'<svg role="img" aria-label="{escape(printable(alt), {chr(34): "&quot;"})}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">{rows}</svg>'
    )
    return Drawing("legend", "Colours of the classes", printable(alt), svg)


def _legend_row(place: int, name: str, colour: Colour) -> str:
    top = _ROW_PX * place
    patch = f'<rect x="0" y="{top + 4}" width="24" height="16" fill="{_css(colour)}" stroke="#000000"/>'
    text = f'<text x="32" y="{top + 17}" font-size="14" font-family="sans-serif">{escape(printable(name))}</text>'
    return patch + text


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _galleries(checked: Checked, dataset: Dataset) -> Iterator[Gallery]:
    places = {label_of(part, item): _Place(part, item) for part, items in dataset.parts() for item in items}
    found = _of_findings(checked, places)
    if found:
        yield _gallery("gallery-found", "Images that something was found about", [*found], len(found), dataset, found)
    for part, items in dataset.parts():
        others = [_Place(part, item) for item in items if places[label_of(part, item)] not in found]
        some = [others[place] for place in np.linspace(0, len(others) - 1, min(len(others), MOST_OF_PART)).astype(int)]
        yield _gallery(f"gallery-{part}", part, some, len(others), dataset, {})


def _of_findings(checked: Checked, places: Mapping[str, _Place]) -> dict[_Place, str]:
    """Give the images that findings name, the worst of each first, and what was found: of each finding some."""
    found: dict[_Place, str] = {}
    most_each = max(2, MOST_FOUND // max(1, len(checked.findings)))
    for finding in checked.findings:
        for file in finding.files[:most_each]:
            for name in [file] if file in places else file.split(" ~ "):
                if name in places and len(found) < MOST_FOUND:
                    found.setdefault(places[name], finding.kind.replace("_", " "))
    return found


def _gallery(
    name: str, title: str, shown: Sequence[_Place], num: int, dataset: Dataset, said: Mapping[_Place, str]
) -> Gallery:
    thumbnails = [thumbnail for place in shown if (thumbnail := _thumbnail(place, dataset, said.get(place, "")))]
    note = "" if len(shown) == num else f"{len(shown)} of {num:,}, evenly spread."
    return Gallery(name, title, "masks", tuple(thumbnails), note)


def _thumbnail(place: _Place, dataset: Dataset, said: str) -> Thumbnail | None:
    """Draw an image small, with its mask over it; None where a file is no image any more, or gone."""
    item = place.item
    try:
        image = read_network_image(item.image, channels=dataset.channels, intensity=dataset.intensity)
        label = None if item.masks is None else read_label(item, dataset)
    except DamagedError:
        raise
    except IncmaskError:
        return None
    if item.grid is not None:
        image = slice_sheet(image, item.grid.shape[0])
        label = None if label is None else slice_sheet(label, item.grid.shape[0])
    scale = SIDE_PX / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    small = np.asarray(_scaled(as_rgb(image), (height, width)), np.uint8)
    shares = "no mask" if label is None else _shares(label, dataset)
    text = "; ".join(
        part
        for part in (said, f"{item.width}×{item.height}" if item.grid is None else item.grid.told(), shares)
        if part
    )
    layer = b"" if label is None else mask_layer(label, dataset, (height, width))
    alt = f"{place.title}, with its mask drawn over it: {shares}" if layer else f"{place.title}: {shares}"
    return Thumbnail(place.title, printable(text), printable(alt), to_jpeg(small), width, height, layer)


def _shares(label: np.ndarray, dataset: Dataset) -> str:
    known = labels_of(dataset.task)
    classes = known.object_classes(len(dataset.classes))
    shares = {dataset.classes[number].name: float(known.class_pixels(label, number).mean()) for number in classes}
    shares["no label"] = float((label == IGNORED).mean())
    return ", ".join(f"{name} {percent(share)}" for name, share in shares.items() if share) or "background only"


def mask_layer(label: np.ndarray, dataset: Dataset, size: tuple[int, int]) -> bytes:
    """Draw a mask as a PNG in the classes' colours, clear where nothing is; of classes that overlap the last is seen.

    Args:
        label: uint8, (H, W) or (H, W, K), as ``read_label`` gives it.
        dataset: the classes and what the label means.
        size: height and width of the layer.
    """
    layer = np.zeros((*size, 4), np.uint8)
    known = labels_of(dataset.task)
    for number in known.object_classes(len(dataset.classes)):
        _draw(layer, known.class_pixels(label, number), visible_colour(dataset.classes[number].colour))
    _draw(layer, np.asarray(np.atleast_3d(label == IGNORED).any(axis=2)), _NO_LABEL)
    buffer = io.BytesIO()
    Image.fromarray(layer).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _draw(layer: np.ndarray, is_class: np.ndarray, colour: Colour) -> None:
    """Fill the pixels of a class, and outline them; what is smaller than a pixel of the layer is drawn as one."""
    height, width = layer.shape[:2]
    share = _scaled(is_class.astype(np.float32), (height, width))
    covered = (share >= 0.5) | ((share > 0) & (cv2.dilate((share >= 0.5).astype(np.uint8), np.ones((3, 3))) == 0))
    inside = cv2.erode(covered.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).astype(bool)
    layer[covered] = (*colour, _LINE)
    layer[inside] = (*colour, _FILLING)


def _scaled(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring a picture to a height and width: means where it shrinks, whole pixels where it grows."""
    how = cv2.INTER_AREA if size[0] <= picture.shape[0] else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=how))
