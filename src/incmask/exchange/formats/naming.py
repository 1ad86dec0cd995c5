"""Which files of a folder are images and which their masks, by the names of folders and files."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath

from incmask.base.errors import Problem, fail, raise_problems
from incmask.base.words import counted
from incmask.data.folder.hints import conversion_hint
from incmask.data.folder.likeness import Alike, by_look, find_alike, told_part
from incmask.data.folder.names import are_in_class_folders, first_of, name_of, nfc, part_of, role_of, sorted_folders
from incmask.data.folder.own_names import image_of_mask
from incmask.data.folder.pairing import Spellings, candidates, pair, split_by_suffix
from incmask.data.folder.unnamed import folders_beside
from incmask.data.images.masks import MaskFacts, facts_of
from incmask.exchange.formats.common import Files, Label, SourceImage, images_of, read_mask
from incmask.exchange.sources.archives import SourceFile


@dataclass(frozen=True)
class Named:
    """An image and its masks.

    Attributes:
        name: as ``Picture.name``.
        path: of the image below the source.
        image: the image.
        masks: by class folder; by "" where there are no class folders; empty: unlabelled.
    """

    name: str
    path: str
    image: SourceFile
    masks: Mapping[str, SourceFile]


@dataclass(frozen=True)
class Sorted:
    """All images with their masks.

    Attributes:
        items: by name, sorted.
        class_folders: names of the folders of the classes; empty where a mask is one file.
        notes: what a person must be told.
    """

    items: tuple[Named, ...]
    class_folders: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def pictures(self, label: Callable[[Named], Label]) -> tuple[SourceImage, ...]:
        """Give the images, those with masks with their labels."""
        return tuple(
            SourceImage(item.name, item.path, item.image, label(item) if item.masks else None) for item in self.items
        )


@dataclass(frozen=True)
class _Placed:
    """A file; ``before`` and ``after`` the folder that tells what it is, which ``kind`` is."""

    path: str
    kind: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def below(self) -> PurePosixPath:
        return PurePosixPath(*self.before, *self.after)

    @property
    def name(self) -> str:
        return name_of(self.below)

    @property
    def name_in_class(self) -> str:
        """The same, where the first folder of ``after`` is a class; "" where there is none."""
        return name_of(PurePosixPath(*self.before, *self.after[1:])) if len(self.after) > 1 else ""


def sort_files(files: Files, *, mask_suffix: str | None, where: object) -> Sorted:
    """Pair images and masks.

    Images lie in a folder ``images``, and masks, with the same names, in ``masks``, or in ``masks/<class>`` or
    ``<class>`` beside it; or masks lie beside their images and have a suffix such as "_mask". Above, and below
    ``images`` and ``masks``, there may be other folders.

    Raises:
        IncmaskError: there are no images or no masks, or masks without an image; all of them are told.
    """
    pictures = images_of(files)
    paths = [*map(PurePosixPath, pictures)]
    placed = [_place_of_own(path, pictures) or _place(path) for path in pictures]
    images = [file for file in placed if file.kind == "image"]
    masks = [file for file in placed if file.kind == "mask"]
    others = [file for file in placed if not file.kind]
    if not images:
        images, others = _without_folder(others, masks), []
    if not masks and not others:
        beside, suffixed = split_by_suffix({file.below: Path(file.path) for file in images}, mask_suffix)
        masks = [replace(file, kind="mask") for file in images if file.below in suffixed]
        images = [file for file in images if file.below in beside]
    masks = _in_parts(masks, images, mask_suffix)
    names = {file.name for file in images}
    named = [(file.name, file.name_in_class) for file in masks]
    in_classes = are_in_class_folders(named, names, mask_suffix=mask_suffix) or (not masks and bool(others))
    if in_classes and not masks:
        # Files that have an image's name but for one folder more, which is the class.
        deeper = [next((mask for mask in _deeper(file) if mask.name_in_class in names), None) for file in others]
        masks = [mask for mask in deeper if mask is not None]

    def facts_at(path: PurePosixPath) -> MaskFacts:
        file = pictures[str(path)]
        return facts_of(file.where, read_mask(file))

    look = by_look(facts_at)
    if not masks and mask_suffix is None and (alike := find_alike(paths, look)):
        return _of_likeness(alike, pictures, folders_beside(alike, paths, facts_at)[0])
    if not images or not masks:
        what = "holds no images" if not images else f"holds {counted(len(images), 'image')} but no masks for them"
        one, classes = "images/x.png and masks/x.png", "images/x.png and masks/<class>/x.png"
        raise fail(where, what, _hint(files) or f"arrange {one}, or {classes}, or x.png and x_mask.png")
    pairing = pair(
        _by_place([(file.below, file.path) for file in images], pictures),
        _by_place([(_in_class(file) if in_classes else file.below, file.path) for file in masks], pictures),
        mask_suffix=mask_suffix,
        class_folders=in_classes,
    )
    # Of several masks of an image those that go with all of them; or what names tell of none.
    is_sure = mask_suffix is not None or (any(each.masks for each in pairing.pairs) and not pairing.num_doubled)
    if not is_sure and (alike := find_alike(paths, look)):
        return _of_likeness(alike, pictures, folders_beside(alike, paths, facts_at)[0])
    raise_problems(
        [Problem(str(pictures[problem.where].where), problem.what, problem.remedy) for problem in pairing.problems]
    )
    items = tuple(
        Named(
            found.name,
            found.image.as_posix(),
            pictures[found.image.as_posix()],
            {nfc(folder): pictures[path.as_posix()] for folder, path in found.masks.items()},
        )
        for found in sorted(pairing.pairs, key=lambda found: found.name)
    )
    folders = {folder for item in items for folder in item.masks if in_classes}
    return Sorted(items, sorted_folders(folders))


def _of_likeness(
    alike: Sequence[Alike], pictures: Files, alone: Mapping[PurePosixPath, Sequence[PurePosixPath]]
) -> Sorted:
    """Give images and masks that no name tells apart, and folders of images alone."""
    items, are_told = [], any(told_part(image) for each in alike for image in each.mask_of)
    for each in alike:
        for image, mask in each.pairs():
            part = each.part_of(image) if are_told else None
            name = f"{part}/{each.name_of(image)}" if part else each.name_of(image)
            items.append(Named(name, str(image), pictures[str(image)], {"": pictures[str(mask)]} if mask else {}))
    for image in chain.from_iterable(alone.values()):
        items.append(Named(alike[0].name_of(image), str(image), pictures[str(image)], {}))
    told = [f"images alone: {first_of([*map(str, alone)], 4)}"] if alone else []
    return Sorted(tuple(sorted(items, key=lambda item: item.name)), (), (*map(str, alike), *told))


def _hint(files: Files) -> str:
    return conversion_hint(files, lambda path: files[path].read()[:500].decode("utf-8-sig", "replace"))


def _by_place(placed: Iterable[tuple[PurePosixPath, str]], pictures: Files) -> dict[PurePosixPath, Path]:
    """Give the path of each file by its place; raises where folders that stand for the same hold one each."""
    found: dict[PurePosixPath, Path] = {}
    problems = []
    for below, path in placed:
        other = found.setdefault(below, Path(path)).as_posix()
        if other != path:
            what = f"stands for the same as {other}, since the folders of both mean the same"
            problems.append(Problem(str(pictures[path].where), what, "take one of the two folders out of the source"))
    raise_problems(problems)
    return found


def names_of(images: Files) -> dict[str, str]:
    """Give the path of each image by its name: the path without ending, and without the folder for images.

    Raises:
        IncmaskError: two have the same name.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for path, entry in images.items():
        placed = _place(path)
        other = found.setdefault(placed.name if placed.kind == "image" else name_of(PurePosixPath(path)), path)
        if other != path:
            what = f"has the same name as {other}, so one would overwrite the other"
            problems.append(Problem(str(entry.where), what, "rename or remove one of the two"))
    raise_problems(problems)
    return found


def is_mask(path: str) -> bool:
    """Tell whether a file lies in a folder for masks."""
    return _place(path).kind == "mask"


def _place(path: str) -> _Placed:
    *folders, file_name = path.split("/")
    for index in reversed(range(len(folders))):
        role = role_of(folders[index], foreign=True)
        if role.kind:
            told = (role.word,) if role.part else ()
            return _Placed(path, role.kind, (*folders[:index], *told), (*folders[index + 1 :], file_name))
    return _Placed(path, "", (), (*folders, file_name))


def _place_of_own(path: str, pictures: Files) -> _Placed | None:
    image = image_of_mask(path, pictures)
    return None if image is None else _Placed(path, "mask", (), tuple(image.split("/")))


def _without_folder(images: list[_Placed], masks: list[_Placed]) -> list[_Placed]:
    """Take the one folder in which all images lie beside that of the masks for that of the images."""
    tops = {file.after[0] if len(file.after) > 1 else "" for file in images}
    if not masks or len(tops) != 1 or "" in tops or any(file.after[0] in tops or file.before for file in masks):
        return images
    return [replace(file, after=file.after[1:]) for file in images]


def _deeper(file: _Placed) -> Iterator[_Placed]:
    """Take each folder in turn for that of a class."""
    for index in range(len(file.after) - 1):
        yield _Placed(file.path, "mask", file.after[:index], file.after[index:])


def _in_parts(masks: list[_Placed], images: list[_Placed], mask_suffix: str | None) -> list[_Placed]:
    """Move masks that lie in one folder for all parts to the part of their image."""
    words = {file.after[0] for file in images if len(file.after) > 1 and part_of(file.after[0])}
    if not words or any(part_of(file.after[0]) for file in masks if len(file.after) > 1):
        return masks
    there = {mask: [replace(mask, after=(word, *mask.after)) for word in sorted(words)] for mask in masks}
    given = {file: candidates(file.name, "", mask_suffix) for files in there.values() for file in files}
    spellings = Spellings((file.name for file in images), chain.from_iterable(given.values()))
    return [next((file for file in there[mask] if spellings.find(given[file])), mask) for mask in masks]


def _in_class(file: _Placed) -> PurePosixPath:
    """Give the path of a mask with the folder of its class, if any, in front."""
    first, *below = file.after
    return PurePosixPath(first, *file.before, *below) if below else PurePosixPath(first)
