"""A folder whose targets are numbers: nothing is to be recognised, since ``incmask.toml`` names the task."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from incmask.base.choosing import CONFIG_NAME
from incmask.base.errors import Problem
from incmask.base.packed import Packed
from incmask.base.words import counted
from incmask.data.dataset import ClassInfo, DataOptions, Dataset, Item, LabelStatistics, MaskEncoding
from incmask.data.doctor.look import findings_of_pictures
from incmask.data.folder.groups import group_items
from incmask.data.folder.intensities import alpha_notes, intensity_notes
from incmask.data.folder.layout import find_layout
from incmask.data.folder.pairing import ImageWithMasks
from incmask.data.folder.reading import OnFile, Scan, channels_of, read_facts, size_problem
from incmask.data.folder.summary import channel_notes, name_notes, part_notes
from incmask.data.images.readers import ImageFacts
from incmask.data.images.targets import TargetFacts, target_facts
from incmask.data.volumes.scan import grid_problem, mixed_problem, volume_notes, volumes_of
from incmask.method.values import ValueRange

Targets = Mapping[Path, TargetFacts]
Images = Mapping[Path, ImageFacts]

_FOR_CLASSES = ("classes", "encoding", "ignore", "position_class")
"""Of ``[data]``, what says nothing of numbers."""


def scan_values(root: Path, options: DataOptions, *, on_file: OnFile | None = None) -> Scan:
    """Read all files of a folder whose targets are numbers; never stops at the first problem.

    Args:
        root: the data folder.
        options: its task is one of numbers.
        on_file: told of the progress.
    """
    task = options.task
    assert task is not None, "a folder does not tell that its targets are numbers"
    problems = _not_for_numbers(root, options)
    # Folders below that of the targets are no classes.
    options = options.model_copy(update={"encoding": "grey"})
    layout = find_layout(root, options)
    problems += layout.problems
    images, targets = read_facts(layout, lambda path: target_facts(path, task), problems, on_file)
    channels = channels_of(images, options, problems)
    bad = {Path(problem.where) for problem in problems}
    items = {
        part: Packed(
            Item, (item for pair in pairs if (item := _item(pair, images, targets, bad, problems)) is not None)
        )
        for part, pairs in layout.parts.items()
    }
    if channels is None or not items["labelled"]:
        if not problems:
            problems.append(Problem(str(root), "holds no labelled images", "add images with targets to labelled"))
        return Scan(None, tuple(problems))
    labelled = [targets[path] for item in items["labelled"] for path in item.masks or () if path is not None]
    target = _range_of(labelled, options, root, problems)
    if target is None:
        return Scan(None, tuple(problems))
    grouping = group_items(root, items, options.group, images.column("digest"))
    problems += [*grouping.problems, *mixed_problem(images.values(), root)]
    volumes = volumes_of(items["labelled"], options)
    options = options.model_copy(update={"intensity": options.intensity or _intensity(items["labelled"], images)})
    dataset = Dataset(
        root=root,
        task=task,
        classes=(ClassInfo(task, (255, 255, 255), 0),),
        encoding=MaskEncoding("grey"),
        channels=channels,
        **grouping.items,
        notes=(
            *layout.notes,
            _told(target, labelled, options),
            *channel_notes(images, channels),
            *alpha_notes(images, options),
            *intensity_notes(images, items, options),
            *part_notes(items),
            *name_notes(items, images),
            *grouping.notes,
            *volume_notes(volumes),
        ),
        statistics=_statistics(labelled),
        position_class=None,
        intensity=options.intensity,
        target=target,
        volumes=volumes,
    )
    findings = findings_of_pictures(dict(dataset.parts()), images)
    return Scan(dataset, tuple(problems), findings, images)


def _not_for_numbers(root: Path, options: DataOptions) -> list[Problem]:
    given = [name for name in _FOR_CLASSES if getattr(options, name) not in (None, ())]
    what = (
        f'names {" and ".join(given)}, which are of classes, beside task = "{options.task}", whose targets are numbers'
    )
    return [Problem(str(root / CONFIG_NAME), what, "leave them out")] if given else []


def _item(
    pair: ImageWithMasks, images: Images, targets: Targets, bad: set[Path], problems: list[Problem]
) -> Item | None:
    image = images.get(pair.image)
    is_good = image is not None and not bad & {pair.image, *pair.masks.values()}
    for path in pair.masks.values():
        target = targets.get(path)
        if image and target and (problem := grid_problem(path, target, pair.image, image)):
            is_good = False
            problems.append(problem)
        elif image and target and (target.height, target.width) != (image.height, image.width):
            is_good = False
            problems.append(size_problem(path, target, pair.image, image))
    if image is None or not is_good:
        return None
    masks = tuple(pair.masks.values()) or None
    return Item(pair.name, pair.image, masks, image.height, image.width, grid=image.grid)


def _range_of(
    labelled: Sequence[TargetFacts], options: DataOptions, root: Path, problems: list[Problem]
) -> ValueRange | None:
    if options.target_range is not None:
        return ValueRange(*options.target_range)
    low, high = min(fact.low for fact in labelled), max(fact.high for fact in labelled)
    if low < high:
        return ValueRange(low, high)
    what = f"has labelled targets of a single number, {low:g}, so that there is nothing to learn"
    problems.append(Problem(str(root), what, "check how they were saved"))
    return None


def _intensity(labelled: Sequence[Item], images: Images) -> tuple[float, float] | None:
    """Give the range of the labelled images that have more than 8 bits: the same shade is the same number in all."""
    extents = [extent for item in labelled if (extent := images[item.image].extent) is not None]
    low, high = min((low for low, _ in extents), default=0.0), max((high for _, high in extents), default=0.0)
    return (low, high) if low < high else None


def _statistics(labelled: Sequence[TargetFacts]) -> LabelStatistics:
    total, missing = sum(fact.height * fact.width for fact in labelled), sum(fact.num_missing for fact in labelled)
    return LabelStatistics((total - missing,), missing, total, 0)


def _told(target: ValueRange, labelled: Sequence[TargetFacts], options: DataOptions) -> str:
    types = ", ".join(sorted({fact.dtype for fact in labelled}))
    lowest, highest = np.min([fact.low for fact in labelled]), np.max([fact.high for fact in labelled])
    told = "" if options.target_range is None else f", as target_range says; they hold {lowest:g} to {highest:g}"
    return (
        f"{counted(len(labelled), 'labelled target')} of numbers ({types}), read as {options.task}: networks learn "
        f"{target.low:g} as 0 and {target.high:g} as 1{told}"
    )
