"""Which mask belongs to which image, by their names alone."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from incmask.base.errors import Problem
from incmask.base.packed import Packed
from incmask.base.packed_texts import Paths, Texts, repeated
from incmask.data.folder.files_below import in_order
from incmask.data.folder.hints import prepare_words
from incmask.data.folder.names import key_of_name, name_of, owner_of_numbered, without_ending, without_mask_suffix

Files = Mapping[PurePosixPath, Path]
"""Files by their path below the folder in which they were looked for."""

_IMAGE_SUFFIX = re.compile(r"[ _.-](?:leftimg8bit|images?|img|im|raw|sat|training|test|volume|0000)$", re.IGNORECASE)
_IMAGE_PREFIX, _MASK_PREFIX = (
    re.compile(rf"(?:^|(?<=/))(?:{words})(?:[ _.-]|(?=\d))(?=[^/]+$)", re.IGNORECASE)
    for words in (
        "images?|imgs?|im|raw|sat",
        "masks?[ _.-]of|masks?|msk|labels?|seg|segmentations?|gt|annotations?|targets?",
    )
)


_LABEL_STUDIO = re.compile(r"task-\d+-annotation-\d+-by-")


@dataclass(frozen=True, slots=True)
class ImageWithMasks:
    """An image and the masks that bear its name.

    Attributes:
        name: path below the image folder, without the ending.
        image: the image file.
        masks: mask file by class folder; by "" where there are no class folders; empty where unlabelled.
    """

    name: str
    image: Path
    masks: Mapping[str, Path]


@dataclass(frozen=True)
class Pairing:
    """Pairs, sorted by name, what did not fit, and how many images have more masks than one."""

    pairs: Sequence[ImageWithMasks]
    problems: tuple[Problem, ...]
    num_doubled: int = 0


def split_by_suffix(files: Files, mask_suffix: str | None) -> tuple[Files, Files]:
    """Tell images and masks apart in a folder that holds both: (images, masks).

    A file is a mask where its name is ``mask_suffix`` longer than an image's; where no suffix is given,
    one of the common ones. Where no two files belong together, all are images. Masks of other suffixes are neither.
    """
    # Of a million images hardly any has a name that a mask may have.
    owners = {below: owner for below in files if (owner := _owner(name_of(below), mask_suffix))}
    wanted = {name for owner in owners.values() for name in (owner, without_ending(owner))}
    if not wanted or not _among(wanted, files):
        return files, {}
    wanted = {owner_of_numbered(name_of(below)) for below in files} if mask_suffix is None else set()
    wanted |= {_owner(name_of(below), None) for below in files} if mask_suffix else set()
    names = _among(wanted, files)
    numbered = {below for below in files if mask_suffix is None and owner_of_numbered(name_of(below)) in names}
    masks = {below: path for below, path in files.items() if below in owners or below in numbered}
    others = {below for below in files if mask_suffix and _owner(name_of(below), None) in names}
    return {below: path for below, path in files.items() if below not in masks and below not in others}, masks


def _among(wanted: Collection[str], files: Files) -> set[str]:
    """Give those names that files have, as they are or without what images have beside it."""
    found = set[str]()
    for name in map(name_of, files):
        plain = (name, _IMAGE_SUFFIX.sub("", name), _IMAGE_PREFIX.sub("", name))
        found.update(each for each in plain if each in wanted)
    return found


def _owner(name: str, mask_suffix: str | None) -> str:
    """Give what a mask's name has of its image's; "" for a name that no mask has."""
    short = without_mask_suffix(name, mask_suffix)
    return short or (_MASK_PREFIX.sub("", name) if mask_suffix is None and _MASK_PREFIX.search(name) else "")


def pair(images: Files, masks: Files, *, mask_suffix: str | None, class_folders: bool) -> Pairing:
    """Find the image of each mask.

    The endings of image and mask may differ. A mask may have a suffix that its image lacks; an image may
    have one of its own. Images without a mask stay, with no masks.

    Args:
        images: image files.
        masks: mask files; with ``class_folders``, the first folder of each path is the class.
        mask_suffix: the only suffix that masks have; None for any of the common ones, or none.
        class_folders: each class has a folder of masks.
    """
    problems: list[Problem] = []
    names, paths = _named(images, problems)
    named = [(path, *_folder_and_name(below, class_folders=class_folders)) for below, path in in_order(masks)]
    given = {path: candidates(name, folder, mask_suffix) for path, folder, name in named}
    spellings = Spellings(names, chain.from_iterable(given.values()))

    found: dict[str, dict[str, Path]] = {}
    doubled: set[str] = set()
    for path, folder, name in named:
        if not name:
            problems.append(Problem(str(path), "lies outside the folders of the classes", "move it into one"))
            continue
        owner = spellings.find(given[path])
        if owner is None:
            problems.append(Problem(str(path), "is a mask without an image", _mend(name, names)))
        elif folder in found.setdefault(owner, {}):
            other, image = found[owner][folder].name, paths[names.place(owner) or 0].name
            doubled.add(owner)
            problems.append(
                Problem(
                    str(path),
                    f"is a second mask, beside {other}, for the image {image}",
                    f"remove one, or name the masks to take under [data] in incmask.toml: "
                    f'mask_suffix = "{_suffix_of(other, owner)}"',
                )
            )
        else:
            found[owner][folder] = path
    none: dict[str, Path] = {}  # one for all, as a million images may have no mask
    pairs = (ImageWithMasks(name, path, found.get(name, none)) for name, path in zip(names, paths, strict=True))
    return Pairing(Packed(ImageWithMasks, pairs), tuple(problems), len(doubled))


def _folder_and_name(below: PurePosixPath, *, class_folders: bool) -> tuple[str, str]:
    """Give a mask's class folder, and its name there; "" for a name where it lies in none."""
    name = name_of(below)
    folder, _, rest = name.partition("/") if class_folders else ("", "", name)
    return folder, rest


def _named(images: Files, problems: list[Problem]) -> tuple[Texts, Paths]:
    """Give images by their names, in the order of their paths; tell of those whose name another one has before them."""
    several = repeated(lambda: (key_of_name(name_of(below)) for below in images))
    names, paths, first = Texts(), Paths(), dict[str, tuple[str, Path]]()
    for below, path in in_order(images):
        name = name_of(below)
        if several and (key := key_of_name(name)) in several:
            other, other_path = first.setdefault(key, (name, path))
            if other_path is not path:
                but = "" if other == name else " but for capitals, which some disks do not tell"
                what = f"has the same name as {other_path.name}{but}, so their results would overwrite each other"
                problems.append(Problem(str(path), what, "rename or remove one of the two"))
                continue
        names.append(name)
        paths.append(path)
    return names, paths


def _mend(name: str, images: Iterable[str]) -> str:
    """Say what to do with a mask without an image: programs have their own ways to call several masks of one."""
    last = name.split("/")[-1]
    if _LABEL_STUDIO.match(last):
        return "export from Label Studio as JSON, and not as PNG, whose names tell nothing of images"
    shorter = [short for image in images if re.match(re.escape(short := image.split("/")[-1]) + "[ _.-]", last)]
    if shorter:
        image = max(shorter, key=len)
        return (
            f"call it as its image, {image}; of several for one image, write those of a class each as "
            f"masks/<class>/{image}.png, and those of an object each into a folder masks beside {image}, "
            f"as DSB 2018 has them, for {prepare_words()}"
        )
    return f"add the image {name}.* or take the mask out of the folder"


class Spellings:
    """Images by what a mask may call them, the likeliest first: capitals count only where they must.

    Args:
        names: of the images, perhaps a million.
        given: what masks call them, of which alone is found what it means.
    """

    def __init__(self, names: Iterable[str], given: Iterable[str]):
        wanted = {*given}
        folded = set(map(key_of_name, wanted))
        self._found, self._folded = ([_Once(), _Once(), _Once()] for _ in range(2))
        for name in names if wanted else ():
            spelt = (name, _IMAGE_SUFFIX.sub("", name), _IMAGE_PREFIX.sub("", name))
            for place, text in enumerate(spelt):
                if text in wanted:
                    self._found[place].add(text, name)
                if (key := key_of_name(text)) in folded:
                    self._folded[place].add(key, name)

    def find(self, given: Sequence[str]) -> str | None:
        """Give the image with one of these names; None: there is none."""
        tries = [
            *((names, candidate) for names in self._found for candidate in given),
            *((names, key_of_name(candidate)) for names in self._folded for candidate in given),
        ]
        return next((name for names, spelt in tries if (name := names.get(spelt)) is not None), None)


class _Once(dict[str, str | None]):
    """Images by how they are spelt; None for what is no image's alone."""

    def add(self, spelt: str, name: str) -> None:
        self[spelt] = None if spelt in self else name


def candidates(name: str, folder: str, mask_suffix: str | None) -> list[str]:
    """Give the names that the image of a mask may have, the likeliest first."""
    if mask_suffix is not None:
        short = without_mask_suffix(name, mask_suffix)
        return [short, without_ending(short)]
    names = [name, _owner(name, None), re.sub(r"[_-]L$", "", name)]  # the last as in CamVid
    if folder:
        names += [without_mask_suffix(name, f"{separator}{folder}") for separator in "_-. "]
    names += [without_ending(name) for name in names]
    return [candidate for candidate in dict.fromkeys(names) if candidate]


def _suffix_of(file_name: str, owner: str) -> str:
    stem = PurePosixPath(file_name).stem
    short = _IMAGE_SUFFIX.sub("", PurePosixPath(owner).name)
    return stem[len(short) :] if stem.startswith(short) and stem != short else "_mask"
