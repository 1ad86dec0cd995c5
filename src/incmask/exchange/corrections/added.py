"""What the rounds of a data folder hold already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from incmask.base.choosing import CONFIG_NAME, read_config
from incmask.base.errors import Problem, fail, raise_problems
from incmask.base.validation import validated
from incmask.data.dataset import DataOptions, Dataset, Item, Scheme
from incmask.data.folder.scan import load_dataset
from incmask.data.images.readers import read_label
from incmask.data.rounds import Round, read_rounds
from incmask.exchange.formats.common import Label


@dataclass(frozen=True)
class ReceivingFolder:
    """Where corrections go: the data folder as it is, its options and its rounds."""

    dataset: Dataset
    options: DataOptions
    rounds: tuple[Round, ...]


def receiving_folder(root: Path, scheme: Scheme) -> ReceivingFolder:
    """Read the data folder that corrections of a run go to.

    Raises:
        IncmaskError: it has other classes than the run.
    """
    options = validated(DataOptions, read_config(root).data, where=str(root / CONFIG_NAME))
    dataset = load_dataset(root, options)
    ours, theirs = ([each.name for each in classes] for classes in (dataset.classes, scheme.classes))
    if (dataset.task, ours) != (scheme.task, theirs):
        what = f"has the classes {', '.join(ours)} ({dataset.task}), but the run {', '.join(theirs)} ({scheme.task})"
        raise fail(root, what, "take the change back, or run again and export anew")
    return ReceivingFolder(dataset, options, read_rounds(root))


def earlier(into: ReceivingFolder) -> dict[str, Item]:
    """Give the images that rounds have added, by the names that they had."""
    by_name = {item.name: item for item in into.dataset.labelled}
    found = {name: by_name.get(f"{each.prefix}{name}") for each in into.rounds for name in each.names}
    return {name: replace(item, name=name) for name, item in found.items() if item is not None}


def added_before(labels: Mapping[str, Label], into: ReceivingFolder) -> dict[str, int]:
    """Tell which images rounds hold with just these labels, and the number of the round.

    Raises:
        IncmaskError: some are there with others.
    """
    numbers = {name: each.number for each in into.rounds for name in each.names}
    found, problems = {}, []
    for name, item in earlier(into).items():
        if name in labels:
            found[name] = numbers[name]
            if not np.array_equal(read_label(item, into.dataset), labels[name].make(item.height, item.width)):
                problems.append(_added_problem(name, numbers[name], into))
    raise_problems(problems)
    return found


def _added_problem(name: str, number: int, into: ReceivingFolder) -> Problem:
    (folder,) = (each.folder for each in into.rounds if each.number == number)
    return Problem(
        name, f"was added in round {number} already", f"take it out, or undo that round by removing {folder}"
    )


def same_round(into: ReceivingFolder, added: Mapping[str, int], names: Sequence[str]) -> Round | None:
    """Give the round that holds just these images with just these labels; None: there are none of a round among them.

    Raises:
        IncmaskError: some of a round are among them, but not all of it and nothing else.
    """
    numbers = {added[name] for name in names if name in added}
    for each in into.rounds:
        if numbers == {each.number} and {*each.names} == {*names}:
            return each
    raise_problems([_added_problem(name, added[name], into) for name in names if name in added])
    return None
