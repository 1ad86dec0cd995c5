"""What stays the same over a run, and how stages, folds and seeds follow from it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from incmask.base.config import OnCollapse, Settings, Task
from incmask.base.intact import hash_file
from incmask.base.pool import Pool
from incmask.base.progress import Progress
from incmask.base.store import Store
from incmask.data.dataset import Dataset, Item
from incmask.data.split import Fold, make_folds
from incmask.data.stack import Stack
from incmask.experiment.pretrained import Pretrained
from incmask.experiment.watch import Stamps
from incmask.method.growth import width_of
from incmask.method.labels import labels_of
from incmask.method.labels.base import Labels
from incmask.method.profiles import Profile
from incmask.method.recipe import Recipe
from incmask.method.scoring import Scoring, scoring_of
from incmask.nets.spec import EncoderSpec, NetworkSpec, SegmentationSpec, SignalSpec, VolumeSpec
from incmask.training.segmentation import ConsistencyImages
from incmask.training.validation import Validation


@dataclass(frozen=True)
class Start:
    """Models to begin with.

    Attributes:
        run: the run folder that trained them.
        models: by the folder of the new run that base models go into, for each of them the model that it begins
            with; None: it begins anew.
    """

    run: Path
    models: Mapping[str, tuple[Path | None, ...]]

    def describe(self) -> dict[str, Any]:
        """Describe it for ``run.toml``: its name and a hash of the weights, so that another run of it is noticed."""
        paths = [path for name in sorted(self.models) for path in self.models[name] if path is not None]
        hashes = "".join(hash_file(path) for path in paths)
        return {"run": self.run.name, "num_models": len(paths), "sha256": hashlib.sha256(hashes.encode()).hexdigest()}


BASE = "base"

CONTROL = "control"
"""Stage of base models that were trained on without unlabelled images, for comparison."""


@dataclass(frozen=True)
class Setup:
    """What stays the same over a run.

    Attributes:
        dataset, recipe, profile, settings: the choices, resolved.
        size: height and width of the networks' input.
        stacks: by part ("labelled", "unlabelled", "val", "test"), those that have images.
        folds: what trains and what chooses; student i takes fold i modulo their number.
        pretrained: what networks begin with that stand on an encoder; None: they do not.
        encoder: the file in the run folder that holds it; None: it is drawn anew.
    """

    dataset: Dataset
    recipe: Recipe
    profile: Profile
    settings: Settings
    size: tuple[int, int]
    stacks: dict[str, Stack]
    folds: tuple[Fold, ...]
    pretrained: Pretrained | None = None
    encoder: Path | None = None

    @property
    def task(self) -> Task:
        """What the labels mean."""
        return self.dataset.task

    @property
    def labels(self) -> Labels:
        """What is asked about them."""
        return labels_of(self.task)

    @property
    def num_classes(self) -> int:
        """Of the data."""
        return len(self.dataset.classes)

    def target_values(self, settings: Settings) -> tuple[float, ...] | None:
        """Tell what the squared error asks of a student with these settings where a class is, by class; None: 1."""
        asked, position = settings.position_target, self.scoring.position
        if position is None or asked == 1:
            return None
        return tuple(asked if number == position else 1.0 for number in range(self.num_classes))

    @property
    def quality_band(self) -> tuple[float, float] | None:
        """Ratings between which copies go from 1 to 5; None: the ratings themselves say."""
        return self.settings.quality_band or self.profile.quality_band

    @property
    def scoring(self) -> Scoring:
        """How models are scored."""
        names = [each.name for each in self.dataset.classes]
        return scoring_of(
            self.settings,
            self.task,
            class_names=names,
            position_class=self.dataset.position_class,
            target=self.dataset.target,
        )

    def training(self, fold: int) -> Validation:
        """Give the labelled images that train, for a student of ``fold``."""
        stack = self.stacks["labelled"]
        return Validation(stack.images, stack.labels, self.folds[fold].training)

    def validation(self, fold: int) -> Validation:
        """Give the images that choose, for a student of ``fold``."""
        rows = self.folds[fold].validation
        stack = self.stacks["val" if rows is None else "labelled"]
        return Validation(stack.images, stack.labels, rows)

    def validation_items(self, fold: int) -> tuple[Item, ...]:
        """Give the same as whole images."""
        rows = self.folds[fold].validation
        if rows is None:
            return tuple(self.dataset.val)
        names = {self.stacks["labelled"].names[row] for row in rows}
        return tuple(item for item in self.dataset.labelled if item.name in names)

    def views(self) -> ConsistencyImages | None:
        """Tell where students learn to be consistent: on what."""
        if self.recipe.objective != "consistency":
            return None
        strength = self.profile.consistency[self.settings.consistency_strength]
        return ConsistencyImages(self.stacks["unlabelled"].images, strength, self.dataset.depth)

    def network(self, generation: int, *, momentum: float | None = None) -> SegmentationSpec:
        """Give the networks of ``generation``; ``momentum`` of the batch norm, where it is not the settings'."""
        momentum = self.settings.batch_norm_momentum if momentum is None else momentum
        channels, num_outputs = self.dataset.channels, self.labels.num_outputs(self.num_classes)
        if self.pretrained is None:
            width, volumes = width_of(self.recipe, self.settings, generation), self.dataset.volumes
            if volumes is not None:
                kind_of_norm = self.settings.volume_norm
                return VolumeSpec(channels, num_outputs, width, volumes.depth, volumes.poolings, momentum, kind_of_norm)
            kind = SignalSpec if self.size[0] == 1 else NetworkSpec
            return kind(channels, num_outputs, width, momentum)
        return EncoderSpec(
            net=self.pretrained.net,
            in_channels=channels,
            out_channels=num_outputs,
            batch_norm_momentum=momentum,
            frozen=self.settings.encoder_rate == 0,
            origin=self.pretrained.origin,
            licence=self.pretrained.licence,
        )


@dataclass(frozen=True)
class RunContext:
    """A run at work.

    Attributes:
        setup: what stays the same.
        store: its folder.
        pool: does the work.
        progress: a listener.
        judges: model files of the EvalNets, where the recipe has them.
        threshold: least rating of a mask that is accepted, where the labeller rates.
        stamps: of the data's files, as the run found them.
        on_collapse: what becomes of a generation that has collapsed, as the setting says.
    """

    setup: Setup
    store: Store
    pool: Pool
    progress: Progress
    judges: tuple[Path, ...] = ()
    threshold: float = 0.0
    stamps: Stamps = field(default_factory=Stamps)
    on_collapse: OnCollapse = "ignore"

    def folder(self, generation: int) -> Path:
        """Give the folder of a generation."""
        return self.store.root / stage_name(generation)


def stage_name(generation: int) -> str:
    """Give the folder of a generation; 0 is the base."""
    return f"gen-{generation}" if generation else BASE


def base_folders(recipe: Recipe, name: str = "") -> dict[str, str]:
    """Give the names of a recipe's base recipes by the folders that a run keeps their models in.

    Args:
        recipe: the recipe.
        name: its own, where it is a base recipe.
    """
    names = recipe.bases or (name,)
    return {f"{BASE}-{each}" if place else BASE: each for place, each in enumerate(names)}


def folds_of(names: Sequence[str], *, groups: Mapping[str, str], has_val: bool, settings: Settings) -> tuple[Fold, ...]:
    """Divide labelled images into folds, the same for every recipe, so that base models can be shared.

    Args:
        names: of the images, or of the images that tiles were cut from.
        groups: of the images, by name.
        has_val: whether there is a part of its own that chooses.
        settings: seed, and numbers of models: there are no more folds than the smallest stage has models.
    """
    num_models = min(settings.num_base, settings.num_students)
    return make_folds(names, has_val=has_val, seed=settings.seed, num_models=num_models, groups=groups)


def seed_for(seed: int, generation: int, student: int) -> int:
    """Give a seed of its own for each student: the same run seed gives the same, on any machine."""
    return int(np.random.SeedSequence([seed, generation, student]).generate_state(1)[0])
