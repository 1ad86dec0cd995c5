"""The unlabelled images of a run as pictures, with their disputed pixels."""

from collections.abc import Sequence
from urllib.parse import quote

from incmask.base.errors import IncmaskError
from incmask.base.intact import GONE, DamagedError
from incmask.base.shards import archive_of, is_file
from incmask.data.images.tiles import Window, scale_label
from incmask.experiment.record.images import mask_folders, picture_path, read_mask
from incmask.experiment.record.run import RunRecord
from incmask.insight.report.page import (
    Link,
    Outline,
    Swatch,
    Thumbnail,
)
from incmask.insight.report.run_page.thumbnails import (
    SIDE_PX,
    TRUE_COLOUR,
    StackPictures,
    class_swatches,
    crop_outline,
    disputed_layer,
    disputed_swatch,
    outlines_of,
    to_jpeg,
)
from incmask.insight.report.run_page.volume_pictures import pictures_of
from incmask.insight.report.slices import slice_sheet
from incmask.prediction.layers import DISAGREEMENT

_MASK_SIDE_PX = 1024
"""Masks are traced at this size at most."""
_MOST_CLASSES = 4
"""Links to the masks of an image."""


class UnlabelledPictures:
    """The unlabelled images of a run as pictures, as far as they are still there.

    Args:
        record: of the run.
    """

    def __init__(self, record: RunRecord):
        self._record = record
        self._items = record.part("unlabelled")
        try:
            self._pictures: StackPictures | None = pictures_of(record, "unlabelled")
        except DamagedError:
            raise
        except (*GONE, ValueError, IncmaskError):
            self._pictures = None

    @property
    def has_pictures(self) -> bool:
        """Whether there are any images to show."""
        return self._pictures is not None

    def thumbnail(self, name: str, text: str, *, crop: Window | None = None, outlined: bool = False) -> Thumbnail:
        """Draw an image with its disputed pixels.

        Args:
            name: of the image.
            text: what is said of it.
            crop: the part that is meant; None: all of it.
            outlined: with the outlines of its mask, too.
        """
        item = self._items.get(name)
        picture = None
        if item and self._pictures:
            picture = self._pictures.image(name, tuple(item["size"]))
        if item is None or picture is None:
            return Thumbnail(name, text, f"{name}: the image is gone.", b"", 0, 0, links=self.links(name))
        try:
            layer = disputed_layer(
                self._record.root, name, picture.shape[:2], scheme=self._record.scheme, depth=self._depth(name)
            )
        except DamagedError:
            raise
        except IncmaskError:
            # A file that is no image costs its own picture alone.
            layer = b""
        return Thumbnail(
            title=name,
            text=text,
            alt=f"{name}, {text}; disputed pixels are covered{', the mask is outlined' if outlined else ''}.",
            jpeg=to_jpeg(picture),
            width=picture.shape[1],
            height=picture.shape[0],
            layer=layer,
            outlines=(
                *(self._mask(name, picture.shape[:2]) if outlined else ()),
                *([crop_outline(crop, scale=SIDE_PX / max(item["size"]))] if crop else []),
            ),
            links=self.links(name),
        )

    def _mask(self, name: str, size: tuple[int, int]) -> tuple[Outline, ...]:
        try:
            label = read_mask(self._record.root, name, self._record.scheme).label
        except DamagedError:
            raise
        except IncmaskError:
            return ()
        if (depth := self._depth(name)) is not None:
            label = slice_sheet(label, depth)
        scale = min(1.0, _MASK_SIDE_PX / max(label.shape[:2]))
        if scale < 1:
            label = scale_label(label, (round(label.shape[0] * scale) or 1, round(label.shape[1] * scale) or 1))
        return outlines_of(label, kind="mask", scheme=self._record.scheme, size=size)

    def _depth(self, name: str) -> int | None:
        """Give the slices of a volume; None: it is an image."""
        grid = self._record.grid("unlabelled", name)
        return None if grid is None else grid.shape[0]

    @property
    def legend(self) -> tuple[Swatch, ...]:
        """What the colours of disputed pixels and of outlines mean."""
        scheme = self._record.scheme
        outlines = class_swatches(scheme) or (Swatch(f"outline of {scheme.classes[0].name}", TRUE_COLOUR),)
        return (disputed_swatch(scheme), *outlines)

    def links_of(self, names: Sequence[str]) -> dict[str, tuple[Link, ...]]:
        """Give the same of many images by name; in the order of archives, each of which is looked into once."""
        return {name: self.links(name) for name in sorted({*names})}

    def links(self, name: str) -> tuple[Link, ...]:
        """Give the files of an image that there are, relative to the run folder."""
        root, found = self._record.root, []
        folders = list(mask_folders(root, self._record.scheme).items())[:_MOST_CLASSES]
        for text, folder in (*folders, ("disagreement", root / DISAGREEMENT)):
            try:
                path = picture_path(folder, name)
            except DamagedError:
                raise
            except IncmaskError:
                continue
            # A name from a table may be none that the disk allows.
            if is_file(path):
                archive = archive_of(path)
                text = text if archive is None else f"{text} (in {archive.name})"
                found.append(Link(text, quote((archive or path).relative_to(root).as_posix())))
        return tuple(found)
