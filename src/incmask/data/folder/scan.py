"""A folder to a data set: reads every file once, and tells of everything that is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from incmask.base.errors import IncmaskError, Problem, collected, fail
from incmask.base.packed import ByPath, Packed
from incmask.data.dataset import POSITION_NAMES, DataOptions, Dataset, Item, MaskKind
from incmask.data.doctor.look import findings_of_images
from incmask.data.folder.classes import SETTLE
from incmask.data.folder.drawn import Drawn, alpha_problems, black_and_white, drawn_of
from incmask.data.folder.groups import group_items
from incmask.data.folder.intensities import alpha_notes, intensity_notes
from incmask.data.folder.layout import Layout, find_layout
from incmask.data.folder.numbered import ask_if_objects, objects_problem
from incmask.data.folder.pairing import ImageWithMasks
from incmask.data.folder.reading import OnFile as OnFile
from incmask.data.folder.reading import Scan as Scan
from incmask.data.folder.reading import channels_of, read_facts, size_problem
from incmask.data.folder.recognise import (
    NOTHING_DRAWN,
    Recognised,
    kind_of,
    lossy_problem,
    noise_problem,
    outside_problem,
    recognise,
    recognise_folders,
)
from incmask.data.folder.summary import absent_notes, channel_notes, label_statistics, name_notes, recognition_notes
from incmask.data.folder.told import beside, with_told_classes
from incmask.data.folder.values import scan_values
from incmask.data.images.masks import MaskFacts, hardened, mask_facts, mask_raster
from incmask.data.images.readers import ImageFacts
from incmask.data.rounds import Round, read_rounds
from incmask.data.volumes.scan import grid_problem, mixed_problem, volume_notes, volumes_of
from incmask.method.labels import labels_of


@dataclass(frozen=True)
class _Contents:
    """Facts of the files that could be read, how masks spell classes, and what of their colours was drawn."""

    images: ByPath[ImageFacts]
    masks: Mapping[Path, MaskFacts]
    kind: MaskKind = "grey"
    drawn: Drawn = field(default_factory=lambda: Drawn(()))


def load_dataset(root: str | Path, options: DataOptions | None = None, *, on_file: OnFile | None = None) -> Dataset:
    """Scan a folder that must be in order; what was found in its images is among the notes.

    Raises:
        IncmaskError: with all problems, where there are any.
    """
    found = scan(root, options, on_file=on_file)
    if found.dataset is None or found.problems:
        raise IncmaskError(found.problems)
    return replace(found.dataset, notes=(*found.dataset.notes, *map(str, found.findings)))


def scan(
    root: str | Path,
    options: DataOptions | None = None,
    *,
    on_file: OnFile | None = None,
    rounds: Sequence[Round] | None = None,
) -> Scan:
    """Read all files of a folder and find out what they mean; changes nothing.

    Never stops at the first problem: all are collected, one for each file.

    Args:
        root: the data folder.
        options: what the folder itself does not tell.
        on_file: told of the progress.
        rounds: of corrected masks; None: those that the folder tells of.
    """
    root, options = Path(root), options or DataOptions()
    if rounds is None:
        try:
            rounds = read_rounds(root)
        except IncmaskError as error:
            return Scan(None, error.problems)
    ignore = next((each.ignore for each in rounds if each.ignore is not None), None)
    # It was chosen among the values that no mask has, so that all those are classes as before.
    if options.ignore in (None, "none") and ignore is not None:
        options = options.model_copy(update={"ignore": ignore})
    if options.task is not None and labels_of(options.task).is_continuous:
        return scan_values(root, options, on_file=on_file)
    options, told = with_told_classes(options, beside(root))
    layout = find_layout(root, options, rounds)
    problems = list(layout.problems)
    contents = _Contents(*read_facts(layout, mask_facts, problems, on_file))
    contents = _as_drawn(contents, layout, options, root, problems)
    recognised = _recognise(root, layout, contents, options=options, problems=problems)
    channels = channels_of(contents.images, options, problems)
    if recognised is None or channels is None:
        return _unusable(root, problems)
    bad = {Path(problem.where) for problem in problems}
    items = {
        part: Packed(
            Item,
            (
                item
                for pair in pairs
                if (item := _item(pair, contents, recognised, bad=bad, problems=problems)) is not None
            ),
        )
        for part, pairs in layout.parts.items()
    }
    position_class = _position_class(recognised, options, root, problems)
    problems += mixed_problem(contents.images.values(), root)
    if not items["labelled"]:
        return _unusable(root, problems)
    grouping = group_items(root, items, options.group, contents.images.column("digest"))
    problems += grouping.problems
    statistics = label_statistics(items["labelled"], contents.masks, recognised)
    if statistics.empty_masks == len(items["labelled"]):
        problems.append(Problem(str(root), *NOTHING_DRAWN))
    notes = (
        *layout.notes,
        *told,
        *recognition_notes(recognised),
        *channel_notes(contents.images, channels),
        *alpha_notes(contents.images, options),
        *intensity_notes(contents.images, items, options),
        *absent_notes(items, recognised, statistics),
        *name_notes(items, contents.images),
        *grouping.notes,
    )
    volumes = volumes_of(items["labelled"], options)
    dataset = Dataset(
        root=root,
        task=recognised.task,
        classes=recognised.classes,
        encoding=recognised.encoding,
        channels=channels,
        **grouping.items,
        notes=(*notes, *volume_notes(volumes)),
        statistics=statistics,
        position_class=position_class,
        intensity=options.intensity,
        target=None,
        volumes=volumes,
    )
    findings = findings_of_images(dict(dataset.parts()), contents.images, contents.masks)
    return Scan(dataset, tuple(problems), findings, contents.images)


def _unusable(root: Path, problems: Sequence[Problem]) -> Scan:
    """Give what a folder is of which nothing can be used: never without a problem."""
    nothing = Problem(str(root), "holds no labelled images", "add images with masks to labelled")
    return Scan(None, tuple(problems) or (nothing,))


def _as_drawn(
    contents: _Contents, layout: Layout, options: DataOptions, root: Path, problems: list[Problem]
) -> _Contents:
    """Count in masks what was drawn, not what soft edges and near-equal colours made of it."""
    is_folders = bool(layout.class_folders) or options.encoding == "folders"
    kind: MaskKind = "folders" if is_folders else kind_of(contents.masks.values(), options)
    if not (is_folders or options.classes or options.ignore is not None or options.task == "multiclass"):
        blurred = black_and_white(tuple(contents.masks.values()))
        if blurred is not None:
            masks = {fact.path: fact for fact in blurred.facts}
            return _Contents(contents.images, {**contents.masks, **masks}, "colour", blurred)
    whole = [fact for fact in contents.masks.values() if not lossy_problem(fact, kind)]
    problems += alpha_problems(whole)
    drawn = Drawn(tuple(map(hardened, whole) if is_folders and options.ignore is None else whole))
    with collected(problems):
        drawn = drawn_of(drawn.facts, kind, options, root)
    masks = {**contents.masks, **{fact.path: fact for fact in drawn.facts}}
    return _Contents(contents.images, masks, "colour" if drawn.snaps else kind, drawn)


def _recognise(
    root: Path, layout: Layout, contents: _Contents, *, options: DataOptions, problems: list[Problem]
) -> Recognised | None:
    if not layout.parts["labelled"]:
        return None
    masks, kind = contents.masks, contents.kind
    noise = {path: noise_problem(fact, kind, options) for path, fact in masks.items()}
    noisy = [masks[path] for path, problem in noise.items() if problem]
    objects = objects_problem(noisy, read=mask_raster, where=root)
    problems += [objects] if objects else [problem for problem in noise.values() if problem]
    if objects:
        return None

    def clean(*parts: str) -> list[MaskFacts]:
        paths = [path for part in parts for pair in layout.parts[part] for path in pair.masks.values()]
        return [masks[path] for path in paths if path in masks and noise[path] is None]

    try:
        if kind == "folders":
            by_folder: dict[str, list[MaskFacts]] = {folder: [] for folder in layout.class_folders}
            for pair in (pair for part in layout.parts.values() for pair in part):
                for folder, path in pair.masks.items():
                    if path in masks and noise[path] is None:
                        by_folder[folder].append(masks[path])
            return recognise_folders(by_folder, layout.class_folders, options=options, where=root)
        labelled = clean("labelled")
        if not labelled:
            return None
        recognised = recognise(labelled, clean("val", "test"), kind=kind, options=options, where=root)
        recognised = replace(
            recognised,
            encoding=replace(recognised.encoding, nearest=contents.drawn.snaps),
            notes=(*contents.drawn.notes, *recognised.notes),
        )
        ask_if_objects(clean("labelled", "val", "test"), recognised, options, read=mask_raster, where=root)
    except IncmaskError as error:
        problems += error.problems
        return None
    for fact in clean(*layout.parts):
        if problem := outside_problem(fact, recognised, declared=bool(options.classes)):
            problems.append(problem)
    return recognised


def _item(
    pair: ImageWithMasks, contents: _Contents, recognised: Recognised, *, bad: set[Path], problems: list[Problem]
) -> Item | None:
    image = contents.images.get(pair.image)
    if image is None:
        return None
    is_good = not (bad & {pair.image, *pair.masks.values()})
    for path in pair.masks.values():
        mask = contents.masks.get(path)
        if mask is None:
            continue
        if problem := grid_problem(path, mask, pair.image, image):
            is_good = False
            problems.append(problem)
        elif (mask.height, mask.width) != (image.height, image.width):
            is_good = False
            problems.append(size_problem(path, mask, pair.image, image))
    masks: tuple[Path | None, ...] | None = None
    if pair.masks:
        is_folders = recognised.encoding.kind == "folders"
        keys = [str(info.value) for info in recognised.classes] if is_folders else [""]
        masks = tuple(pair.masks.get(key) for key in keys)
    if not is_good:
        return None
    return Item(pair.name, pair.image, masks, image.height, image.width, grid=image.grid)


def _position_class(recognised: Recognised, options: DataOptions, root: Path, problems: list[Problem]) -> str | None:
    names = [info.name for info in recognised.classes]
    if options.position_class is not None:
        if options.position_class in names and labels_of(recognised.task).is_layered:
            return options.position_class
        listed = ", ".join(names)
        what = f'position_class = "{options.position_class}" is no class of a multilabel task; there are {listed}'
        problems += fail(root, what, f"{SETTLE} one of the classes").problems
        return None
    if not labels_of(recognised.task).is_layered:
        return None
    return next((name for name in names if name.casefold() in POSITION_NAMES), None)
