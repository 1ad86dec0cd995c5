"""The predictions of several models, as folders of label images: which files belong together. Opens no image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from incmask.base.caller import another_folder, command, option
from incmask.base.config import Task
from incmask.base.errors import IncmaskError, Problem, fail
from incmask.base.store import INCONSISTENT
from incmask.base.words import are
from incmask.data.folder.names import IMAGE_SUFFIXES, are_in_class_folders, name_of
from incmask.data.folder.walk import walk
from incmask.data.volumes.names import VOLUME_SUFFIXES
from incmask.method.labels import labels_of
from incmask.prediction.layers import MASKS

ARRAY_SUFFIX = ".npy"
AS_ARRAYS = "compare arrays in Python: incmask.inconsistency takes any number of axes"
"""What can be done with volumes."""

_PREDICTION_SUFFIXES = (*IMAGE_SUFFIXES, ARRAY_SUFFIX)
_LIST_AT_MOST = 5


@dataclass(frozen=True)
class MemberPredictions:
    """The predictions of one model.

    Attributes:
        folder: as it was named.
        files: label file by class folder and image name; the only folder is "" where one file holds all classes.
    """

    folder: Path
    files: Mapping[str, Mapping[str, Path]]

    @property
    def names(self) -> set[str]:
        """Of the images that have a file."""
        return {name for below in self.files.values() for name in below}


@dataclass(frozen=True)
class FoundMembers:
    """What belongs together.

    Attributes:
        names: of the images, sorted: paths below each folder, without ending.
        members: of each model its files.
        images: image file by name; None where no images are asked for.
        notes: what must be said aloud.
    """

    names: tuple[str, ...]
    members: tuple[MemberPredictions, ...]
    images: Mapping[str, Path] | None = None
    notes: tuple[str, ...] = ()


def find_predictions(folders: Sequence[Path], *, out: Path, images: Path | None, task: Task | None) -> FoundMembers:
    """Match the files of all folders by their names.

    Args:
        folders: one of each model.
        out: the folder of results, which must lie apart.
        images: the folder of the images.
        task: multilabel: the first folder of each path is the class. None: told from the images, where there are any.

    Raises:
        IncmaskError: fewer than two folders, one that is not there or twice, files without a partner, or folders
            inside that may be classes or not.
    """
    if len(folders) < 2:
        given = folders[0] if folders else command("mask")
        raise fail(given, "is one model, expected two or more", "name a folder of predictions for each model")
    _check_folders(folders, out=out, images=images)
    listings = [_list(folder, _PREDICTION_SUFFIXES, "label images") for folder in folders]
    pictures = None if images is None else _list(images, IMAGE_SUFFIXES, "images")
    if _has_class_folders(folders, listings, pictures, task):
        files = [_by_class(listing) for listing in listings]
        _raise([problem for folder, each in zip(folders, files, strict=True) for problem in _bare(folder, each)])
    else:
        files = [{"": listing} for listing in listings]
    members = tuple(MemberPredictions(folder, each) for folder, each in zip(folders, files, strict=True))
    names = tuple(sorted(set().union(*(member.names for member in members))))
    problems = [*_missing_classes(members), *_missing_predictions(members, names)]
    notes = _absent_notes(members)
    if images is not None and pictures is not None:
        if missing := [name for name in names if name not in pictures]:
            what = f"has no image for {len(missing)} of {len(names)} predictions ({_listed(missing)})"
            problems.append(Problem(str(images), what, "give each image the name of its predictions"))
        elif num_more := len(pictures) - len(names):
            notes.append(f"{images}: {are(num_more, 'image')} left alone, without predictions")
    _raise(problems)
    return FoundMembers(names, members, pictures, tuple(notes))


def _check_folders(folders: Sequence[Path], *, out: Path, images: Path | None) -> None:
    seen: set[Path] = set()
    target = out.resolve()
    for folder in [*folders, *([] if images is None else [images])]:
        place = folder.resolve()
        if not folder.is_dir():
            what = "is a file; a folder is expected" if folder.exists() else "is not there"
            raise fail(folder, what, "name the folder that holds the files")
        if place in seen:
            raise fail(folder, "is named twice", "name another folder for each model")
        if target.is_relative_to(place) or place.is_relative_to(target):
            raise fail(out, f"lies in {folder}, or the other way round", another_folder())
        seen.add(place)
        if (folder / MASKS).is_dir() and (folder / INCONSISTENT).is_dir():
            raise fail(folder, f"holds more than labels: {MASKS}/ and {INCONSISTENT}/", f"name {folder / MASKS}")


def _list(folder: Path, suffixes: Sequence[str], what: str) -> dict[str, Path]:
    """Files by name, those that are hidden left out."""
    found: dict[str, Path] = {}
    walked = walk(folder)
    problems = list(walked.problems)
    for path in walked.files:
        if path.suffix.casefold() not in suffixes:
            continue
        before = found.setdefault(name_of(PurePosixPath(path.relative_to(folder).as_posix())), path)
        if before is not path:
            problems.append(Problem(str(path), f"has the same name as {before.name}", "keep one of the two"))
    _raise(problems)
    if not found and (volume := next(filter(_is_volume, walked.files), None)):
        raise fail(folder, f"holds volumes, such as {volume.name}, and {command('mask')} is for images", AS_ARRAYS)
    if not found:
        raise fail(folder, f"holds no {what} ({', '.join(suffixes)})", "name the folder that holds them")
    return found


def _is_volume(path: Path) -> bool:
    return path.is_dir() or str(path).casefold().endswith(VOLUME_SUFFIXES)


def _has_class_folders(
    folders: Sequence[Path],
    listings: Sequence[Mapping[str, Path]],
    pictures: Mapping[str, Path] | None,
    task: Task | None,
) -> bool:
    """Tell folders of classes from folders of images."""
    if task is not None:
        return labels_of(task).is_layered
    names = {name for listing in listings for name in listing}
    tails = [tail for name in names if (tail := name.partition("/")[2])]
    if pictures is not None:
        return are_in_class_folders(((name, name.partition("/")[2]) for name in names), pictures, mask_suffix="")
    if len(tails) < len(names) or len(set(tails)) == len(tails):
        return False
    tops = sorted({name.partition("/")[0] for name in names})
    raise fail(
        folders[0],
        f"holds the same names in {_listed(tops)}, which may be classes, or parts of the images",
        f"give {option('task', 'multilabel')} (a folder a class), or {option('task', 'binary')} or multiclass (a file "
        f"an image), or {option('images')}",
    )


def _by_class(listing: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    files: dict[str, dict[str, Path]] = {}
    for name, path in listing.items():
        top, tail = name.split("/", 1) if "/" in name else ("", name)
        files.setdefault(top, {})[tail] = path
    return files


def _bare(folder: Path, files: Mapping[str, Mapping[str, Path]]) -> list[Problem]:
    bare = sorted(path.name for path in files.get("", {}).values())
    what = f"holds {len(bare)} files outside the folders of the classes ({_listed(bare)})"
    return [Problem(str(folder), what, "arrange them as <class>/<name>.png, or take them out")] if bare else []


def _missing_classes(members: Sequence[MemberPredictions]) -> list[Problem]:
    everything = {name for member in members for name in member.files}
    return [
        Problem(
            str(member.folder),
            f"has no folder for {_listed(missing)}, which other models have",
            "give all models the same folders of classes",
        )
        for member in members
        if (missing := sorted(everything - member.files.keys()))
    ]


def _missing_predictions(members: Sequence[MemberPredictions], names: Sequence[str]) -> list[Problem]:
    problems: list[Problem] = []
    for member in members:
        have = member.names
        if missing := [name for name in names if name not in have]:
            what = f"has no prediction for {len(missing)} of {len(names)} images ({_listed(missing)})"
            remedy = "add them, give them the names that they have in the other folders, or take them out there"
            problems.append(Problem(str(member.folder), what, remedy))
    return problems


def _absent_notes(members: Sequence[MemberPredictions]) -> list[str]:
    """Models may leave out the file of a class that they did not find."""
    notes: list[str] = []
    for member in members:
        have = member.names
        num_absent = sum(len(have - below.keys()) for below in member.files.values())
        if num_absent:
            notes.append(f"{member.folder}: {are(num_absent, 'file')} missing of a class and taken as empty")
    return notes


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LIST_AT_MOST]) + ("…" if len(names) > _LIST_AT_MOST else "")


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise IncmaskError(problems)
