"""What was found in predicted images, and the tables of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from incmask.base.tables import csv_text
from incmask.method.instances import object_channels

MASK_SHARES, CELL_COUNTS = "masks.csv", "counts.csv"


@dataclass(frozen=True)
class CellCounts:
    """The cells of an image.

    Attributes:
        of_types: cells of each type, in the order of the classes that cells are made of.
        unclear: cells of which no type prevails.
    """

    of_types: tuple[int, ...]
    unclear: int


@dataclass(frozen=True, slots=True)
class MaskShares:
    """What was found in an image.

    Attributes:
        name: of the image.
        height, width: in pixels.
        inconsistent_fraction: share of disputed pixels, 0 to 1.
        disagreement: mean share of members that are off the majority, 0 to 1.
        class_pixels: pixels of each class, in the order of the classes.
        num_objects: objects of each class that has some: for exclusive classes without class 0; where a class marks
            centres, of what objects are made of.
        cells: None where no class marks positions, and for images that are predicted some rows at a time.
        files: what was written, below the output folder.
        disputed_of_foreground: disputed pixels, as a share of those that are foreground or disputed; 0 without any.
    """

    name: str
    height: int
    width: int
    inconsistent_fraction: float
    disagreement: float
    class_pixels: tuple[int, ...]
    num_objects: tuple[int, ...]
    cells: CellCounts | None = None
    files: tuple[str, ...] = ()
    disputed_of_foreground: float = 0.0


def tables(
    shares: Sequence[MaskShares],
    *,
    class_names: Sequence[str],
    position_class: str | None,
    table_name: str = MASK_SHARES,
) -> dict[str, str]:
    """Give the tables of all images by file name, the one of shares last.

    Args:
        shares: of the images.
        class_names: of the model's classes.
        position_class: the one that marks the centres of cells; with it, cells are in ``counts.csv``.
        table_name: of the table of shares.
    """
    masks = {table_name: shares_csv(shares, class_names, position_class=position_class)}
    channels = object_channels(class_names, position_class)
    if channels is None:
        return masks
    return {CELL_COUNTS: counts_csv(shares, [class_names[index] for index in channels.bodies])} | masks


def counts_csv(shares: Sequence[MaskShares], type_names: Sequence[str]) -> str:
    """Give a line an image: how many cells there are of each type, and how many of no clear one."""
    rows = (
        (share.name, *share.cells.of_types, share.cells.unclear)
        for share in sorted(shares, key=lambda share: share.name)
        if share.cells is not None
    )
    return csv_text(("name", *(f"count/{name}" for name in type_names), "unclear"), rows)


def shares_csv(shares: Sequence[MaskShares], class_names: Sequence[str], *, position_class: str | None = None) -> str:
    """Give a line an image: disputed shares, mean disagreement; share, area in pixels and objects of each class.

    With a ``position_class``, objects are those of the classes that they are made of.
    """
    rows = (
        (
            share.name,
            share.height,
            share.width,
            f"{share.inconsistent_fraction:.6f}",
            f"{share.disputed_of_foreground:.6f}",
            f"{share.disagreement:.6f}",
            *(f"{pixels / (share.height * share.width):.6f}" for pixels in share.class_pixels),
            *share.class_pixels,
            *share.num_objects,
        )
        for share in sorted(shares, key=lambda share: share.name)
    )
    channels = object_channels(class_names, position_class)
    # Exclusive classes have one that is ground, without objects, and it comes first.
    num_counted = len(shares[0].num_objects) if shares else len(class_names)
    with_objects = class_names[len(class_names) - num_counted :]
    if channels is not None:
        with_objects = [class_names[index] for index in channels.bodies]
    columns = [("fraction", class_names), ("area_px", class_names), ("objects", with_objects)]
    header = ("name", "height", "width", "inconsistent_fraction", "disputed_of_foreground", "disagreement")
    return csv_text((*header, *(f"{what}/{name}" for what, names in columns for name in names)), rows)
