"""Small pictures of a run's images, with outlines or disputed pixels as layers that can be switched off."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from incmask.base.intact import intact
from incmask.base.npy_rows import Rows
from incmask.base.packed import Packed
from incmask.base.shards import is_file
from incmask.base.tables import rows_of
from incmask.data.dataset import Colour, Scheme
from incmask.data.images.readers import read_image
from incmask.data.images.tiles import Window, scale_label
from incmask.data.stack import StackRow
from incmask.experiment.record.images import inconsistent_folder, picture_path
from incmask.insight.report.page import Outline, Swatch
from incmask.insight.report.picture import Pixels, as_rgb
from incmask.insight.report.slices import slice_sheet
from incmask.method.labels import labels_of
from incmask.prediction.overlays import disputed_colour, visible_colour

SIDE_PX = 480
"""The longer side of a thumbnail, which is shown smaller until it is enlarged."""
_JPEG_QUALITY = 78
_LEVELS = 4
"""Steps from clear to covered in a layer; more would only make it larger."""
_DISPUTED_COLOUR = (213, 94, 0)
TRUE_COLOUR, PREDICTED_COLOUR = "#56b4e9", "#e69f00"
"""Of the outlines of one class, as in the style sheet."""
_LABEL_SIDE_PX = 1024
"""Outlines of images in tiles are traced at this size at most."""
_SIMPLIFY_PX = 0.4
_MOST_POINTS = 6_000
"""Of all outlines of a picture together; beyond, they are drawn more coarsely."""


class StackPictures:
    """The images of a stack as thumbnails; of tiles, the image that they are cut from.

    Args:
        folder: of the stack.

    Attributes:
        images: uint8, (N, H, W, C), as the networks see them.
        rows: what each of them shows.

    Raises:
        FileNotFoundError, ValueError, IncmaskError: it is gone or damaged.
    """

    def __init__(self, folder: Path):
        self.images = Rows(folder / "images.npy")
        self.rows = Packed(StackRow, rows_of(intact(folder / "index.csv"), StackRow))

    def image(self, name: str, size: tuple[int, int]) -> Pixels | None:
        """Draw an image small; None where the stack does not hold it.

        Args:
            name: of the image.
            size: its own height and width.

        Returns:
            (h, w, 3), the longer side ``SIDE_PX``.
        """
        if self.rows.place("name", name) is None:
            return None
        scale = SIDE_PX / max(size)
        pictures = [as_rgb(self.images[number]) for number in self.numbers(name)]
        return self._joined(name, pictures, np.zeros((*_scaled(size, scale), 3), np.uint8), scale=scale, resize=_resize)

    def numbers(self, name: str) -> tuple[int, ...]:
        """Give the rows of an image, which follow each other."""
        if (first := self.rows.place("name", name)) is None:
            return ()
        last, names = first, self.rows.column("name")
        while last < len(names) and names[last] == name:
            last += 1
        return tuple(range(first, last))

    def label(self, name: str, size: tuple[int, int], labels: Sequence[np.ndarray]) -> np.ndarray:
        """Put the labels of an image's rows together.

        Args:
            name: of the image.
            size: its own height and width.
            labels: of each row, uint8 (H, W) or (H, W, K).

        Returns:
            (h, w) or (h, w, K), in the image's proportions.
        """
        (first, *others) = (self.rows[number] for number in self.numbers(name))
        if not others and (first.height, first.width) == size:
            return labels[0]
        scale = min(1.0, _LABEL_SIDE_PX / max(size))
        canvas = np.zeros((*_scaled(size, scale), *labels[0].shape[2:]), np.uint8)
        return self._joined(name, labels, canvas, scale=scale, resize=scale_label)

    def _joined(
        self,
        name: str,
        parts: Sequence[np.ndarray],
        canvas: Pixels,
        *,
        scale: float,
        resize: Callable[[np.ndarray, tuple[int, int]], np.ndarray],
    ) -> Pixels:
        for number, whole in zip(self.numbers(name), parts, strict=True):
            row = self.rows[number]
            top, left = round(row.top * scale), round(row.left * scale)
            bottom, right = round((row.top + row.height) * scale), round((row.left + row.width) * scale)
            part = canvas[top:bottom, left:right]
            # A tile may reach beyond a small image.
            part[...] = resize(whole, (max(1, bottom - top), max(1, right - left)))[: part.shape[0], : part.shape[1]]
        return canvas


def to_jpeg(picture: Pixels) -> bytes:
    """Write (h, w, 3) as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def disputed_swatch(scheme: Scheme) -> Swatch:
    """Tell the colour of disputed pixels, which is no class's."""
    return Swatch("disputed: the models disagree", _hex(disputed_colour(scheme.classes, _DISPUTED_COLOUR)))


def class_swatches(scheme: Scheme) -> tuple[Swatch, ...]:
    """Tell the colours of the classes that are outlined; none where there is one alone."""
    if labels_of(scheme.task).is_one_class:
        return ()
    return tuple(Swatch(each.name, _hex(visible_colour(each.colour))) for each in scheme.foreground)


def disputed_layer(root: Path, name: str, size: tuple[int, int], *, scheme: Scheme, depth: int | None = None) -> bytes:
    """Draw the disputed pixels of an image as a PNG that is clear elsewhere; empty where the file is gone.

    Args:
        root: run folder.
        name: of the image.
        size: height and width of the layer.
        scheme: the classes, whose colours are others.
        depth: slices of a volume, some of which are drawn side by side; None: it is an image.

    Raises:
        IncmaskError: the file is no image, or the name leads out of the folder.
    """
    path = picture_path(inconsistent_folder(root), name)
    if not is_file(path):
        return b""
    disputed = (read_image(path)[..., 0] > 0).astype(np.float32)
    if depth is not None:
        disputed = slice_sheet(disputed, depth)
    share = cv2.resize(disputed, size[::-1], interpolation=cv2.INTER_AREA)
    return _to_layer(share, disputed_colour(scheme.classes, _DISPUTED_COLOUR))


def outlines_of(label: np.ndarray, *, kind: str, scheme: Scheme, size: tuple[int, int]) -> tuple[Outline, ...]:
    """Trace the borders of every class but a multiclass task's first, which is the ground; an outline a class.

    Args:
        label: uint8, (H, W) ids or (H, W, K); 255, no label, belongs to no class.
        kind: of the outlines.
        scheme: what the label means, and the classes' colours.
        size: height and width of the picture that the outlines lie over.
    """
    scale = np.array([size[1] / label.shape[1], size[0] / label.shape[0]])
    known = labels_of(scheme.task)
    numbers = known.object_classes(len(scheme.classes))
    planes = [known.class_pixels(label, number).astype(np.uint8) for number in numbers]
    found = [cv2.findContours(plane, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)[0] for plane in planes]
    for coarser in (1, 2, 4, 8):
        simple = [[cv2.approxPolyDP(line, coarser * _SIMPLIFY_PX, closed=True) for line in lines] for lines in found]
        if sum(len(line) for lines in simple for line in lines) <= _MOST_POINTS:
            break
    colours = [swatch.colour for swatch in class_swatches(scheme)] or [""]
    # Contours run through the centres of pixels; a picture's coordinates begin at their corners.
    paths = ("".join(_to_path((line[:, 0] + 0.5) * scale) for line in lines) for lines in simple)
    return tuple(Outline(kind, path, colour) for path, colour in zip(paths, colours, strict=True) if path)


def crop_outline(crop: Window, *, scale: float) -> Outline:
    """Frame a part of an image."""
    right, bottom = crop.left + crop.width, crop.top + crop.height
    corners = np.array([(crop.left, crop.top), (right, crop.top), (right, bottom), (crop.left, bottom)])
    return Outline("crop", _to_path(corners * scale))


def _to_path(points: np.ndarray) -> str:
    first, *others = (f"{x:.1f} {y:.1f}" for x, y in points)
    return f"M{first}{''.join('L' + other for other in others)}Z"


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _to_layer(share: np.ndarray, colour: Colour) -> bytes:
    """Cover (h, w) by its share, 0 to 1, with one colour."""
    levels = np.ceil(np.clip(share, 0, 1) * _LEVELS).astype(np.uint8)
    layer = Image.frombytes("P", share.shape[::-1], levels.tobytes())
    layer.putpalette(colour * (_LEVELS + 1), "RGB")
    buffer = io.BytesIO()
    alphas = bytes(round(200 * level / _LEVELS) for level in range(_LEVELS + 1))
    layer.save(buffer, "PNG", transparency=alphas, optimize=True)
    return buffer.getvalue()


def _resize(picture: Pixels, size: tuple[int, int]) -> Pixels:
    shrinks = size[0] <= picture.shape[0] and size[1] <= picture.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=how), np.uint8)


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
