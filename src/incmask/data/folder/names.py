"""What the names of files and folders tell: which are images, and what a folder holds. Opens no image."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from incmask.data.dataset import PartName
from incmask.data.volumes.names import VOLUME_SUFFIXES

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")

_PARTS: dict[str, PartName] = {
    **dict.fromkeys(("labelled", "labeled", "train", "training"), "labelled"),
    **dict.fromkeys(("unlabelled", "unlabeled"), "unlabelled"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
KindName = Literal["image", "mask"]
_KINDS: dict[KindName, tuple[str, str]] = {
    "image": ("image|img|input|jpegimage|imgdir|imagedir|leftimg8bit", "im|raw"),
    "mask": (
        "mask|label|annotation|annot|groundtruth|gt|segmentation|target|anndir|maskdir|labeldir|"
        "segmentationclass|segmentationclassaug|segmentationclasspng|gtfine|(?:1st|2nd)?manual[1-9]?|manualmask|msk|"
        "pixellabeldata|masksmachine|defaultannot",
        "seg|instance",
    ),
}
"""What folders are called in a data folder, and what else annotation tools call them; s may follow."""

_MASK_SUFFIX = re.compile(
    r"[ _.-](?:(?:gtfine|cp|simple|binary|manual|instance|semantic)[ _.-])?"
    r"(?:labeltrainids|labelids|labell?ed|lbls?|color|masks?|labels?|seg|segm|segmented|segmentations?|gt|"
    r"ground[ _-]?truth|anno?|annot|annotations?|targets?|(?:1st|2nd)ho|msk|manual\d?)$",
    re.IGNORECASE,
)


def part_of(folder: str) -> PartName | None:
    """Give the part that a folder of this name holds, such as "Train" or "un-labeled"; None: no part."""
    return _PARTS.get(_plain(folder))


def is_own_word(folder: str) -> bool:
    """Tell whether a folder is called "labelled", which says that all in it is; "train" says it of no image."""
    return _plain(folder) in ("labelled", "labeled")


def part_in(name: str) -> PartName | None:
    """Give the part of which a name of several words tells, such as "ISIC_Training_Input"; None: it tells of none.

    Examples:
        >>> part_in("ISIC2018_Task1-2_Training_Input"), part_in("DUTS-TE"), part_in("contest")
        ('labelled', 'test', None)
    """
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    short: dict[str, PartName] = {"TR": "labelled", "TE": "test", "TS": "test"}
    return next((part for word in (name, *words) if (part := part_of(word) or short.get(word))), None)


def kind_of_folder(name: str, *, foreign: bool = False) -> KindName | None:
    """Tell whether a folder of this name holds images or masks; None: it does not tell.

    Args:
        name: of the folder.
        foreign: it was written by some annotation tool, which have names that may be others' in a data folder.
    """
    for kind, (sure, else_) in _KINDS.items():
        words = f"{sure}|{else_}" if foreign else sure
        if re.fullmatch(f"(?:{words})s?(?:png|tiff?|jpe?g)?", _plain(name)):
            return kind
    return None


class Role(NamedTuple):
    """What a folder is: its kind, the part that it holds, and what a folder of that part alone would be called."""

    kind: KindName | None
    part: PartName | None
    word: str


def role_of(folder: str, *, foreign: bool = False) -> Role:
    """Tell what a folder's name says of kind and part at once; ``foreign`` is as for ``kind_of_folder``.

    Examples:
        >>> role_of("imagesTs"), role_of("train_masks")
        (Role(kind='image', part='test', word='test'), Role(kind='mask', part='labelled', word='train'))
        >>> role_of("Test"), role_of("masks"), role_of("plates")[:2]
        (Role(kind=None, part='test', word='Test'), Role(kind='mask', part=None, word='masks'), (None, None))
    """
    kind, part, plain = kind_of_folder(folder, foreign=foreign), part_of(folder), _plain(folder)
    for word, of_word in ({} if kind or part else {**_PARTS, "tr": "labelled", "ts": "test"}).items():
        rest = plain.removesuffix(word) if plain.endswith(word) else plain.removeprefix(word)
        is_nnunet = len(word) > 2 or plain.endswith(f"s{word}")
        found = "mask" if rest == "lab" else kind_of_folder(rest, foreign=foreign)
        if rest != plain and is_nnunet and found:
            return Role(found, of_word, word if word in _PARTS else of_word)
    return Role(kind, part, folder)


def is_image(path: str | Path) -> bool:
    """Tell by its ending whether a file is an image, or a volume, that is read."""
    return str(path).casefold().endswith((*IMAGE_SUFFIXES, *VOLUME_SUFFIXES))


def is_array(path: str | Path) -> bool:
    """Tell by its ending whether a file is an array, which is read where targets are numbers."""
    return str(path).casefold().endswith(".npy")


def nfc(name: str) -> str:
    """Give a name in the one Unicode form, since macOS writes another than the rest."""
    return unicodedata.normalize("NFC", name)


def name_of(below: PurePosixPath) -> str:
    """Give the path without the ending, in the one Unicode form; a number is no ending, but part of a series' name.

    Examples:
        >>> [name_of(PurePosixPath(each)) for each in ("plates/a.1.png", "a.ome.tif", "a.nii.gz", "1.2.840")]
        ['plates/a.1', 'a', 'a', '1.2.840']
    """
    if re.fullmatch(r"\.\d+", below.suffix):
        return nfc(str(below))
    is_double = re.search(r"[^/]\.(?:ome\.(?:tiff?|zarr)|nii\.gz)$", str(below), re.IGNORECASE)
    return nfc(str(below.with_suffix("").with_suffix("") if is_double else below.with_suffix("")))


def key_of_name(name: str) -> str:
    """Give what two names have in common that are one to some disks, which do not tell capitals."""
    return nfc(name).casefold()


def without_mask_suffix(name: str, mask_suffix: str | None) -> str:
    """Give the name without the suffix of a mask; "" where it has none.

    Args:
        name: of a mask, without ending.
        mask_suffix: the only one that counts; None: any of the common ones; "": there are none.
    """
    if mask_suffix is None:
        found = _MASK_SUFFIX.search(name)
        return name[: found.start()] if found else ""
    return name[: -len(mask_suffix)] if mask_suffix and name.casefold().endswith(mask_suffix.casefold()) else ""


def owner_of_numbered(name: str) -> str:
    """Give the name before the suffix of a mask and a number, as of the second mask of an image; "" where it has none.

    Examples:
        >>> owner_of_numbered("benign (1)_mask_1"), owner_of_numbered("a_seg2"), owner_of_numbered("a_2")
        ('benign (1)', 'a', '')
    """
    short = re.sub(r"[ _.-]?\d{1,3}$", "", name)
    return without_mask_suffix(short, None) if short != name else ""


def without_ending(name: str) -> str:
    """Give a name without the ending of an image in it, as that of a mask may have its image's whole name.

    Examples:
        >>> without_ending("a.jpg"), without_ending("a.1")
        ('a', 'a.1')
    """
    return str(PurePosixPath(name).with_suffix("")) if is_image(name) and PurePosixPath(name).suffix else name


def are_in_class_folders(masks: Iterable[tuple[str, str]], images: Collection[str], *, mask_suffix: str | None) -> bool:
    """Tell whether masks match images by what is below their first folder, and none does as it is.

    Args:
        masks: the name of each, and its name below its first folder, "" where it is in none.
        images: names of the images.
        mask_suffix: as for ``without_mask_suffix``.
    """

    def fits(name: str) -> bool:
        return any(without_ending(each) in images or each in images for each in (name, short(name)) if each)

    def short(name: str) -> str:
        return without_mask_suffix(name, mask_suffix)

    masks = list(masks)
    return not any(fits(name) for name, _ in masks) and any(fits(below) for _, below in masks)


def sorted_folders(names: Iterable[str]) -> tuple[str, ...]:
    """Give the names of class folders in their order, which is that of the classes."""
    return tuple(sorted({nfc(name) for name in names}, key=lambda name: (name.casefold(), name)))


def _plain(name: str) -> str:
    return re.sub("[-_ ]", "", name.casefold())


def first_of(texts: Sequence[str], num: int) -> str:
    """List the first of some texts for a message, with a sign where there are more."""
    return ", ".join(texts[:num]) + (", …" if len(texts) > num else "")
