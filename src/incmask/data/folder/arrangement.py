"""How folders of parts, of images and of masks lie in each other. Opens no file."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from incmask.base.errors import Problem
from incmask.data.dataset import PARTS, PartName
from incmask.data.folder.names import KindName, is_image, kind_of_folder, part_of, role_of
from incmask.data.folder.walk import names_in, subfolders, walk


@dataclass(frozen=True)
class Place:
    """Where the files of a part lie.

    Attributes:
        folder: that stands for the part.
        images: folder of the images; None: they lie in ``folder``, in any depth.
        masks: folder of the masks; None: they lie beside their images, or there are none.
        is_foreign: other tools arrange parts so, which leave out the masks of what they test on.
        is_shared: other parts have their masks in the same folder.
    """

    folder: Path
    images: Path | None = None
    masks: Path | None = None
    is_foreign: bool = False
    is_shared: bool = False


@dataclass(frozen=True)
class Arrangement:
    """Where each part lies, and folders of which there should be one."""

    places: dict[PartName, Place]
    problems: tuple[Problem, ...] = ()

    @property
    def folders(self) -> set[Path]:
        """All folders that have a meaning, and those above them."""
        known = {path for place in self.places.values() for path in (place.folder, place.images, place.masks) if path}
        return known | {path.parent for path in known}


def arrange(root: Path) -> Arrangement:
    """Find the folders of each part.

    They are ``train/images`` and ``train/masks``, or ``train`` and ``train_masks``, or ``imagesTr`` and ``labelsTr``,
    or ``images/train`` and ``masks/train``, in many spellings. Without any of these, the data folder itself is the
    labelled part.
    """
    look = _Look()
    places = {part: place for part in PARTS if (place := look.part(root, part)) is not None}
    if not places:
        images, masks = look.kind(root, "image"), look.kind(root, "mask")
        images = images or (masks and _only_other(root, masks))
        places = look.split(images, masks) if images else {}
        places = places or {"labelled": Place(root, images, masks)}
    return Arrangement(places, tuple(look.problems))


def may_be_class(folder: Path) -> bool:
    """Tell whether a folder among masks holds masks, or nothing, and not tables and other files alone."""
    return not walk(folder).files or holds_images(folder)


def holds_images(folder: Path) -> bool:
    """Tell whether images, or volumes that are folders, lie below a folder."""
    return any(is_image(path) or path.is_dir() for path in walk(folder).files)


def _only_other(root: Path, masks: Path) -> Path | None:
    """Give the one folder with pictures beside that of the masks, whatever it is called; None: there is no such."""
    if any(map(is_image, names_in(root))):
        return None
    own = [path for path in subfolders(root) if path != masks and not re.fullmatch(r"round-\d+", path.name)]
    others = [path for path in own if holds_images(path)]
    return others[0] if len(others) == 1 and not (masks / others[0].name).is_dir() else None


def place_at(folder: Path) -> Place:
    """Give the place of a part that is a folder of its own."""
    look = _Look()
    return Place(folder, look.kind(folder, "image"), look.kind(folder, "mask"))


class _Look:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def one(self, folder: Path, fits: Callable[[str], bool]) -> Path | None:
        """Give the subfolder whose name fits."""
        found = [path for path in subfolders(folder) if fits(path.name)]
        if len(found) > 1:
            listed = " and ".join(path.name for path in found)
            what = f"holds {listed}, which stand for the same; the first was taken"
            self.problems.append(Problem(str(folder), what, "keep one of them"))
        return found[0] if found else None

    def kind(self, folder: Path, kind: KindName) -> Path | None:
        return self.one(folder, lambda name: kind_of_folder(name) == kind)

    def part(self, root: Path, part: PartName) -> Place | None:
        folder = self.one(root, lambda name: part_of(name) == part)
        images = self.one(root, lambda name: role_of(name)[:2] == ("image", part))
        masks = self.one(root, lambda name: role_of(name)[:2] == ("mask", part))
        if folder is None:
            return None if images is None else Place(images, images, masks, is_foreign=True)
        inside = self.kind(folder, "image"), self.kind(folder, "mask")
        return Place(folder, images or inside[0], masks or inside[1], is_foreign=masks is not None)

    def split(self, images: Path, masks: Path | None) -> dict[PartName, Place]:
        """Give the parts below a folder of images; none where anything else lies in it, too."""
        of_images = _parts_below(images)
        of_masks = _parts_below(masks) if masks else {}
        if masks and not of_masks:
            of_masks = dict.fromkeys(of_images, masks)
        return {
            part: Place(folder, folder, of_masks.get(part), is_foreign=True, is_shared=of_masks.get(part) == masks)
            for part, folder in of_images.items()
        }


def _parts_below(folder: Path) -> dict[PartName, Path]:
    below = subfolders(folder)
    parts = [part_of(path.name) for path in below]
    found = {part: path for part, path in zip(parts, below, strict=True) if part is not None}
    is_split = len(found) == len(below) and not any(map(is_image, names_in(folder)))
    return found if is_split else {}


def nearby_data(root: Path, *, depth: int = 2) -> Path | None:
    """Give a folder below that looks like a data folder; None: there is none near."""
    below: Sequence[Path] = subfolders(root)
    for _ in range(depth):
        for folder in below:
            place = arrange(folder).places.get("labelled")
            if place is not None and place.masks is not None and any(map(is_image, walk(place.masks).files)):
                return folder
        below = [deeper for folder in below[:20] for deeper in subfolders(folder)]
    return None
