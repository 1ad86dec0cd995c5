"""What is in a data folder, and everything that is wrong with it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from incmask.base.choosing import ConfigFile, read_config
from incmask.base.errors import IncmaskError, Problem
from incmask.base.words import ShortRepr
from incmask.data.dataset import DataOptions, Dataset
from incmask.data.doctor.finding import Finding
from incmask.data.doctor.fix import Change
from incmask.data.doctor.pairs import findings_of_pairs
from incmask.data.folder.check import DataFacts, describe, facts_of
from incmask.data.folder.scan import scan
from incmask.data.images.readers import ImageFacts
from incmask.experiment.choices import data_options, size_of
from incmask.experiment.named import Choices, named_by


@dataclass(frozen=True, repr=False)
class Checked(ShortRepr):
    """What is in a data folder, everything that is wrong with it, and what else is worth a look.

    Attributes:
        description: in lines for people.
        problems: everything that is wrong, with ``where``, ``what`` and ``remedy``; a run refuses the folder.
        findings: what else is worth a look: ``kind``, ``severity``, ``files``, ``what`` and ``remedy``.
        dataset: the part of it that can be used; None where nothing can.
        images: what is known of each image that could be read.
        changes: what a corrected copy has that the folder has not; empty where none was asked for, or needed.
    """

    description: tuple[str, ...]
    problems: tuple[Problem, ...]
    findings: tuple[Finding, ...] = ()
    dataset: Dataset | None = None
    images: Mapping[Path, ImageFacts] = field(default_factory=dict, repr=False)
    changes: tuple[Change, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether a run can begin."""
        return not self.problems

    @property
    def facts(self) -> DataFacts | None:
        """Task, classes, images and sizes; None where nothing can be used."""
        return facts_of(self.dataset) if self.dataset else None

    def as_dict(self) -> dict[str, Any]:
        """Give the same as values that JSON knows."""
        return {
            "ready": self.is_ready,
            "facts": asdict(self.facts) if self.facts else None,
            "problems": [asdict(each) for each in self.problems],
            "findings": [asdict(each) for each in self.findings],
            "changes": [asdict(each) for each in self.changes],
            "description": list(self.description),
        }


def check_data(data: Path, *, group: str | None = None) -> Checked:
    """Find everything that is wrong with a folder and its ``incmask.toml``; touches nothing.

    Args:
        data: the folder.
        group: as in ``Choices``.
    """
    problems: list[Problem] = []
    file, options = ConfigFile(), DataOptions()
    try:
        file = read_config(data)
        options = data_options(data, file, group)
    except IncmaskError as error:
        problems += error.problems
    settings = None
    try:
        settings = named_by(file, Choices()).settings
    except IncmaskError as error:
        problems += error.problems
    found = scan(data, options)
    dataset, problems = found.dataset, [*problems, *found.problems]
    if dataset is None or settings is None:
        return Checked(
            tuple(describe(dataset)) if dataset else (), tuple(problems), found.findings, dataset, found.images
        )
    # What masks of classes may have wrong: that they lie beside what they show, say.
    is_of_classes = dataset.target is None
    of_pairs = findings_of_pairs(dataset, size=size_of(dataset, settings), fit=settings.fit) if is_of_classes else ()
    return Checked(tuple(describe(dataset)), tuple(problems), (*found.findings, *of_pairs), dataset, found.images)
